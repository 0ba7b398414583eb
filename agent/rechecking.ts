import { ChunkmeshError } from '../shared/errors.js';
import { Tally } from '../shared/tally.js';
import type { RecheckedSource } from './io/store/chunk_source.js';
import { type Parts, RECHECK_DOCUMENT } from './parts.js';
import { Recheck, type RecheckTurn } from './recheck.js';
import type { Rollouts } from './rollouts.js';

/** What an agent looks at again: what it serves. What no rollout names is verified whole once one does. */

/** A full look each week: rot is rare, and a second rotten copy of the same chunk in that time rarer. */
export const DEFAULT_RECHECK_DAYS = 7;
/** A few per cent of what the slowest flash reads and the slowest processor hashes; 64 GiB in 5 hours. */
export const DEFAULT_RECHECK_RATE = 4_000_000;
const DAY_SECONDS = 86_400;

export interface RecheckSettings {
  /** 0 for never. */
  readonly recheckDays?: number;
  /** Bytes a second. */
  readonly recheckRate?: number;
}

export interface RecheckingHost {
  now(): number;
  seconds(): number;
  warn(error: ChunkmeshError, times: number): void;
  /** A deadline moved. */
  stepped(): void;
}

/** @returns null where none is wished for */
export function makeRecheck(
  parts: Parts,
  rollouts: Rollouts,
  { recheckDays = DEFAULT_RECHECK_DAYS, recheckRate = DEFAULT_RECHECK_RATE }: RecheckSettings,
  host: RecheckingHost,
): Recheck | null {
  if (recheckDays === 0) return null;
  const { endpoint, recheckMemory: memory, seeds, store } = parts;
  const told = new Tally();
  const options = { intervalSeconds: recheckDays * DAY_SECONDS, bytesPerSecond: recheckRate, memory };
  return new Recheck(options, {
    now: host.now,
    seconds: host.seconds,
    sources: () => [...ofRollouts(parts, rollouts), ...seeds.map((source) => ({ key: `seed ${source.path}`, source }))],
    datagrams: () => endpoint.stats.datagramsReceived + endpoint.stats.datagramsSent,
    save: (saved) => store.writeState(RECHECK_DOCUMENT, saved),
    rotten: (source, chunk) => {
      const times = told.add(source.path, host.now());
      const error = new ChunkmeshError('E_STORE_ROT', `${source.path}: chunk ${chunk} is not what it was`);
      if (times !== null) host.warn(error, times);
      // It is asked of peers at once, whatever else the transfer waits for.
      for (const transfer of rollouts.all()) if (transfer.source === source) transfer.tick();
    },
    stepped: host.stepped,
  });
}

function ofRollouts({ seeds }: Parts, rollouts: Rollouts): RecheckTurn[] {
  const own = new Set<RecheckedSource>(seeds);
  return rollouts.all().flatMap(({ artifact, source }) => {
    return source === null || own.has(source) ? [] : [{ key: artifact, source }];
  });
}
