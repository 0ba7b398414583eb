import type { Rollout, TrustMessage } from '../../shared/control/messages.js';
import { ChunkmeshError } from '../../shared/errors.js';
import { MAX_DEVICES_PER_SHARD, MAX_ROLLOUTS, MAX_SHARDS } from '../../shared/limits.js';

/** What a group's next trust message says (P-4.1). Pure. */

const DAY_SECONDS = 86_400;
/** A group that nobody published to for this long is refused by its devices, so that old messages cannot be kept for later. */
export const DEFAULT_EXPIRES_DAYS = 30;

/** P-2.4, P-10.9: a power of two. */
export function shardCount(devices: number): number {
  let shards = 1;
  while (shards < MAX_SHARDS && shards * MAX_DEVICES_PER_SHARD < devices) shards *= 2;
  return shards;
}

export interface ManifestChange {
  readonly fleet: string;
  readonly group: string;
  readonly rollout: Rollout;
  /** The highest sequence number ever used for the group (P-4.3). */
  readonly highestSeq: number;
  /** Seconds since the epoch. */
  readonly now: number;
  readonly expiresDays: number;
}

/**
 * The rollout of that name is replaced, the others stay.
 * @throws E_ARGUMENT where the group has no room for one more.
 */
export function nextManifest(base: TrustMessage | undefined, change: ManifestChange): TrustMessage {
  const { fleet, group, rollout, highestSeq, now, expiresDays } = change;
  const others = (base?.rollouts ?? []).filter(({ name }) => name !== rollout.name);
  if (others.length >= MAX_ROLLOUTS) {
    throw new ChunkmeshError(
      'E_ARGUMENT',
      `group ${group} has ${MAX_ROLLOUTS} rollouts of other names already (P-4.1)`,
    );
  }
  const at = Math.floor(now);
  return {
    t: 'trust',
    v: 1,
    fleet,
    group,
    seq: Math.max(base?.seq ?? 0, highestSeq) + 1,
    at,
    expires: at + Math.round(expiresDays * DAY_SECONDS),
    rollouts: [...others, rollout],
  };
}

/** The newer of two, either of which may be missing. */
export function newer(a: TrustMessage | undefined, b: TrustMessage | undefined): TrustMessage | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return b.seq > a.seq ? b : a;
}
