import {
  DOUBLE_MS,
  ENDGAME_AGE_MS,
  LATE_BY_OWN_PACE_MS,
  LATE_FACTOR,
  MAX_COPIES_IN_ENDGAME,
  MAX_LATE_MS,
  MIN_LATE_MS,
  OUTPACES_FACTOR,
  TAKE_OVER_MS,
} from './limits.js';
import type { Peer } from './peer.js';

/** When what was asked of one peer may be asked of another (P-10.4). Pure: times are the caller's. */

/** What was asked and did not come yet. */
export interface OpenRequest {
  readonly chunk: number;
  /** When it was asked, once for each that was; the latest last. */
  readonly askedAt: readonly number[];
  /** Those that were. */
  readonly owners: readonly Peer[];
}

export interface Pace {
  /** Bytes. */
  readonly chunkLength: (chunk: number) => number;
  /** Bytes per second of the best peer; 0 where none has brought anything. */
  readonly bestRate: number;
}

/** How long after it was asked a request holds up the transfer, whatever trickles in. */
export function lateAfterMs(chunk: number, { chunkLength, bestRate }: Pace): number {
  if (bestRate === 0) return MAX_LATE_MS;
  const expected = (LATE_FACTOR * chunkLength(chunk) * 1000) / bestRate;
  return Math.max(MIN_LATE_MS, Math.min(MAX_LATE_MS, expected));
}

/** When the peer has taken twice as long for the chunk as it should have, as it brought others. */
export function lateByOwnPace(peer: Peer, chunk: number, { chunkLength }: Pace): number {
  const expectedAt = peer.expectedAt(chunk, chunkLength);
  // Who has brought nothing has no pace.
  if (expectedAt === Number.POSITIVE_INFINITY) return (peer.outstanding.get(chunk) ?? 0) + ENDGAME_AGE_MS;
  return expectedAt + (expectedAt - peer.lastChunkAt) + LATE_BY_OWN_PACE_MS;
}

/** From when on the chunk may be asked of one more: of `idle`, which has nothing else to be asked for. */
export function againAt({ chunk, askedAt, owners }: OpenRequest, idle: Peer, pace: Pace, now: number): number {
  const last = askedAt.at(-1) ?? now;
  if (askedAt.length >= MAX_COPIES_IN_ENDGAME) return last + lateAfterMs(chunk, pace);
  // Who has brought nothing yet is thought to be as good as any.
  const rate = idle.rate > 0 ? idle.rate : pace.bestRate;
  const mine = rate > 0 ? (pace.chunkLength(chunk) * 1000) / rate : 0;
  let again = last + MAX_LATE_MS;
  for (const owner of owners) {
    const least = owner.begun.has(chunk) ? mine + DOUBLE_MS : mine / 4 + TAKE_OVER_MS;
    // Who is asked last is no better for being a little quicker.
    const mayBe = idle.level <= owner.level || idle.rate > OUTPACES_FACTOR * owner.rate;
    const isWorth = mayBe && now + mine + least < owner.expectedAt(chunk, pace.chunkLength);
    again = Math.min(again, isWorth ? now : lateByOwnPace(owner, chunk, pace));
  }
  return Math.max(last + ENDGAME_AGE_MS, again);
}

/** The same where every byte costs: who brings one chunk after the other comes to this one too. */
export function againAtCost({ askedAt, owners }: OpenRequest, now: number): number {
  return Math.max(askedAt.at(-1) ?? now, ...owners.map(({ lastChunkAt }) => lastChunkAt)) + MAX_LATE_MS;
}

/** Of what may be asked again, what first, the highest: what all owners are late with, what none has begun. */
export function urgency({ chunk, owners }: OpenRequest, pace: Pace, now: number): number {
  if (owners.every((owner) => now >= lateByOwnPace(owner, chunk, pace))) return 2;
  return owners.some(({ begun }) => begun.has(chunk)) ? 0 : 1;
}
