import fc from 'fast-check';
import { expect, it } from 'vitest';
import { runs } from '../support/runs.js';
import type { LinkOptions } from './link.js';
import { Network, type NetworkOptions } from './network.js';
import { background, foreground } from './scenario.js';

const CHUNK_BYTES = 12_000;
const CHUNKS = 4;
/** Any session ends by itself in a time like this when nothing more comes through (P-8.5). */
const LIMIT_MS = 60_000;

/** A link that a session must live with or end on: anything may be lost, late, doubled or changed on it. */
const links: fc.Arbitrary<LinkOptions> = fc.record({
  bitsPerSecond: fc.constantFrom(0.3e6, 2e6, 20e6, 1e9),
  delayMs: fc.constantFrom(0, 0.2, 10, 150),
  jitterMs: fc.constantFrom(0, 0, 3, 80),
  queueBytes: fc.constantFrom(2000, 20_000, 1e6),
  loss: fc.constantFrom(0, 0.01, 0.1, 0.4, 0.9),
  reorder: fc.constantFrom(0, 0.1, 0.7),
  reorderMs: fc.constantFrom(1, 30, 500),
  duplicate: fc.constantFrom(0, 0.3, 1),
  mtuBytes: fc.constantFrom(Number.POSITIVE_INFINITY, 1228, 600),
  outage: fc.constantFrom<readonly [number, number]>([0, 0], [0, 700], [100, 3000], [200, 15_000]),
});

/** Of each datagram: in `tampered` of a hundred cases it comes changed, cut, sent back to its sender, or again much later. */
function tamper(tampered: number, network: () => Network, seen: Buffer[] = []): NonNullable<NetworkOptions['tamper']> {
  return (datagram, random, to) => {
    seen.push(datagram);
    if (!random.chance(tampered / 100)) return [datagram];
    const changed = Buffer.from(datagram);
    const at = Math.floor(random.next() * changed.length);
    changed[at] = (changed[at] ?? 0) ^ (1 + Math.floor(random.next() * 255));
    const old = seen[Math.floor(random.next() * seen.length)] ?? datagram;
    const back = Buffer.from(datagram);
    back.fill(to === 0 ? 2 : 1, 1, 9);
    network().inject(to === 0 ? 1 : 0, back);
    return (
      [[changed], [changed, datagram], [datagram.subarray(0, at)], [old, datagram]][Math.floor(random.next() * 4)] ?? []
    );
  };
}

/** Side 1 asks side 0 for every chunk; whatever comes must be what stands there. */
class Fetch {
  readonly network: Network;
  /** Bytes that have not come. */
  missing = CHUNKS * CHUNK_BYTES;
  readonly #source: Buffer;
  readonly #come = new Uint8Array(CHUNKS * CHUNK_BYTES);

  constructor(options: NetworkOptions) {
    this.network = new Network({ ...options, chunkCount: CHUNKS });
    this.#source = this.network.random.bytes(CHUNKS * CHUNK_BYTES);
    const [from, to] = this.network.sides;
    from.answer = (chunk, offset, length) => {
      const at = chunk * CHUNK_BYTES + offset;
      expect(from.session.serve(chunk, offset, this.#source.subarray(at, at + length))).toBe(true);
    };
    to.data = (chunk, offset, bytes) => this.#take(chunk * CHUNK_BYTES + offset, bytes);
    for (let chunk = 0; chunk < CHUNKS; chunk++) to.session.request(chunk, 0, CHUNK_BYTES);
  }

  #take(at: number, bytes: Uint8Array): void {
    expect(Buffer.compare(bytes, this.#source.subarray(at, at + bytes.length))).toBe(0);
    for (let i = at; i < at + bytes.length; i++) if (this.#come[i] === 0) this.missing--;
    this.#come.fill(1, at, at + bytes.length);
  }
}

const modes = fc
  .constantFrom('foreground', 'background')
  .map((mode) => (mode === 'foreground' ? foreground : background()));

it('P-6 to P-8: two sessions over any link move the bytes that were asked for, each of them right, or end with a reason', () => {
  fc.assert(
    fc.property(
      fc.nat(2 ** 31),
      fc.tuple(links, links),
      fc.constantFrom(0, 1, 20, 80),
      modes,
      (seed, both, tampered, congestion) => {
        let network: Network | undefined;
        const change = tamper(tampered, () => network ?? expect.unreachable());
        const fetch = new Fetch({ seed, links: both, congestion, tamper: change });
        network = fetch.network;
        const [from, to] = network.sides;
        const over = () => fetch.missing === 0 || (from.seen.closed !== null && to.seen.closed !== null);
        // A link that lets little through takes longer: then a session is still open, and has brought no wrong byte.
        if (!network.run(LIMIT_MS, over)) expect(from.session.isOpen || to.session.isOpen).toBe(true);
        for (const { seen } of fetch.missing > 0 ? [from, to] : [])
          expect([null, 'idle', 'no path']).toContain(seen.closed);
      },
    ),
    runs(150),
  );
}, 3_600_000);

it('P-8.1: over a link that loses up to a tenth either way everything comes, and is known to have come', () => {
  const milder = links.map((link) => ({
    ...link,
    loss: Math.min(link.loss ?? 0, 0.1),
    mtuBytes: Number.POSITIVE_INFINITY,
    queueBytes: Math.max(link.queueBytes ?? 0, 20_000),
    outage: [0, 0] as const,
  }));
  fc.assert(
    fc.property(fc.nat(2 ** 31), fc.tuple(milder, milder), modes, (seed, both, congestion) => {
      const fetch = new Fetch({ seed, links: both, congestion });
      const { network } = fetch;
      expect(network.run(LIMIT_MS, () => fetch.missing === 0)).toBe(true);
      const { session } = network.sides[0];
      expect(network.run(network.now + 10_000, () => session.pendingServeBytes === 0)).toBe(true);
    }),
    runs(60),
  );
}, 3_600_000);
