import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isId } from '../../shared/control/ids.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { writePrivateFile } from '../../shared/private_file.js';
import type { Member } from '../fleet/fleet_file.js';
import type { Standing } from './verdict.js';

/** What a guard remembers over restarts: a list of who is out does not say who was let in again, and when. */

const FILE = 'guard.json';
const DAY_SECONDS = 86_400;

const since = z.array(z.tuple([z.string().refine(isId), z.number().min(0)]));
const schema = z.object({ v: z.literal(1), out: z.array(z.string().refine(isId)), restored: since, thrownOut: since });

/** Times in seconds since the epoch. */
export interface Remembered {
  /** Who was out as of the last look. */
  readonly out: readonly string[];
  readonly restored: readonly (readonly [device: string, at: number])[];
  /** By the guard itself, within a day. */
  readonly thrownOut: readonly (readonly [device: string, at: number])[];
}

export const NOTHING: Remembered = { out: [], restored: [], thrownOut: [] };

/**
 * Who is out no more was let in again, by now; also where it was thrown out after the last look, and let in before the next, which may be a day
 * later. What is older than the window makes no difference to any report.
 */
export function remember(
  before: Remembered,
  { out, restored }: Standing,
  windowSeconds: number,
  now: number,
): Remembered {
  const times = new Map(before.restored);
  for (const device of before.out) if (!out.has(device)) times.set(device, now);
  for (const [device, at] of before.thrownOut) {
    // By a clock that was set back since, too: when it was let in is after it was thrown out.
    if (!out.has(device) && (times.get(device) ?? Number.NEGATIVE_INFINITY) < at) times.set(device, Math.max(at, now));
  }
  for (const [device, at] of restored) times.set(device, Math.max(at, times.get(device) ?? at));
  return {
    out: [...out],
    restored: [...times].filter(([, at]) => at >= now - windowSeconds),
    thrownOut: before.thrownOut.filter(([, at]) => at > now - DAY_SECONDS),
  };
}

/**
 * How the fleet stands with its devices as far as reports go: what a certificate that is good no more was reported for is over with it, as if its
 * holder had been let in when the one that it has now began.
 * @param roster only certificates that were given to somebody anew count (`enroll --renew`): one that a device renewed itself (P-13.12) is the same
 *   device's, and to ask for it is not to be forgiven. A certificate is dated back by as much as clocks differ, and what is reported in the second of
 *   its making counts.
 */
export function standingOf({ out, restored }: Remembered, roster: readonly Member[]): Standing {
  const times = new Map(restored);
  for (const { id, notBefore, before = [] } of roster) {
    if (notBefore === undefined || before.length > 0) continue;
    times.set(id, Math.max(notBefore - 1, times.get(id) ?? 0));
  }
  return { out: new Set(out), restored: times };
}

export interface GuardMemory {
  read(): Promise<Remembered>;
  write(remembered: Remembered): Promise<void>;
}

/** For as long as the process runs. */
export class ShortMemory implements GuardMemory {
  #remembered = NOTHING;

  async read(): Promise<Remembered> {
    return this.#remembered;
  }

  async write(remembered: Remembered): Promise<void> {
    this.#remembered = remembered;
  }
}

/** `guard.json` of a fleet folder. */
export class FolderMemory implements GuardMemory {
  readonly #path: string;
  #written = '';

  constructor(fleetFolder: string) {
    this.#path = join(fleetFolder, FILE);
  }

  /** @throws E_FILE_UNREADABLE where it is there and is not what a guard wrote: going on would judge who was let in by what is over. */
  async read(): Promise<Remembered> {
    try {
      const { out, restored, thrownOut } = schema.parse(JSON.parse(await readFile(this.#path, 'utf8')));
      return { out, restored, thrownOut };
    } catch (cause) {
      if (systemCode(cause) === 'ENOENT') return NOTHING;
      const why = systemCode(cause) ?? 'is not what a guard wrote; remove it to begin anew';
      throw new ChunkmeshError('E_FILE_UNREADABLE', `${this.#path}: ${why}`, { cause });
    }
  }

  /** Durable before it returns. @throws E_STORE_IO */
  async write(remembered: Remembered): Promise<void> {
    const text = `${JSON.stringify({ v: 1, ...remembered })}\n`;
    if (text === this.#written) return;
    try {
      await writePrivateFile(this.#path, text);
    } catch (cause) {
      throw new ChunkmeshError('E_STORE_IO', `${this.#path}: ${systemCode(cause) ?? 'cannot be written'}`, { cause });
    }
    this.#written = text;
  }
}
