import type { Endpoint } from '../../../agent/io/endpoint.js';
import type { Session } from '../../../agent/transport/session.js';
import type { Candidate } from '../../../shared/control/messages.js';
import { HEADER_BYTES, Link, type LinkOptions } from '../link.js';
import type { Target, World } from '../world.js';

/** Devices with an address each and one link each way, in virtual time: what `Endpoint` does with a real socket. */

/** As in agent/io/endpoint.ts. */
const BURST_DATAGRAMS = 32;
const MIN_TIMER_MS = 1;
const PORT = 4000;
/** Something between two turns of an event loop. */
const TURN_MS = 0.01;
const NEVER = Number.POSITIVE_INFINITY;

interface Attached {
  readonly session: Session;
  /** By path. */
  readonly hosts: readonly string[];
  readonly onActivity: () => void;
  dirty: boolean;
}

interface Datagram {
  readonly bytes: Buffer;
  readonly from: string;
  readonly to: VirtualEndpoint;
}

/** A receiver's session id, as the header has it (P-6). */
const idOf = (bytes: Uint8Array, at = 0): string => Buffer.from(bytes.subarray(at, at + 8)).toString('latin1');

export class Network {
  readonly world: World;
  readonly #endpoints = new Map<string, VirtualEndpoint>();

  constructor(world: World) {
    this.world = world;
  }

  /** @param up of the device's own link, and @param down */
  join(up: LinkOptions, down: LinkOptions): VirtualEndpoint {
    const number = this.#endpoints.size + 1;
    const host = `10.0.${number >> 8}.${number & 0xff}`;
    const endpoint = new VirtualEndpoint(this, host, up, down);
    this.#endpoints.set(host, endpoint);
    return endpoint;
  }

  find(host: string): VirtualEndpoint | undefined {
    return this.#endpoints.get(host);
  }
}

export class VirtualEndpoint {
  readonly candidates: readonly Candidate[];
  /** No large datagrams: the path's MTU is another simulation's. */
  readonly seesFragments = false;
  readonly #network: Network;
  readonly #world: World;
  readonly #host: string;
  readonly #up: Link<Datagram>;
  readonly #down: Link<Datagram>;
  readonly #sessions = new Map<string, Attached>();
  readonly #scratch = Buffer.alloc(1500);
  readonly #crossed: Target<Datagram> = {
    take: (now, datagram) => datagram.to.#down.send(now, datagram.bytes.length + HEADER_BYTES, datagram),
  };
  readonly #arrived: Target<Datagram> = { take: (now, { bytes, from }) => this.#onDatagram(now, bytes, from) };
  readonly #turn: Target<null> = { take: (now) => this.#flush(now) };
  readonly #timer: Target<number> = { take: (now, at) => this.#onTimer(now, at) };
  #flushing = false;
  #timerAt = NEVER;

  constructor(network: Network, host: string, up: LinkOptions, down: LinkOptions) {
    const { world } = network;
    this.#network = network;
    this.#world = world;
    this.#host = host;
    this.candidates = [[host, PORT]];
    this.#up = new Link(up, world.random, (at, datagram) => world.schedule(at, this.#crossed, datagram));
    this.#down = new Link(down, world.random, (at, datagram) => world.schedule(at, this.#arrived, datagram));
  }

  get real(): Endpoint {
    return this as unknown as Endpoint;
  }

  attach(localId: Uint8Array, session: Session, candidates: readonly Candidate[], onActivity: () => void): void {
    this.#sessions.set(idOf(localId), { session, hosts: candidates.map(([host]) => host), onActivity, dirty: true });
    this.wake();
  }

  wake(): void {
    for (const attached of this.#sessions.values()) attached.dirty = true;
    this.#scheduleFlush();
  }

  #onDatagram(now: number, bytes: Buffer, from: string): void {
    const attached = this.#sessions.get(idOf(bytes, 1));
    const path = attached?.hosts.indexOf(from) ?? -1;
    if (attached === undefined || path < 0 || !attached.session.onDatagram(now, bytes, path)) return;
    attached.dirty = true;
    this.#scheduleFlush();
  }

  #scheduleFlush(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#world.schedule(this.#world.now + TURN_MS, this.#turn, null);
  }

  #flush(now: number): void {
    this.#flushing = false;
    let deadline = NEVER;
    for (const [id, attached] of this.#sessions) {
      const { session } = attached;
      if (attached.dirty || session.nextDeadline() <= now) {
        attached.dirty = false;
        if (session.nextDeadline() <= now) session.onTimer(now);
        attached.onActivity();
        this.#send(now, attached);
        if (session.isFinished) this.#sessions.delete(id);
      }
      deadline = Math.min(deadline, session.nextDeadline());
    }
    this.#arm(Math.max(now + MIN_TIMER_MS, deadline));
  }

  #send(now: number, attached: Attached): void {
    const { session, hosts } = attached;
    for (let i = 0; i < BURST_DATAGRAMS; i++) {
      const length = session.poll(now, this.#scratch);
      if (length === 0) return;
      const to = this.#network.find(hosts[session.lastPath] ?? '');
      if (to === undefined) continue;
      const bytes = Buffer.from(this.#scratch.subarray(0, length));
      this.#up.send(now, length + HEADER_BYTES, { bytes, from: this.#host, to });
    }
    attached.dirty = true;
    this.#scheduleFlush();
  }

  #arm(at: number): void {
    if (at >= this.#timerAt && this.#timerAt > this.#world.now) return;
    this.#timerAt = at;
    if (at < NEVER) this.#world.schedule(at, this.#timer, at);
  }

  #onTimer(_now: number, at: number): void {
    if (at !== this.#timerAt) return;
    this.#timerAt = NEVER;
    this.#scheduleFlush();
  }
}
