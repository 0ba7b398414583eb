import { type Contender, Precedence } from '../../agent/swarm/precedence.js';
import { Swarm, type SwarmAction } from '../../agent/swarm/swarm.js';
import { divide } from '../../agent/transport/share.js';
import { Bitfield } from '../../shared/artifact/bitfield.js';
import { SeededRandom } from './random.js';

/**
 * One device with several transfers, in virtual time: the real swarms and the real precedence, over a link that its peers share max-min fair
 * and that loses nothing.
 */

const CHUNK_BYTES = 64 * 1024;
const STEP_MS = 10;
/** As the agent's longest sleep. */
const LOOK_MS = 1_000;

interface SimPeer {
  readonly id: string;
  /** Bytes per second that it sends at most, at a time. */
  readonly rate: (now: number) => number;
  readonly queue: { readonly chunk: number; left: number }[];
}

export interface SimTransferOptions {
  readonly rank: number;
  readonly chunks: number;
  /** What each of its peers sends at most, bytes per second at a time; they hold everything. */
  readonly peers: readonly ((now: number) => number)[];
  /** When it begins. */
  readonly from?: number;
}

export class SimTransfer {
  readonly held: Bitfield;
  readonly swarm: Swarm;
  readonly rank: number;
  readonly from: number;
  readonly peers: readonly SimPeer[];
  completeAt = Number.POSITIVE_INFINITY;
  /** The longest time between two chunks, while it was not complete. */
  longestWaitMs = 0;
  #lastChunkAt: number;

  constructor({ rank, chunks, peers, from = 0 }: SimTransferOptions, random: SeededRandom, allowance: () => number) {
    this.rank = rank;
    this.from = from;
    this.#lastChunkAt = from;
    this.held = new Bitfield(chunks);
    this.swarm = new Swarm({
      ...{ held: this.held, verifying: new Set<number>(), chunkLength: () => CHUNK_BYTES },
      ...{ random: () => random.next(), frugal: () => false, self: 'self', allowance },
    });
    this.peers = peers.map((rate, i) => ({ id: `peer-${i}`, rate, queue: [] }));
    for (const { id } of this.peers) {
      this.swarm.addPeer(id, false);
      this.swarm.onHave(id, 0, Bitfield.full(chunks).toBytes());
    }
  }

  get contender(): Contender {
    const { complete, receivedBytes: received, outstandingBytes: outstanding } = this.swarm;
    return { rank: this.rank, wants: !complete, received, outstanding };
  }

  /** The part that is held. */
  get part(): number {
    return this.held.count / this.held.length;
  }

  schedule(now: number): void {
    this.#act(this.swarm.schedule(now));
  }

  deliver(peer: SimPeer, bytes: number, now: number): void {
    for (let rest = bytes; rest > 0 && peer.queue[0] !== undefined; ) {
      const [first] = peer.queue;
      const part = Math.min(rest, first.left);
      first.left -= part;
      rest -= part;
      this.swarm.onBytes(peer.id, first.chunk, part, now);
      if (first.left > 0) return;
      peer.queue.shift();
      this.#verified(peer.id, first.chunk, now);
    }
  }

  #verified(peer: string, chunk: number, now: number): void {
    if (this.held.get(chunk)) return;
    this.held.set(chunk);
    this.#act(this.swarm.onVerified(peer, chunk, now));
    this.longestWaitMs = Math.max(this.longestWaitMs, now - this.#lastChunkAt);
    this.#lastChunkAt = now;
    if (this.held.isFull) this.completeAt = now;
  }

  #act(actions: readonly SwarmAction[]): void {
    for (const { kind, peer, chunk } of actions) {
      const queue = this.peers.find(({ id }) => id === peer)?.queue;
      if (kind === 'request') queue?.push({ chunk, left: CHUNK_BYTES });
      const at = queue?.findIndex((one) => one.chunk === chunk) ?? -1;
      if (kind === 'cancel' && at >= 0) queue?.splice(at, 1);
    }
  }
}

export class SimDevice {
  now = 0;
  readonly transfers: readonly SimTransfer[];
  readonly #precedence = new Precedence();
  readonly #linkRate: number;
  #lookedAt = Number.NEGATIVE_INFINITY;

  /** @param linkRate bytes per second */
  constructor(linkRate: number, transfers: readonly SimTransferOptions[], seed = 1) {
    const random = new SeededRandom(seed);
    this.#linkRate = linkRate;
    this.transfers = transfers.map((one, i) => new SimTransfer(one, random, () => this.#precedence.allowance(`${i}`)));
  }

  /** @returns whether it came to be, before so many virtual seconds were over */
  runUntil(done: () => boolean, mostSeconds: number): boolean {
    while (!done() && this.now < mostSeconds * 1000) this.#step();
    return done();
  }

  #step(): void {
    const begun = this.transfers.filter(({ from }) => this.now >= from);
    if (this.now >= this.#lookedAt + LOOK_MS || begun.some(({ completeAt }) => completeAt === this.now)) this.#look();
    for (const transfer of begun) transfer.schedule(this.now);
    const flows = begun.flatMap((transfer) => transfer.peers.map((peer) => ({ transfer, peer })));
    const busy = flows.filter(({ peer }) => peer.queue.length > 0);
    const wants = busy.map(({ peer }) => peer.rate(this.now));
    const shares = busy.length === 0 ? [] : divide(this.#linkRate, wants);
    this.now += STEP_MS;
    for (const [i, { transfer, peer }] of busy.entries()) {
      transfer.deliver(peer, (Math.min(shares[i] ?? 0, wants[i] ?? 0) * STEP_MS) / 1000, this.now);
    }
  }

  #look(): void {
    this.#lookedAt = this.now;
    const begun = this.transfers.map((one, i) => [`${i}`, one] as const).filter(([, { from }]) => this.now >= from);
    this.#precedence.look(this.now, new Map(begun.map(([key, { contender }]) => [key, contender])));
  }
}
