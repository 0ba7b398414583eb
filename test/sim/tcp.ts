import { Cubic } from './cubic.js';
import { Meter, type Parcel, type Path } from './path.js';
import type { Target, World } from './world.js';

/** Bytes of a full segment: what an Ethernet carries with IPv4 and TCP timestamps. */
const SEGMENT_BYTES = 1448;
const SEGMENT_PACKET_BYTES = 1500;
/** An ACK with timestamps and SACK. */
const ACK_PACKET_BYTES = 72;
/** RFC 9293 §3.8.6.3, as Linux has it. */
const ACK_EVERY_SEGMENTS = 2;
const ACK_DELAY_MS = 40;
/** RFC 6675: segments sent later that came, before one counts as lost. */
const DUPLICATE_THRESHOLD = 3;
/** Linux: the least retransmission timeout. */
const MIN_RTO_MS = 200;
const INITIAL_RTO_MS = 1000;
/** A window's worth of records, a power of two. */
const RECORDS = 32_768;

const STATE = { none: 0, flying: 1, lost: 2, acked: 3 } as const;

interface Segment extends Parcel {
  readonly seq: number;
}

interface Ack extends Parcel {
  /** How much of the receiver's log it covers: SACK without end, so that an ACK that is lost loses nothing. */
  readonly logged: number;
}

/** A TCP flow with more to send than can be: CUBIC (RFC 9438), SACK recovery, delayed ACKs. */
export class Tcp {
  readonly meter = new Meter();
  readonly cubic = new Cubic();
  retransmissions = 0;
  timeouts = 0;
  readonly #world: World;
  readonly #path: Path;
  readonly #stopMs: number;
  readonly #dataTarget: Target<Parcel> = { take: (now, parcel) => this.#onSegment(now, (parcel as Segment).seq) };
  readonly #ackTarget: Target<Parcel> = { take: (now, parcel) => this.#onAck(now, (parcel as Ack).logged) };
  readonly #delayed: Target<number> = { take: (_now, logged) => this.#onDelayed(logged) };
  readonly #timer: Target<null> = { take: (now) => this.#onTimer(now) };
  // The sender.
  readonly #state = new Uint8Array(RECORDS);
  readonly #sentAt = new Float64Array(RECORDS);
  readonly #sentOrder = new Float64Array(RECORDS);
  #next = 0;
  #lowest = 0;
  #order = 0;
  #highestAckedOrder = -1;
  #flying: [seq: number, order: number][] = [];
  #flyingHead = 0;
  #lost: number[] = [];
  #pipe = 0;
  #recoveryOrder = -1;
  #srtt = 0;
  #variation = 0;
  #backoff = 1;
  #rtoAt = Number.POSITIVE_INFINITY;
  #timerAt = Number.POSITIVE_INFINITY;
  #processed = 0;
  // The receiver.
  readonly #log: number[] = [];
  readonly #got = new Uint8Array(RECORDS);
  #expected = 0;
  #unacked = 0;

  constructor(world: World, path: Path, startMs = 0, stopMs = Number.POSITIVE_INFINITY) {
    this.#world = world;
    this.#path = path;
    this.#stopMs = stopMs;
    world.at(startMs, () => this.#sendMore(world.now));
  }

  #sendMore(now: number): void {
    while (this.#pipe + 1 <= this.cubic.window && this.#next - this.#lowest < RECORDS / 2 && now < this.#stopMs) {
      const again = this.#lost.shift();
      if (again !== undefined) this.retransmissions++;
      this.#transmit(now, again ?? this.#next++);
    }
    if (this.#rtoAt === Number.POSITIVE_INFINITY && this.#pipe > 0) this.#armRto(now);
  }

  #transmit(now: number, seq: number): void {
    const slot = seq % RECORDS;
    this.#state[slot] = STATE.flying;
    this.#sentAt[slot] = now;
    this.#sentOrder[slot] = this.#order;
    this.#flying.push([seq, this.#order++]);
    this.#pipe++;
    const segment: Segment = { to: this.#dataTarget, seq };
    this.#path.forward.send(now, SEGMENT_PACKET_BYTES, segment);
  }

  /** The receiver: everything new is logged; a gap, or what fills one, is acknowledged at once. */
  #onSegment(now: number, seq: number): void {
    const slot = seq % RECORDS;
    const inOrder = seq === this.#expected;
    if (seq >= this.#expected && this.#got[slot] === 0) {
      this.#got[slot] = 1;
      this.#log.push(seq);
      this.meter.add(now, SEGMENT_BYTES);
    }
    const before = this.#expected;
    while (this.#got[this.#expected % RECORDS] === 1) {
      this.#got[this.#expected % RECORDS] = 0;
      this.#expected++;
    }
    this.#unacked++;
    const atOnce = !inOrder || this.#expected > before + 1;
    if (atOnce || this.#unacked >= ACK_EVERY_SEGMENTS) this.#sendAck(now);
    else this.#world.schedule(now + ACK_DELAY_MS, this.#delayed, this.#log.length);
  }

  #onDelayed(logged: number): void {
    if (this.#unacked > 0 && this.#log.length === logged) this.#sendAck(this.#world.now);
  }

  #sendAck(now: number): void {
    this.#unacked = 0;
    const ack: Ack = { to: this.#ackTarget, logged: this.#log.length };
    this.#path.back.send(now, ACK_PACKET_BYTES, ack);
  }

  #onAck(now: number, logged: number): void {
    if (logged <= this.#processed) return;
    let newly = 0;
    for (; this.#processed < logged; this.#processed++) {
      const seq = this.#log[this.#processed] ?? 0;
      const slot = seq % RECORDS;
      if (this.#state[slot] === STATE.flying) this.#pipe--;
      if (this.#state[slot] === STATE.lost) this.#lost = this.#lost.filter((one) => one !== seq);
      this.#state[slot] = STATE.acked;
      this.#highestAckedOrder = Math.max(this.#highestAckedOrder, this.#sentOrder[slot] ?? 0);
      newly++;
      if (this.#processed === logged - 1) this.#onRtt(now - (this.#sentAt[slot] ?? 0));
    }
    while (this.#lowest < this.#next && this.#state[this.#lowest % RECORDS] === STATE.acked) {
      this.#state[this.#lowest % RECORDS] = STATE.none;
      this.#lowest++;
    }
    this.#backoff = 1;
    this.#armRto(now);
    this.#detectLost(now);
    if (this.#recoveryOrder < this.#highestAckedOrder) {
      this.cubic.onAcked(now, newly, this.#srtt, this.#highestAckedOrder);
      this.cubic.onRound(this.#highestAckedOrder, this.#order);
    }
    this.#sendMore(now);
  }

  #detectLost(now: number): void {
    for (; this.#flyingHead < this.#flying.length; this.#flyingHead++) {
      const [seq, order] = this.#flying[this.#flyingHead] ?? [0, 0];
      const slot = seq % RECORDS;
      if (this.#state[slot] !== STATE.flying || this.#sentOrder[slot] !== order) continue;
      if (order + DUPLICATE_THRESHOLD > this.#highestAckedOrder) break;
      this.#state[slot] = STATE.lost;
      this.#pipe--;
      this.#lost.push(seq);
      if (order > this.#recoveryOrder) {
        this.#recoveryOrder = this.#order;
        this.cubic.onLoss(now);
      }
    }
    if (this.#flyingHead > 4096) {
      this.#flying = this.#flying.slice(this.#flyingHead);
      this.#flyingHead = 0;
    }
  }

  /** RFC 6298 */
  #onRtt(rtt: number): void {
    this.cubic.onRtt(rtt);
    if (this.#srtt === 0) {
      this.#srtt = rtt;
      this.#variation = rtt / 2;
      return;
    }
    this.#variation = 0.75 * this.#variation + 0.25 * Math.abs(this.#srtt - rtt);
    this.#srtt = 0.875 * this.#srtt + 0.125 * rtt;
  }

  #armRto(now: number): void {
    if (this.#pipe === 0 && this.#lost.length === 0) {
      this.#rtoAt = Number.POSITIVE_INFINITY;
      return;
    }
    const rto = this.#srtt === 0 ? INITIAL_RTO_MS : Math.max(MIN_RTO_MS, this.#srtt + 4 * this.#variation);
    this.#rtoAt = now + rto * this.#backoff;
    if (this.#rtoAt < this.#timerAt) this.#setTimer();
  }

  #setTimer(): void {
    this.#timerAt = this.#rtoAt;
    this.#world.schedule(this.#rtoAt, this.#timer, null);
  }

  #onTimer(now: number): void {
    if (now < this.#timerAt) return;
    this.#timerAt = Number.POSITIVE_INFINITY;
    if (this.#rtoAt === Number.POSITIVE_INFINITY) return;
    if (now < this.#rtoAt) {
      this.#setTimer();
      return;
    }
    this.timeouts++;
    this.#backoff = Math.min(this.#backoff * 2, 64);
    for (let seq = this.#lowest; seq < this.#next; seq++) {
      if (this.#state[seq % RECORDS] !== STATE.flying) continue;
      this.#state[seq % RECORDS] = STATE.lost;
      this.#lost.push(seq);
    }
    this.#pipe = 0;
    this.#recoveryOrder = this.#order - 1;
    this.cubic.onTimeout(now);
    this.#rtoAt = Number.POSITIVE_INFINITY;
    this.#sendMore(now);
  }
}
