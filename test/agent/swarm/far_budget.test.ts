import { describe, expect, it } from 'vitest';
import { EXPLORE_MS, MAX_LATE_MS, MIN_FAR_PIPELINE_BYTES } from '../../../agent/swarm/limits.js';
import { Swarm } from '../../../agent/swarm/swarm.js';
import { Bitfield } from '../../../shared/artifact/bitfield.js';
import { SeededRandom } from '../../sim/random.js';

const CHUNK = 64 * 1024;
const CHUNKS = 400;
const STEP_MS = 20;

interface Sender {
  readonly id: string;
  readonly seed?: boolean;
  readonly near?: boolean;
  /** Bytes per second. */
  readonly rate: number;
  readonly have?: Bitfield;
}

/** One device and those that send to it, each at its own rate, in the order in which it was asked. */
class Downloads {
  readonly held: Bitfield;
  readonly swarm: Swarm;
  readonly from: Record<string, number> = {};
  readonly #senders: readonly Sender[];
  readonly #queues = new Map<string, number[]>();
  readonly #sent = new Map<string, number>();
  now = 0;

  constructor(senders: readonly Sender[], chunks = CHUNKS) {
    const random = new SeededRandom(1);
    this.held = new Bitfield(chunks);
    this.#senders = senders;
    this.swarm = new Swarm({
      ...{ held: this.held, verifying: new Set<number>(), self: 'self' },
      ...{ chunkLength: () => CHUNK, random: () => random.next(), frugal: () => false },
    });
    for (const { id, seed = false, near = false, have = Bitfield.full(chunks) } of senders) {
      this.swarm.addPeer(id, seed, near);
      this.swarm.onHave(id, 0, have.bytes);
      this.#queues.set(id, []);
    }
  }

  /** As the agent does: it schedules when a chunk came, or when the swarm says. @returns when all is held, ms */
  run(limitMs: number): number {
    this.#schedule();
    for (; this.now < limitMs && !this.swarm.complete; this.now += STEP_MS) {
      const came = this.#senders.map((sender) => this.#send(sender));
      if (came.includes(true) || this.swarm.nextDeadline() <= this.now) this.#schedule();
    }
    return this.swarm.complete ? this.now : Number.POSITIVE_INFINITY;
  }

  #send({ id, rate }: Sender): boolean {
    const queue = this.#queues.get(id) ?? [];
    const [chunk] = queue;
    if (chunk === undefined) {
      this.#sent.set(id, 0);
      return false;
    }
    const bytes = (rate * STEP_MS) / 1000;
    const sent = (this.#sent.get(id) ?? 0) + bytes;
    this.swarm.onBytes(id, chunk, bytes, this.now);
    this.#sent.set(id, sent);
    if (sent < CHUNK) return false;
    this.#sent.set(id, Math.min(sent - CHUNK, CHUNK));
    queue.shift();
    this.held.set(chunk);
    this.from[id] = (this.from[id] ?? 0) + 1;
    this.#act(this.swarm.onVerified(id, chunk, this.now));
    return true;
  }

  #schedule(): void {
    this.#act(this.swarm.schedule(this.now));
  }

  #act(actions: ReturnType<Swarm['schedule']>): void {
    for (const { kind, peer, chunk } of actions) {
      const queue = this.#queues.get(peer) ?? [];
      if (kind === 'request') queue.push(chunk);
      if (kind === 'cancel') queue.splice(queue.indexOf(chunk), 1);
    }
  }
}

describe('P-10.7 what is asked of other sites at once', () => {
  it.each([
    ['slow and honest', 20_000],
    ['next to nothing', 300],
  ])('is not kept from a fast seed by a device there that holds everything: %s', (_what, rate) => {
    const downloads = new Downloads([
      { id: 'slow', rate },
      { id: 'seed', seed: true, rate: 3_000_000 },
    ]);
    // Alone, the slow one takes 22 minutes at the least.
    expect(downloads.run(120_000)).toBeLessThan(60_000);
  });

  it('comes from twelve slow devices side by side', () => {
    const senders = Array.from({ length: 12 }, (_, i) => ({ id: `far ${i}`, rate: 20_000 }));
    const took = new Downloads(senders, 48).run(120_000);
    expect(took).toBeLessThan((1.5 * 1000 * 48 * CHUNK) / (12 * 20_000));
  });

  it('is asked of another, without another event, when what was asked before is late by what comes from there', () => {
    const only = new Bitfield(8);
    only.set(0);
    const { swarm } = new Downloads([
      { id: 'first', rate: 0 },
      { id: 'near', near: true, rate: 0, have: only },
    ]);
    // A site far faster than its uplink makes nothing late.
    swarm.schedule(0);
    swarm.onVerified('near', 0, 10);
    const asked = (now: number): number =>
      swarm.schedule(now).filter(({ peer, kind }) => peer === 'first' && kind === 'request').length;
    asked(1000);
    expect(swarm.peers.get('first')?.outstandingBytes).toBe(MIN_FAR_PIPELINE_BYTES);
    for (let now = 1000; now < MAX_LATE_MS; now += 1000) {
      swarm.onBytes('first', 1, 2000, now);
      expect(asked(now)).toBe(0);
    }
    expect(swarm.nextDeadline()).toBeLessThanOrEqual(1000 + MAX_LATE_MS);
    swarm.onBytes('first', 1, 2000, MAX_LATE_MS);
    expect(asked(swarm.nextDeadline())).toBeGreaterThan(0);
  });

  it('leaves out what an HTTP server was asked for', () => {
    const { swarm } = new Downloads([{ id: 'far', rate: 0 }]);
    swarm.addSource('http:');
    const claimed = swarm.claim('http:', 0, 4 * MIN_FAR_PIPELINE_BYTES, false);
    expect(claimed.length * CHUNK).toBeGreaterThan(MIN_FAR_PIPELINE_BYTES);
    expect(swarm.schedule(1)).toHaveLength(MIN_FAR_PIPELINE_BYTES / CHUNK);
    swarm.removePeer('http:');
    expect(swarm.schedule(2)).toEqual([]);
  });
});

describe('P-10.7 a site that holds everything', () => {
  const slow = { id: 'slow', near: true, rate: 10_000 };
  const seed = { id: 'seed', seed: true, rate: 3_000_000 };

  it('keeps nobody from a seed elsewhere that is far faster', () => {
    // Alone, the slow one takes 44 minutes.
    expect(new Downloads([slow, seed]).run(200_000)).toBeLessThan(60_000);
  });

  it('nor does a slow device elsewhere, beside it', () => {
    expect(new Downloads([slow, { id: 'far', rate: 10_000 }, seed]).run(200_000)).toBeLessThan(60_000);
  });

  it('nor from the last chunks of a small artifact, once it is known what comes from there', () => {
    const last = new Bitfield(8);
    for (let chunk = 4; chunk < 8; chunk++) last.set(chunk);
    const downloads = new Downloads([{ ...slow, have: last }, seed], 8);
    expect(downloads.run(200_000)).toBeLessThan(8000);
  });

  it('is asked for all but one chunk in a while where it is slower by less', () => {
    const downloads = new Downloads(
      [
        { id: 'site', near: true, rate: 500_000 },
        { ...seed, rate: 1_500_000 },
      ],
      1600,
    );
    const took = downloads.run(400_000);
    expect(took).toBeLessThan(250_000);
    expect(downloads.from.seed).toBeGreaterThan(0);
    // One neighbour: half as often as alone.
    expect(downloads.from.seed).toBeLessThanOrEqual(took / (2 * EXPLORE_MS) + 2);
  });
});
