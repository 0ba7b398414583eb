import { MAX_DIGEST_BITS } from '../limits.js';
import { Bitfield } from './bitfield.js';

/** P-4.4: bits in the digest of an artifact of `chunks` chunks. */
export function digestBits(chunks: number): number {
  return Math.min(chunks, MAX_DIGEST_BITS);
}

/** P-4.4: the first chunk of the group that bit `bit` stands for; with `bit` one higher, the end of the group. */
function groupStart(bit: number, bits: number, chunks: number): number {
  return Math.floor((bit * chunks) / bits);
}

/** P-4.4: what a device announces of the chunks that it holds. */
export function makeDigest(held: Bitfield): Uint8Array {
  const bits = digestBits(held.length);
  const digest = new Bitfield(bits);
  for (let bit = 0; bit < bits; bit++) {
    const missing = held.nextMissing(groupStart(bit, bits, held.length));
    if (missing < 0 || missing >= groupStart(bit + 1, bits, held.length)) digest.set(bit);
  }
  return digest.toBytes();
}

/** P-4.4: what a `have` says of chunks. */
export interface Announcement {
  /** Chunks held. */
  readonly held: number;
  readonly digest: Uint8Array;
}

/** P-4.4: the length fits, unused bits are 0, and `held` is neither above `chunks` nor below what the digest claims. */
export function isAnnouncement(announced: Announcement, chunks: number): boolean {
  const bits = digestBits(chunks);
  const digest = Bitfield.fromBytes(announced.digest, bits);
  if (digest === undefined || !Number.isInteger(announced.held) || announced.held > chunks) return false;
  let claimed = 0;
  for (const bit of digest.held()) claimed += groupStart(bit + 1, bits, chunks) - groupStart(bit, bits, chunks);
  return announced.held >= claimed;
}

/**
 * P-10.2: whether the announcer surely holds a chunk that `mine` lacks. The count speaks where the digest is too coarse:
 * who holds more than I do holds something that I lack. False for an announcement that is malformed.
 */
export function digestOffers(announced: Announcement, mine: Bitfield): boolean {
  if (!isAnnouncement(announced, mine.length)) return false;
  if (announced.held > mine.count) return true;
  return someGroup(announced, mine, (full, held, size) => full && held < size);
}

/** P-10.2: whether the announcer surely lacks a chunk that `mine` holds. False for an announcement that is malformed. */
export function digestLacks(announced: Announcement, mine: Bitfield): boolean {
  if (!isAnnouncement(announced, mine.length)) return false;
  if (announced.held < mine.count) return true;
  return someGroup(announced, mine, (full, held, size) => !full && held === size);
}

type GroupTest = (announcedFull: boolean, heldByMe: number, size: number) => boolean;

function someGroup(announced: Announcement, mine: Bitfield, test: GroupTest): boolean {
  const bits = digestBits(mine.length);
  for (let bit = 0; bit < bits; bit++) {
    const from = groupStart(bit, bits, mine.length);
    const to = groupStart(bit + 1, bits, mine.length);
    const full = ((announced.digest[bit >>> 3] ?? 0) & (0x80 >>> (bit & 7))) !== 0;
    if (test(full, mine.countIn(from, to), to - from)) return true;
  }
  return false;
}
