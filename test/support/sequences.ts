import { readFileSync } from 'node:fs';
import fc from 'fast-check';

/** The corpus of the fuzzers: frames one by one (test/vectors/frames.json), and what peers say in turn (sequences.json). */

interface Sequence {
  readonly name: string;
  /** The frames of each datagram, hex. */
  readonly datagrams: readonly string[];
}

const read = (name: string) => JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8'));

export const sequences: readonly Sequence[] = read('sequences');
const frames: readonly string[] = read('frames').map(({ hex }: { hex: string }) => hex);

/** What fits a datagram of P-6.6 with its header and tag. */
const MAX_FRAMES_BYTES = 8900;

type Change =
  /** Puts a byte in a byte's place, cuts a datagram short, drops it, repeats it, or adds a frame of the corpus. */
  | {
      readonly how: 'byte' | 'cut' | 'drop' | 'again' | 'frame';
      readonly at: number;
      readonly where: number;
      readonly value: number;
    }
  /** Puts what another sequence says behind a datagram. */
  | { readonly how: 'splice'; readonly at: number; readonly from: number };

const place = fc.nat(0xffff);
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({
    how: fc.constantFrom(
      'byte' as const,
      'byte' as const,
      'cut' as const,
      'drop' as const,
      'again' as const,
      'frame' as const,
    ),
    at: place,
    where: place,
    value: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)),
  }),
  fc.record({ how: fc.constant('splice' as const), at: place, from: place }),
);

function apply(all: Buffer[], one: Change): void {
  const at = one.at % Math.max(1, all.length);
  const bytes = all[at];
  if (bytes === undefined) return;
  if (one.how === 'splice') {
    const other = sequences[one.from % sequences.length]?.datagrams ?? [];
    all.splice(at + 1, 0, ...other.map((hex) => Buffer.from(hex, 'hex')));
  } else if (one.how === 'drop') all.splice(at, 1);
  else if (one.how === 'again') all.splice(one.where % all.length, 0, bytes);
  else if (one.how === 'cut') all[at] = bytes.subarray(0, one.where % (bytes.length + 1));
  else if (one.how === 'frame') {
    all[at] = Buffer.concat([bytes, Buffer.from(frames[one.where % frames.length] ?? '', 'hex')]);
  } else if (bytes.length > 0) {
    const changed = Buffer.from(bytes);
    changed[one.where % bytes.length] = one.value;
    all[at] = changed;
  }
}

/** What a peer says, datagram by datagram: a sequence of the corpus, changed in up to `most` places; now and then noise. */
export function changedSequence(most = 12): fc.Arbitrary<Buffer[]> {
  const noise = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 6 });
  const from = fc.constantFrom(...sequences);
  return fc.oneof(
    {
      weight: 8,
      arbitrary: fc.tuple(from, fc.array(change, { maxLength: most })).map(([{ datagrams }, changes]) => {
        const all = datagrams.map((hex) => Buffer.from(hex, 'hex'));
        for (const one of changes) apply(all, one);
        return all.map((bytes) => bytes.subarray(0, MAX_FRAMES_BYTES));
      }),
    },
    { weight: 1, arbitrary: noise.map((all) => all.map((bytes) => Buffer.from(bytes))) },
  );
}
