import { Bitfield } from '../../shared/artifact/bitfield.js';
import { digestLacks, digestOffers, makeDigest } from '../../shared/artifact/digest.js';
import type { HaveMessage } from '../../shared/control/messages.js';
import { MAX_SESSIONS_PER_ARTIFACT } from '../../shared/limits.js';

/** What a device says of itself in a shard, and whether what others say is of interest to it (P-4.4, P-10.2). Pure. */

/** P-4.4: what the field takes. */
const MAX_ROOM = 255;

/** How a device stands with one artifact. */
export interface Share {
  readonly held: Bitfield;
  /** Whether it gives nothing (P-10.5). */
  readonly metered: boolean;
  /** Whether it asks for nothing though chunks are missing (P-10.10). */
  readonly holdsBack: boolean;
}

/** @param at seconds since the epoch; @param room sessions that may still be agreed; @param sessions those that there are */
export function announcementOf(
  { held, metered, holdsBack }: Share,
  at: number,
  room: number,
  sessions: number,
): HaveMessage {
  // P-5.6: room for a device's full number of sessions says that it has none, and a seed's room goes far beyond that.
  const most = sessions === 0 ? MAX_ROOM : MAX_SESSIONS_PER_ARTIFACT - 1;
  const told = metered ? new Bitfield(held.length) : held;
  const hold = holdsBack && { hold: true };
  return { t: 'have', at, held: told.count, room: Math.min(most, room), digest: makeDigest(told), ...hold };
}

/** P-10.2: whether either side holds what the other lacks, and would give it, and the other asks for it. */
export function isOfInterest(have: HaveMessage, { held, metered, holdsBack }: Share): boolean {
  if (!holdsBack && digestOffers(have, held)) return true;
  return !metered && have.hold !== true && digestLacks(have, held);
}
