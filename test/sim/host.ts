import type { Session } from '../../agent/transport/session.js';
import { HEADER_BYTES, type Link } from './link.js';
import type { Parcel } from './path.js';
import type { Target, World } from './world.js';

/** As in agent/io/endpoint.ts: a session yields to the next after this many datagrams. */
const BURST_DATAGRAMS = 32;
/** setTimeout's grain, and how much later than that it comes. */
const TIMER_GRAIN_MS = 1;
const TIMER_LATE_MS = 0.3;
/** Something between two turns of an event loop. */
const TURN_MS = 0.002;

/** A datagram on its way, in a buffer that is used again. */
export class Datagram implements Parcel {
  readonly buffer = Buffer.allocUnsafeSlow(1500);
  view = this.buffer;
  to: Host;
  port: Port;
  pooled = true;

  constructor(to: Host, port: Port) {
    this.to = to;
    this.port = port;
  }

  fill(bytes: Buffer, length: number): void {
    bytes.copy(this.buffer, 0, 0, length);
    if (this.view.length !== length) this.view = this.buffer.subarray(0, length);
  }
}

/** A session on a host, and where its datagrams go. */
export interface Port {
  readonly session: Session;
  readonly host: Host;
  readonly out: Link<Parcel>;
  peer: Port | null;
  dirty: boolean;
}

export interface HostOptions {
  /** The process handles nothing from the first to the second. */
  readonly stall?: readonly [fromMs: number, toMs: number];
  /** Now and then the process handles nothing for so long: it collects garbage, hashes, waits for a disk. Milliseconds. */
  readonly pauses?: { readonly everyMs: number; readonly forMs: number };
  /** What the process spends on each datagram, sent or received. */
  readonly cpuMs?: number;
  /** What the socket keeps while the process is busy. */
  readonly receiveBytes?: number;
}

const pool: Datagram[] = [];

/** A link that duplicates hands a datagram over twice: those are left to the collector. */
function release(datagram: Datagram): void {
  if (datagram.pooled) pool.push(datagram);
}

/** A process with one socket and one timer: what `Endpoint` does with real ones, late timers included. */
export class Host implements Target<Datagram> {
  overflowed = 0;
  readonly #world: World;
  readonly #options: HostOptions;
  readonly #ports: Port[] = [];
  readonly #scratch = Buffer.alloc(1500);
  readonly #timer: Target<number> = { take: (now, at) => this.#onTimer(now, at) };
  readonly #turn: Target<null> = { take: (now) => this.#onTurn(now) };
  #arrived: Datagram[] = [];
  #waitingBytes = 0;
  #turnPending = false;
  #armedAt = Number.POSITIVE_INFINITY;
  #timerAt = Number.POSITIVE_INFINITY;
  #freeAt = 0;
  #pauseAt = 0;

  constructor(world: World, options: HostOptions = {}) {
    this.#world = world;
    this.#options = options;
  }

  attach(session: Session, out: Link<Parcel>): Port {
    const port: Port = { session, host: this, out, peer: null, dirty: true };
    this.#ports.push(port);
    this.#scheduleTurn(this.#world.now);
    return port;
  }

  wake(): void {
    for (const port of this.#ports) port.dirty = true;
    this.#scheduleTurn(this.#world.now);
  }

  take(now: number, datagram: Datagram): void {
    const { receiveBytes = Number.POSITIVE_INFINITY } = this.#options;
    if (this.#waitingBytes + datagram.view.length > receiveBytes) {
      this.overflowed++;
      release(datagram);
      return;
    }
    this.#waitingBytes += datagram.view.length;
    this.#arrived.push(datagram);
    this.#scheduleTurn(now);
  }

  #scheduleTurn(now: number): void {
    if (this.#turnPending) return;
    this.#turnPending = true;
    const { stall } = this.#options;
    let at = this.#afterPause(Math.max(now, this.#freeAt));
    if (stall !== undefined && at >= stall[0] && at < stall[1]) at = stall[1];
    this.#world.schedule(at, this.#turn, null);
  }

  #afterPause(at: number): number {
    const { pauses } = this.#options;
    if (pauses === undefined || at < this.#pauseAt) return at;
    const end = this.#pauseAt + pauses.forMs;
    this.#pauseAt = Math.max(at, end) + 2 * pauses.everyMs * this.#world.random.next();
    return Math.max(at, end);
  }

  #onTimer(now: number, at: number): void {
    if (at !== this.#timerAt) return;
    this.#timerAt = Number.POSITIVE_INFINITY;
    if (this.#armedAt > now) this.#setTimer(this.#armedAt);
    else this.#scheduleTurn(now);
  }

  #setTimer(at: number): void {
    this.#timerAt = at;
    this.#world.schedule(at, this.#timer, at);
  }

  /** Reads what has arrived, then lets each session with news or a deadline send. */
  #onTurn(start: number): void {
    this.#turnPending = false;
    const { cpuMs = 0 } = this.#options;
    let now = start;
    const arrived = this.#arrived;
    this.#arrived = [];
    this.#waitingBytes = 0;
    for (const datagram of arrived) {
      now += cpuMs;
      datagram.port.session.onDatagram(now, datagram.view, 0);
      datagram.port.dirty = true;
      release(datagram);
    }
    let again = false;
    for (const port of this.#ports) {
      const due = port.session.nextDeadline() <= now;
      if (!port.dirty && !due) continue;
      port.dirty = false;
      if (due) port.session.onTimer(now);
      for (let i = 0; ; i++) {
        if (i === BURST_DATAGRAMS) {
          port.dirty = true;
          again = true;
          break;
        }
        const length = port.session.poll(now, this.#scratch);
        if (length === 0) break;
        now += cpuMs;
        this.#send(now, port, length);
      }
    }
    this.#freeAt = now + TURN_MS;
    if (again) this.#scheduleTurn(this.#freeAt);
    this.#arm(now);
  }

  #send(now: number, { out, peer }: Port, length: number): void {
    if (peer === null) return;
    const datagram = pool.pop() ?? new Datagram(peer.host, peer);
    datagram.to = peer.host;
    datagram.port = peer;
    datagram.pooled = !out.duplicates;
    datagram.fill(this.#scratch, length);
    if (!out.send(now, length + HEADER_BYTES, datagram)) release(datagram);
  }

  #arm(now: number): void {
    let deadline = Number.POSITIVE_INFINITY;
    for (const { session } of this.#ports) deadline = Math.min(deadline, session.nextDeadline());
    if (deadline === Number.POSITIVE_INFINITY) return;
    const late = TIMER_LATE_MS * this.#world.random.next();
    this.#armedAt = now + Math.max(TIMER_GRAIN_MS, Math.trunc(deadline - now)) + late;
    if (this.#armedAt < this.#timerAt) this.#setTimer(this.#armedAt);
  }
}
