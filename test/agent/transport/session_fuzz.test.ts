import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_PENDING_SERVE_BYTES } from '../../../agent/transport/send_queue.js';
import { MAX_PACKET_NUMBER } from '../../../shared/limits.js';
import { runs } from '../../support/runs.js';
import { changedSequence, sequences } from '../../support/sequences.js';
import { RawPeer } from './raw_peer.js';

/** What the session's owner does between two datagrams, and how much time passes. */
interface Move {
  readonly own: 'nothing' | 'request' | 'cancel' | 'have' | 'peers' | 'limit' | 'coming';
  readonly chunk: number;
  readonly wait: number;
  /** How far its packet number is from the last one's: mostly the next, and at times one that was used, or a leap. */
  readonly leap: number;
  readonly path: number;
}

type Answer = 'serve' | 'reject' | 'wait';

const moves = fc.array(
  fc.record<Move>({
    own: fc.constantFrom('nothing', 'nothing', 'request', 'cancel', 'have', 'peers', 'limit', 'coming'),
    chunk: fc.nat(9),
    wait: fc.constantFrom(0, 0, 0.3, 5, 30, 400, 3000),
    leap: fc.oneof(
      { weight: 8, arbitrary: fc.constant(1) },
      { weight: 2, arbitrary: fc.constantFrom(-1, 0, 3, 100, 5000, 2 ** 32) },
    ),
    path: fc.constantFrom(0, 0, 0, 1, 20),
  }),
  { minLength: 1, maxLength: 20 },
);
const answers = fc.constantFrom<Answer>('serve', 'serve', 'reject', 'wait');
const CHUNK = Buffer.alloc(65_536, 0x77);
const NEVER = Number.POSITIVE_INFINITY;

/** More than one burst, or one window of answers, sends at one moment. */
const MAX_AT_ONCE = 5000;

class Insider {
  readonly peer = new RawPeer();
  readonly #answer: Answer;
  #packet = 1000;

  constructor(answer: Answer) {
    this.#answer = answer;
    const { peer } = this;
    peer.onRequest = (chunk) => {
      const [offset = 0, length = 0] = (peer.events.at(-1)?.split(' ') ?? []).slice(2).map(Number);
      // As agent/transfer/serving.ts does: a range is the peer's claim.
      const held = offset + length <= CHUNK.length;
      if (this.#answer === 'reject' || !held) peer.session.reject(chunk, 1);
      else if (this.#answer === 'serve') peer.session.serve(chunk, offset, CHUNK.subarray(offset, offset + length));
    };
    peer.open();
    peer.session.request(7, 0, 1000);
    this.settle();
  }

  play(frames: Buffer, { own, chunk, wait, leap, path }: Move): void {
    const { session } = this.peer;
    this.peer.at(this.peer.now + wait);
    this.#packet = Math.min(Math.max(0, this.#packet + leap), MAX_PACKET_NUMBER);
    session.onDatagram(this.peer.now, this.peer.sealed(frames.toString('hex'), this.#packet), path);
    if (own === 'request') session.request(chunk, chunk, 3000);
    else if (own === 'cancel') session.cancel(chunk);
    else if (own === 'coming') session.coming(chunk);
    else if (own === 'have') session.have(chunk, Buffer.of(0x80));
    else if (own === 'peers') session.peers([{ site: 's', device: 'd' }]);
    else if (own === 'limit') session.limitPeer(chunk * 1000);
    this.settle();
  }

  /** What is to be sent is sent, and then what is true of any session is looked at. RawPeer refuses malformed datagrams. */
  settle(): void {
    const { peer } = this;
    const { session } = peer;
    expect(peer.read()).toBeLessThan(MAX_AT_ONCE);
    const deadline = session.nextDeadline();
    expect(deadline).not.toBeNaN();
    expect(deadline === NEVER).toBe(session.isFinished);
    expect(session.pendingServeBytes).toBeGreaterThanOrEqual(0);
    expect(session.pendingServeBytes).toBeLessThanOrEqual(MAX_PENDING_SERVE_BYTES);
    const { window, smoothedRtt, datagramBytes, datagramsLost } = session.stats;
    expect([window > 0, smoothedRtt >= 0, datagramBytes, datagramsLost >= 0]).toEqual([true, true, 1200, true]);
    // P-7.10: the end is the last that is told.
    const end = peer.events.findIndex((event) => event.startsWith('closed'));
    if (end >= 0) expect(end).toBe(peer.events.length - 1);
  }

  /** Silence ends any session (P-8.5), by its own timer alone, and in few steps. */
  end(): void {
    const { peer } = this;
    let steps = 0;
    for (let at = peer.session.nextDeadline(); at !== NEVER; at = peer.session.nextDeadline()) {
      peer.at(Math.max(peer.now + 0.001, at));
      this.settle();
      expect(++steps).toBeLessThan(MAX_AT_ONCE);
    }
    expect(peer.closed).not.toBeNull();
  }
}

const IDLE: Move = { own: 'nothing', chunk: 0, wait: 1, leap: 1, path: 0 };

describe('what an agreed peer may say', () => {
  it.each(sequences)('the corpus: $name', ({ datagrams }) => {
    for (const answer of ['serve', 'reject', 'wait'] as const) {
      const insider = new Insider(answer);
      for (const hex of datagrams) insider.play(Buffer.from(hex, 'hex'), IDLE);
      insider.end();
    }
  });

  it('P-7 breaks nothing, whatever it is: the session goes on or ends', () => {
    fc.assert(
      fc.property(changedSequence(), moves, answers, (datagrams, all, answer) => {
        const insider = new Insider(answer);
        datagrams.forEach((frames, i) => {
          insider.play(frames, all[i % all.length] ?? IDLE);
        });
        insider.end();
      }),
      runs(250),
    );
  });
});

describe('what one who has no key may send', () => {
  const outside = fc.record({
    /** 0: noise; else a good datagram, changed. */
    good: fc.nat(3),
    changes: fc.array(fc.tuple(fc.nat(3000), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 3 }),
    noise: fc.uint8Array({ maxLength: 200 }),
    cut: fc.option(fc.nat(60), { nil: undefined }),
    path: fc.nat(20),
  });

  it('P-6.6 opens nothing, changes nothing, is answered by nothing, and is counted', () => {
    const peer = new RawPeer().open();
    let junk = 0;
    fc.assert(
      fc.property(outside, fc.constantFrom(...sequences), ({ good, changes, noise, cut, path }, { datagrams }) => {
        const frames = datagrams[good % datagrams.length] ?? '';
        let bytes = good === 0 ? Buffer.from(noise) : peer.sealed(frames, 50_000 + junk);
        for (const [at, flip] of changes)
          if (bytes.length > 0) bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ flip;
        if (cut !== undefined) bytes = bytes.subarray(0, cut);
        // Two changes may undo each other.
        if (bytes.equals(peer.sealed(frames, 50_000 + junk))) return;
        junk++;
        const events = peer.events.length;
        const before = { ...peer.session.stats, rejected: null };
        const deadline = peer.session.nextDeadline();
        expect(peer.session.onDatagram(peer.now, bytes, path)).toBe(false);
        expect(peer.read()).toBe(0);
        expect({ ...peer.session.stats, rejected: null }).toEqual(before);
        expect([peer.events.length, peer.session.nextDeadline()]).toEqual([events, deadline]);
      }),
      runs(1500),
    );
    const { foreign, unopened, replayed } = peer.session.stats.rejected;
    expect(foreign + unopened + replayed).toBeGreaterThanOrEqual(junk);
  });
});
