import type { MakeController } from '../../agent/transport/congestion.js';
import type { EndReason, SessionEvents } from '../../agent/transport/session.js';
import { Session } from '../../agent/transport/session.js';
import { SessionKey } from '../../shared/crypto/box.js';
import { loadSodiumProvider, tweetnaclProvider } from '../../shared/crypto/provider.js';
import { HEADER_BYTES, Link, type LinkOptions } from './link.js';
import { SeededRandom } from './random.js';

export interface Received {
  readonly requests: [chunk: number, offset: number, length: number][];
  readonly rejects: [chunk: number, reason: number][];
  readonly cancels: number[];
  readonly haves: [first: number, bits: string][];
  readonly peers: string[];
  closed: EndReason | null;
  closedByPeer: boolean;
  openedAt: number;
  closedAt: number;
}

/** One side: a session, and what it told. */
export class Side implements SessionEvents {
  readonly session: Session;
  readonly seen: Received = {
    requests: [],
    rejects: [],
    cancels: [],
    haves: [],
    peers: [],
    closed: null,
    closedByPeer: false,
    openedAt: -1,
    closedAt: -1,
  };
  /** Replaced by tests that answer. */
  answer: (chunk: number, offset: number, length: number) => void = () => {};
  data: (chunk: number, offset: number, bytes: Uint8Array) => void = () => {};
  readonly #clock: () => number;

  constructor(clock: () => number, make: (events: SessionEvents) => Session) {
    this.#clock = clock;
    this.session = make(this);
  }

  onOpen(): void {
    this.seen.openedAt = this.#clock();
  }
  onRequest(chunk: number, offset: number, length: number): void {
    this.seen.requests.push([chunk, offset, length]);
    this.answer(chunk, offset, length);
  }
  onCancel(chunk: number): void {
    this.seen.cancels.push(chunk);
  }
  onReject(chunk: number, reason: number): void {
    this.seen.rejects.push([chunk, reason]);
  }
  onData(chunk: number, offset: number, bytes: Uint8Array): void {
    this.data(chunk, offset, bytes);
  }
  onHave(first: number, bits: Uint8Array): void {
    this.seen.haves.push([first, Buffer.from(bits).toString('hex')]);
  }
  onPeers(peers: readonly { site: string; device: string }[]): void {
    for (const { site, device } of peers) this.seen.peers.push(`${site}/${device}`);
  }
  onComing(_chunk: number): void {}
  onClosed(reason: EndReason, byPeer: boolean): void {
    this.seen.closed = reason;
    this.seen.closedByPeer = byPeer;
    this.seen.closedAt = this.#clock();
  }
}

interface Arrival {
  readonly at: number;
  readonly order: number;
  readonly to: 0 | 1;
  readonly datagram: Buffer;
}

const MAX_STEPS_AT_ONCE = 20_000;

export interface NetworkOptions {
  readonly seed: number;
  /** From side 0 to side 1, and back. */
  readonly links: readonly [LinkOptions, LinkOptions];
  readonly chunkCount?: number;
  readonly congestion?: MakeController;
  /** Sees each datagram before it is delivered, and may put others in its place. */
  readonly tamper?: (datagram: Buffer, random: SeededRandom, to: 0 | 1) => Buffer[];
}

/** Two sessions and two links in virtual time. No socket, no sleep; a run is told wholly by its seed. */
export class Network {
  now = 0;
  readonly random: SeededRandom;
  readonly sides: readonly [Side, Side];
  readonly links: readonly [Link<Buffer>, Link<Buffer>];
  /** A side that is off neither sends nor hears. */
  readonly off: [boolean, boolean] = [false, false];
  readonly #arrivals: Arrival[] = [];
  readonly #options: NetworkOptions;
  readonly #buffer = Buffer.alloc(9000);
  #order = 0;

  constructor(options: NetworkOptions) {
    this.#options = options;
    this.random = new SeededRandom(options.seed);
    const ids = [Buffer.alloc(8, 1), Buffer.alloc(8, 2)] as const;
    const keyBytes = this.random.bytes(32);
    const make = (me: 0 | 1) =>
      new Side(
        () => this.now,
        (events) =>
          new Session({
            direction: me,
            localId: ids[me],
            remoteId: ids[me === 0 ? 1 : 0],
            key: new SessionKey(keyBytes, loadSodiumProvider() ?? tweetnaclProvider),
            now: 0,
            chunkCount: options.chunkCount ?? 100,
            candidates: 1,
            token: () => this.random.bytes(8),
            events,
            ...(options.congestion === undefined ? {} : { congestion: options.congestion }),
          }),
      );
    this.sides = [make(0), make(1)];
    this.links = [this.#link(0), this.#link(1)];
  }

  /** Puts a datagram on its way to a side, past the link. */
  inject(to: 0 | 1, datagram: Buffer, at = this.now): void {
    const arrival = { at, order: this.#order++, to, datagram };
    let i = this.#arrivals.length;
    while (i > 0 && (this.#arrivals[i - 1]?.at ?? 0) > at) i--;
    this.#arrivals.splice(i, 0, arrival);
  }

  /** Runs until `done` says so, or virtual time is up. @returns whether it was done. */
  run(untilMs: number, done: () => boolean = () => false): boolean {
    let stepsNow = 0;
    for (;;) {
      this.#pollAll();
      if (done()) return true;
      const next = Math.min(this.#arrivals[0]?.at ?? Number.POSITIVE_INFINITY, this.#deadline(0), this.#deadline(1));
      if (next > untilMs) {
        this.now = untilMs;
        return false;
      }
      stepsNow = next > this.now ? 0 : stepsNow + 1;
      if (stepsNow > MAX_STEPS_AT_ONCE) throw new Error(`time stands still at ${this.now} ms`);
      this.now = Math.max(this.now, next);
      this.#step();
    }
  }

  #step(): void {
    const arrival = this.#arrivals[0];
    if (arrival !== undefined && arrival.at <= this.now) {
      this.#arrivals.shift();
      if (!this.off[arrival.to]) this.sides[arrival.to].session.onDatagram(this.now, arrival.datagram, 0);
      return;
    }
    for (const side of [0, 1] as const) {
      if (this.#deadline(side) <= this.now) this.sides[side].session.onTimer(this.now);
    }
  }

  #deadline(side: 0 | 1): number {
    return this.off[side] ? Number.POSITIVE_INFINITY : this.sides[side].session.nextDeadline();
  }

  #pollAll(): void {
    for (const from of [0, 1] as const) {
      if (this.off[from]) continue;
      const { session } = this.sides[from];
      for (let n = session.poll(this.now, this.#buffer); n > 0; n = session.poll(this.now, this.#buffer)) {
        this.links[from].send(this.now, n + HEADER_BYTES, Buffer.from(this.#buffer.subarray(0, n)));
      }
    }
  }

  #link(from: 0 | 1): Link<Buffer> {
    const to = from === 0 ? 1 : 0;
    return new Link(this.#options.links[from], this.random, (at, datagram) => {
      const out = this.#options.tamper?.(datagram, this.random, to) ?? [datagram];
      for (const one of out) this.inject(to, one, at);
    });
  }
}
