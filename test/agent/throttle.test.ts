import { describe, expect, it } from 'vitest';
import { type Limits, Throttle } from '../../agent/throttle.js';
import { Foreground } from '../../agent/transport/congestion/foreground.js';
import { RateCap } from '../../agent/transport/rate_cap.js';
import type { Session } from '../../agent/transport/session.js';
import { SeededRandom } from '../sim/random.js';

const NONE = Number.POSITIVE_INFINITY;

/** A session that sends as much as it may, or as it has. */
class Peer {
  told: number[] = [];
  bytesReceived = 0;
  isFinished = false;
  readonly has: number;

  constructor(has = NONE) {
    this.has = has;
  }

  get stats(): { bytesReceived: number } {
    return { bytesReceived: this.bytesReceived };
  }

  limitPeer(bytesPerSecond: number): void {
    this.told.push(bytesPerSecond);
  }

  get limit(): number {
    return this.told.at(-1) ?? NONE;
  }

  run(ms: number): void {
    this.bytesReceived += (Math.min(this.has, this.limit) * ms) / 1000;
  }

  get session(): Session {
    return this as unknown as Session;
  }
}

/** One that obeys, in whole datagrams, from a time of its own on and with a pause now and then. */
class CappedPeer extends Peer {
  readonly #cap = new RateCap();
  readonly #random: SeededRandom;
  #now = 0;
  #pausesUntil: number;

  constructor(random: SeededRandom) {
    super();
    this.#random = random;
    this.#pausesUntil = random.next() * 3000;
  }

  override limitPeer(bytesPerSecond: number): void {
    super.limitPeer(bytesPerSecond);
    this.#cap.set(this.#now, bytesPerSecond);
  }

  send(now: number): void {
    this.#now = now;
    while (now >= this.#pausesUntil && this.#cap.maySend(now)) {
      const bytes = 700 + Math.floor(this.#random.next() * 500);
      this.#cap.onSent(now, bytes);
      this.bytesReceived += bytes;
      if (this.#random.next() < 0.002) this.#pausesUntil = now + this.#random.next() * 1000;
    }
  }
}

function run(throttle: Throttle, peers: Peer[], fromMs: number, toMs: number): number {
  const before = peers.reduce((sum, peer) => sum + peer.bytesReceived, 0);
  for (let now = fromMs; now < toMs; now += 10) {
    for (const peer of peers) if (!peer.isFinished) peer.run(10);
    throttle.tick(now + 10);
  }
  return ((peers.reduce((sum, peer) => sum + peer.bytesReceived, 0) - before) * 1000) / (toMs - fromMs);
}

function sharing(limits: Limits, ...peers: Peer[]): Throttle {
  const throttle = new Throttle(0, limits);
  for (const [i, peer] of peers.entries()) throttle.watch(0, `peer-${i}`, peer.session);
  return throttle;
}

const off = (measured: number, wanted: number) => Math.abs(measured - wanted) / wanted;

describe('Throttle', () => {
  it('P-7.12: holds a rate down within 3 % over 5 s, however many send and however much each has', () => {
    for (const peers of [
      [new Peer()],
      [new Peer(), new Peer(), new Peer()],
      [new Peer(20_000), new Peer(), new Peer(5_000_000)],
    ]) {
      const throttle = sharing({ downRate: 1_000_000 }, ...peers);
      run(throttle, peers, 0, 2000);
      expect(off(run(throttle, peers, 2000, 7000), 1_000_000)).toBeLessThan(0.03);
    }
  });

  it('P-11.6: what comes over HTTP is held down with what peers send, as one of them', () => {
    const [http, ...peers] = [new Peer(), new Peer(), new Peer()];
    const throttle = sharing({ downRate: 1_000_000 }, ...peers);
    throttle.watch(0, 'http:', http);
    const all = [http, ...peers];
    run(throttle, all, 0, 2000);
    expect(off(run(throttle, all, 2000, 7000), 1_000_000)).toBeLessThan(0.03);
    expect(http.limit).toBeGreaterThan(250_000);
    http.isFinished = true;
    run(throttle, peers, 7000, 8000);
    expect(off(run(throttle, peers, 8000, 13_000), 1_000_000)).toBeLessThan(0.03);
    throttle.set(13_000, { peerDownRate: 50_000 });
    throttle.watch(13_000, 'http:', new Peer());
    expect(peers.map(({ limit }) => limit)).toEqual([50_000, 50_000]);
  });

  it.each([20_000, 50_000, 200_000])(
    'P-7.12: holds %d bytes a second too, among 12 that send a datagram now and then, and tells them seldom',
    (downRate) => {
      const random = new SeededRandom(7);
      const peers = Array.from({ length: 12 }, () => new CappedPeer(random));
      const throttle = new Throttle(0, { downRate });
      for (const [i, peer] of peers.entries()) throttle.watch(0, `peer-${i}`, peer.session);
      const received = (): number => peers.reduce((sum, peer) => sum + peer.bytesReceived, 0);
      for (let now = 0, before = 0; now <= 60_000; now++) {
        for (const peer of peers) peer.send(now);
        throttle.tick(now);
        if (now === 10_000) before = received();
        if (now === 60_000) expect(off((received() - before) / 50, downRate)).toBeLessThan(0.03);
      }
      expect(peers.reduce((sum, peer) => sum + peer.told.length, 0)).toBeLessThan(60 * 10);
    },
  );

  it('changes a rate while it runs, and lifts it', () => {
    const peers = [new Peer(), new Peer()];
    const throttle = sharing({ downRate: 1_000_000 }, ...peers);
    run(throttle, peers, 0, 1000);
    throttle.set(1000, { downRate: 200_000 });
    expect(off(run(throttle, peers, 1000, 6000), 200_000)).toBeLessThan(0.03);
    throttle.set(6000, {});
    expect(peers.map((peer) => peer.limit)).toEqual([NONE, NONE]);
  });

  it('gives a session that joins its share at once, and those that stay the share of one that ends', () => {
    const [a, b] = [new Peer(), new Peer()];
    const throttle = sharing({ downRate: 900_000 }, a);
    run(throttle, [a], 0, 1000);
    throttle.watch(1000, 'late', b.session);
    expect([a.limit, b.limit]).toEqual([450_000, 450_000]);
    b.isFinished = true;
    run(throttle, [a, b], 1000, 3000);
    expect(a.limit).toBe(900_000);
  });

  it('shares what one peer may send among the sessions with it', () => {
    const [a, b, c] = [new Peer(), new Peer(), new Peer()];
    const throttle = new Throttle(0, { peerDownRate: 300_000 });
    for (const [device, peer] of [
      ['x', a],
      ['x', b],
      ['y', c],
    ] as const)
      throttle.watch(0, device, peer.session);
    throttle.tick(1000);
    expect([a.limit, b.limit, c.limit]).toEqual([150_000, 150_000, 300_000]);
  });

  it('tells nobody anything, and is never due, where there is no limit', () => {
    const peer = new Peer();
    const throttle = sharing({ upRate: 5_000 }, peer);
    run(throttle, [peer], 0, 2000);
    expect([peer.told, throttle.deadline]).toEqual([[], NONE]);
  });

  it('caps what is sent to all and to each', () => {
    const throttle = new Throttle(0, { upRate: 100_000, peerUpRate: 50_000 });
    const { caps: [all, one] = [] } = throttle.sessionOptions(0, 'x', false);
    const { caps: [again, other] = [] } = throttle.sessionOptions(0, 'y', false);
    expect([all?.bytesPerSecond, one?.bytesPerSecond]).toEqual([100_000, 50_000]);
    expect([again === all, other === one]).toEqual([true, false]);
    throttle.set(1, { upRate: 7_000 });
    expect([all?.bytesPerSecond, one?.bytesPerSecond]).toEqual([7_000, NONE]);
  });

  it('P-4.1: has what is urgent go ahead', () => {
    const throttle = new Throttle(0);
    const made = [true, false].map((urgent) => throttle.sessionOptions(0, 'x', urgent).congestion?.(1200, 1e6));
    expect(made.map((controller) => controller instanceof Foreground)).toEqual([true, false]);
  });

  it('P-10.13: caps nothing of an emergency, nor what it is told, and all else as ever meanwhile', () => {
    const throttle = new Throttle(0, { upRate: 100_000, peerUpRate: 50_000, downRate: 1_000_000 });
    const { congestion, caps } = throttle.sessionOptions(0, 'x', true, true);
    expect([congestion?.(1200, 1e6) instanceof Foreground, caps]).toEqual([true, []]);
    const plain = throttle.sessionOptions(0, 'x', false).caps ?? [];
    expect(plain.map((cap) => cap.bytesPerSecond)).toEqual([100_000, 50_000]);
    const peer = new Peer();
    throttle.watch(0, 'x', peer.session);
    expect(off(run(throttle, [peer], 0, 5000), 1_000_000)).toBeLessThan(0.03);
  });

  it.each([
    { upRate: 999 },
    { downRate: -1 },
    { peerUpRate: Number.NaN },
    { peerDownRate: 5e9 },
    { hours: 'night' },
    { metered: 'on' },
    { metered: true },
    { metered: '' },
    { up: 5_000 },
    undefined,
    null,
  ])('E_CONFIG: refuses %j, and goes on with what was', (limits) => {
    const throttle = new Throttle(0, { upRate: 5_000 });
    expect(() => throttle.set(1, limits as Limits)).toThrowError(expect.objectContaining({ code: 'E_CONFIG' }));
    expect(throttle.sessionOptions(1, 'x', false).caps?.[0]?.bytesPerSecond).toBe(5_000);
    expect([throttle.limits, throttle.metered]).toEqual([{ upRate: 5_000 }, 'off']);
  });

  it('keeps what it was given, whatever becomes of the object', () => {
    const limits = { peerUpRate: 5_000 };
    const throttle = new Throttle(0, limits);
    limits.peerUpRate = 1;
    Object.assign(throttle.limits, { peerUpRate: 2 });
    expect(throttle.sessionOptions(1, 'x', false).caps?.[1]?.bytesPerSecond).toBe(5_000);
  });

  it('over a metered link lets run by its setting, within its hours, and is as before once it is off', () => {
    const [day, night] = [new Date('2026-03-01T12:00:00'), new Date('2026-03-01T23:00:00')];
    const throttle = new Throttle(0, { metered: 'urgent' });
    const open = () => [throttle.isOpen(day), throttle.isOpen(night)];
    expect(open()).toEqual([false, false]);
    throttle.set(1, { metered: 'fetch', hours: '22:00-06:00' });
    expect(open()).toEqual([false, true]);
    throttle.set(2, { metered: 'urgent', hours: '22:00-06:00' });
    expect(open()).toEqual([false, false]);
    throttle.set(3, { metered: 'off' });
    expect([...open(), throttle.metered]).toEqual([true, true, 'off']);
  });

  it('E_CONFIG: refuses a metered link for a seed, which is there to serve, and goes on with what was', () => {
    const refused = expect.objectContaining({ code: 'E_CONFIG', message: expect.stringContaining('metered: fetch') });
    const throttle = new Throttle(0, { upRate: 5_000 });
    throttle.isOf('seed');
    expect(() => throttle.set(1, { metered: 'fetch' })).toThrowError(refused);
    expect(throttle.limits).toEqual({ upRate: 5_000 });
    throttle.set(2, { metered: 'off' });
  });

  it('E_CONFIG: refuses a metered link that was given before it was known that the device is a seed', () => {
    const refused = expect.objectContaining({ code: 'E_CONFIG', message: expect.stringContaining('metered: fetch') });
    const throttle = new Throttle(0, { metered: 'fetch' });
    expect(() => throttle.isOf('seed')).toThrowError(refused);
    throttle.isOf('device');
    throttle.set(1, { metered: 'urgent' });
  });

  it('knows its hours', () => {
    const throttle = new Throttle(0, { hours: '22:00-06:00' });
    expect(['21:00', '23:00'].map((time) => throttle.isOpen(new Date(`2026-03-01T${time}:00`)))).toEqual([false, true]);
    expect(new Throttle(0).isOpen(new Date())).toBe(true);
  });
});
