import { randomBytes, randomInt } from 'node:crypto';
import { MAX_DATAGRAM_BYTES } from '../shared/limits.js';
import { FIRST_BYTE, HEADER_BYTES, SESSION_ID_BYTES } from '../shared/wire/datagram.js';
import type { Recorded } from './mesh/wire.js';

/** Datagrams that nobody has sealed, by somebody on the path: he knows the session ids and has copies of what went each way. */

const COUNT = 512;
/** What a flood of full datagrams is made of. */
const FULL_BYTES = 1200;
const NUMBER_AT = 1 + SESSION_ID_BYTES;

export type Junk = readonly Uint8Array[];
type Make = (seen: Recorded) => Uint8Array;

function anyOf(datagrams: readonly Uint8Array[]): Uint8Array {
  const one = datagrams[datagrams.length < 2 ? 0 : randomInt(datagrams.length)];
  if (one === undefined) throw new Error('nothing was recorded');
  return Uint8Array.from(one);
}

/** The session id that the victim looks for. */
const idOf = ({ received }: Recorded): Uint8Array => anyOf(received).subarray(1, NUMBER_AT);

/** As a packet that is yet to come: no replay window refuses it, so that its box must be tried. */
function renumbered(datagram: Uint8Array): Uint8Array {
  datagram.set(randomBytes(HEADER_BYTES - NUMBER_AT), NUMBER_AT);
  datagram[NUMBER_AT] = 0x7f;
  return datagram;
}

function garbageBox(seen: Recorded): Uint8Array {
  const datagram = new Uint8Array(randomBytes(FULL_BYTES));
  datagram[0] = FIRST_BYTE;
  datagram.set(idOf(seen), 1);
  return renumbered(datagram);
}

function turned(datagram: Uint8Array, bit: number): Uint8Array {
  datagram[bit >> 3] = (datagram[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return datagram;
}

/** Half of them in the number, which makes the number new and the box wrong; half of them anywhere. */
function flipped({ received }: Recorded): Uint8Array {
  const datagram = anyOf(received);
  return turned(datagram, randomInt(2) === 0 ? NUMBER_AT * 8 + randomInt(16) : randomInt(datagram.length * 8));
}

/** Half of them with a new number. */
function truncated({ received }: Recorded): Uint8Array {
  const datagram = anyOf(received);
  const whole = randomInt(2) === 0 ? datagram : renumbered(datagram);
  return whole.subarray(0, randomInt(1, whole.length));
}

/** Half of them with the id that the victim looks for. */
function reflected(seen: Recorded): Uint8Array {
  const datagram = anyOf(seen.sent);
  if (randomInt(2) === 0) datagram.set(idOf(seen), 1);
  return datagram;
}

function oversize(seen: Recorded): Uint8Array {
  return Buffer.concat([garbageBox(seen), randomBytes(MAX_DATAGRAM_BYTES + 1 - FULL_BYTES)]);
}

const MAKE = {
  'random bytes': () => new Uint8Array(randomBytes(FULL_BYTES)),
  'a garbage box under a good header': garbageBox,
  'replayed datagrams': ({ received }) => anyOf(received),
  'truncated datagrams': truncated,
  'datagrams with a bit turned': flipped,
  'datagrams reflected to their sender': reflected,
  'datagrams above 8,952 bytes': oversize,
  'empty datagrams': () => new Uint8Array(),
} satisfies Record<string, Make>;

export type JunkKind = keyof typeof MAKE;

export const JUNK_KINDS = Object.keys(MAKE) as JunkKind[];

export function makeJunk(kind: JunkKind, seen: Recorded): Junk {
  return Array.from({ length: COUNT }, () => MAKE[kind](seen));
}

/** As test/lab/junk.c reads it. */
export function junkFile(junk: Junk): Buffer {
  return Buffer.concat(
    junk.flatMap((datagram) => {
      const length = Buffer.alloc(2);
      length.writeUInt16LE(datagram.length);
      return [length, datagram];
    }),
  );
}
