import { describe, expect, it } from 'vitest';
import { CLOSE } from '../../shared/wire/frames/close.js';
import type { LinkOptions } from './link.js';
import { Network, type NetworkOptions } from './network.js';
import { simulationSeed } from './random.js';
import { Transfer } from './transfer.js';

const CHUNKS = 32;
const SEEDS = [1, 2, 3].map(simulationSeed);
const LINK: LinkOptions = { bitsPerSecond: 20e6, delayMs: 10, queueBytes: 100_000 };

interface Outcome {
  readonly run: Transfer;
  /** What to say where an expectation fails: the seed, to run it again by CHUNKMESH_SEED, and the figures. */
  readonly label: string;
  readonly megabits: number;
}

function transfer(seed: number, link: LinkOptions, more: { chunks?: number; tamper?: NetworkOptions['tamper'] } = {}) {
  const { tamper, chunks = CHUNKS } = more;
  const run = new Transfer({ seed, links: [link, link], ...(tamper === undefined ? {} : { tamper }) }, chunks);
  const complete = run.run(60_000);
  const megabits = run.bitsPerSecond / 1e6;
  const { datagramsLost, datagramsSent } = run.network.sides[0].session.stats;
  const label = `CHUNKMESH_SEED=${seed}: ${megabits.toFixed(2)} Mbit/s, ${datagramsLost} of ${datagramsSent} lost`;
  expect(complete, label).toBe(true);
  run.network.run(run.network.now + 3000);
  expect(run.network.sides[0].session.pendingServeBytes, label).toBe(0);
  return { run, label, megabits } satisfies Outcome;
}

describe.each(SEEDS)('2 MB over a simulated link of 20 Mbit/s, seed %d', (seed) => {
  it('P-8.4 uses at least 85 % of a link without loss', () => {
    const { megabits, label } = transfer(seed, LINK, { chunks: 64 });
    expect(megabits, label).toBeGreaterThan(17);
  });

  it('P-8.1 arrives whole through 1 % loss each way', () => {
    const { megabits, label } = transfer(seed, { ...LINK, loss: 0.01 });
    expect(megabits, label).toBeGreaterThan(2);
  });

  it('P-8.1 arrives whole through 5 % loss each way', () => {
    const { megabits, label } = transfer(seed, { ...LINK, loss: 0.05 });
    expect(megabits, label).toBeGreaterThan(0.6);
  });

  it('RFC 9002 §6.1 does not collapse at 10 % reordering', () => {
    const { megabits, label } = transfer(seed, { ...LINK, reorder: 0.1 });
    expect(megabits, label).toBeGreaterThan(12);
  });

  it('P-6.5 takes each of duplicated datagrams once', () => {
    const { run, label } = transfer(seed, { ...LINK, duplicate: 0.1 });
    const { rejected, unwantedBytes } = run.network.sides[1].session.stats;
    expect(rejected.replayed, label).toBeGreaterThan(100);
    expect(unwantedBytes, label).toBe(0);
  });

  it('arrives whole over 50 ms of delay each way', () => {
    const { megabits, label } = transfer(seed, { ...LINK, delayMs: 50, queueBytes: 250_000 });
    expect(megabits, label).toBeGreaterThan(9);
  });

  it('RFC 9002 §6.2 goes on within 1.5 s after an outage of a second', () => {
    const { run, label } = transfer(seed, { ...LINK, outage: [300, 1300] });
    expect(run.finishedAt, label).toBeLessThan(1300 + 1500 + 1000);
  });

  it('RFC 9002 §7.5 sends a few probes in an outage, not a flood', () => {
    const run = new Transfer({ seed, links: [{ ...LINK, outage: [300, 5300] }, LINK] }, CHUNKS);
    run.network.run(600);
    const { datagramsSent } = run.network.sides[0].session.stats;
    run.network.run(5000);
    const later = run.network.sides[0].session.stats.datagramsSent;
    expect(later - datagramsSent, `CHUNKMESH_SEED=${seed}`).toBeLessThan(60);
    expect(run.run(60_000), `CHUNKMESH_SEED=${seed}`).toBe(true);
  });

  it('P-6.6 arrives whole among junk, flipped bits and replays, all counted', () => {
    const seen: Buffer[] = [];
    const { run, megabits, label } = transfer(seed, LINK, {
      tamper: (datagram, random) => {
        seen.push(datagram);
        const flipped = Buffer.from(datagram);
        const at = Math.floor(random.next() * flipped.length);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << Math.floor(random.next() * 8));
        const replayed = seen[Math.floor(random.next() * seen.length)] ?? datagram;
        const junk = random.bytes(1 + Math.floor(random.next() * 1500));
        return [flipped, junk, datagram, replayed, datagram];
      },
    });
    const { rejected, datagramsReceived } = run.network.sides[1].session.stats;
    expect(rejected.unopened + rejected.foreign + rejected.replayed, label).toBeGreaterThan(datagramsReceived * 3);
    expect(rejected.malformed, label).toBe(0);
    expect(megabits, label).toBeGreaterThan(14);
  });

  it('P-6.3 P-6.6 is not moved by its own datagrams sent back to it', () => {
    const run: Transfer = new Transfer(
      {
        seed,
        links: [LINK, LINK],
        tamper: (datagram, _random, to) => {
          const back = Buffer.from(datagram);
          back.fill(to === 0 ? 2 : 1, 1, 9);
          run.network.inject(to === 0 ? 1 : 0, back);
          return [datagram];
        },
      },
      CHUNKS,
    );
    expect(run.run(60_000), `CHUNKMESH_SEED=${seed}`).toBe(true);
    expect(run.network.sides[0].session.stats.rejected.unopened, `CHUNKMESH_SEED=${seed}`).toBeGreaterThan(100);
  });
});

describe('the life of a session', () => {
  const pair = (links: [LinkOptions, LinkOptions] = [LINK, LINK]) => new Network({ seed: simulationSeed(7), links });

  it('P-7.2 opens on both sides within a round trip and a half', () => {
    const network = pair();
    network.run(100);
    for (const { seen } of network.sides) expect(seen.openedAt).toBeLessThan(35);
  });

  it('P-7.2 opens although the first PINGs are lost', () => {
    const network = pair([{ ...LINK, outage: [0, 100] }, LINK]);
    network.run(1000);
    for (const { session } of network.sides) expect(session.isOpen).toBe(true);
  });

  it('P-7.2 gives up after 5 s where no candidate answers, and sends a handful of PINGs until then', () => {
    const network = pair();
    network.off[1] = true;
    network.run(20_000);
    const { seen, session } = network.sides[0];
    expect([seen.closed, seen.closedByPeer, seen.closedAt]).toEqual(['no path', false, 5000]);
    expect(session.stats.datagramsSent).toBe(10);
    expect(session.isFinished).toBe(true);
  });

  it('P-8.5 stays open for a minute with nothing to say, by a PING each 3 s', () => {
    const network = pair();
    network.run(60_000);
    for (const { session } of network.sides) {
      expect(session.isOpen).toBe(true);
      expect(session.stats.datagramsSent).toBeGreaterThan(20);
      expect(session.stats.datagramsSent).toBeLessThan(150);
    }
  });

  it('P-8.5 notices within 10 s that the peer has vanished, and sends little until then', () => {
    const run = new Transfer({ seed: simulationSeed(7), links: [LINK, LINK] }, CHUNKS);
    run.network.run(400);
    run.network.off[1] = true;
    const before = run.network.sides[0].session.stats.datagramsSent;
    run.network.run(30_000);
    const { seen, session } = run.network.sides[0];
    expect([seen.closed, seen.closedByPeer]).toEqual(['idle', false]);
    expect(seen.closedAt).toBeLessThanOrEqual(400 + 10_000);
    expect(session.stats.datagramsSent - before).toBeLessThan(150);
  });

  it('P-7.10 closes both sides with one reason, though two CLOSEs of three are lost', () => {
    const network = pair([{ ...LINK, outage: [500, 650] }, LINK]);
    network.run(500);
    network.sides[0].session.close(CLOSE.done);
    network.run(2000);
    expect(network.sides.map(({ seen }) => [seen.closed, seen.closedByPeer])).toEqual([
      [CLOSE.done, false],
      [CLOSE.done, true],
    ]);
    for (const { session } of network.sides) expect(session.isFinished).toBe(true);
  });

  it('P-8.2 says everything again that was lost, by meaning', () => {
    const network = pair([
      { ...LINK, loss: 0.2 },
      { ...LINK, loss: 0.2 },
    ]);
    network.run(5000);
    const [a, b] = network.sides;
    const names = Array.from({ length: 16 }, (_, i) => ({ site: 's'.repeat(60), device: `device-${i}` }));
    for (let chunk = 0; chunk < 100; chunk++) a.session.have(chunk, Buffer.of(0x80));
    a.session.peers(names);
    for (let chunk = 0; chunk < 20; chunk++) a.session.request(chunk, 0, 1000);
    b.answer = (chunk) => b.session.reject(chunk, 0);
    network.run(30_000, () => a.seen.rejects.length === 20 && b.seen.peers.length >= 16);
    expect(new Set(a.seen.rejects.map(([chunk]) => chunk)).size).toBe(20);
    expect(new Set(b.seen.peers).size).toBe(16);
    const held = new Set<number>();
    for (const [first, bits] of b.seen.haves) {
      Buffer.from(bits, 'hex').forEach((byte, i) => {
        for (let bit = 0; bit < 8; bit++) if ((byte & (0x80 >> bit)) !== 0) held.add(first + i * 8 + bit);
      });
    }
    expect(held.size).toBe(100);
  });

  it('P-7.7 P-8.2 sends nothing more of a cancelled chunk, and answers when it is asked for again', () => {
    const run = new Transfer({ seed: simulationSeed(7), links: [{ ...LINK, loss: 0.05 }, LINK] }, 16);
    run.network.run(60);
    const [from, to] = run.network.sides;
    for (let chunk = 0; chunk < 16; chunk++) expect(to.session.cancel(chunk)).toBe(true);
    run.network.run(500);
    expect(from.session.pendingServeBytes).toBe(0);
    expect(from.seen.cancels.length).toBe(16);
    const { bytesSent } = from.session.stats;
    run.network.run(1500);
    expect(from.session.stats.bytesSent - bytesSent).toBeLessThan(2000);
    let got = 0;
    to.data = (_chunk, _offset, bytes) => {
      got += bytes.length;
    };
    expect(to.session.request(3, 0, 65_536)).toBe(true);
    run.network.run(5000);
    expect(got).toBe(65_536);
  });

  it('P-7.7 holds a request back until the CANCEL before it is acknowledged', () => {
    const run = new Transfer({ seed: simulationSeed(9), links: [LINK, { ...LINK, reorder: 0.5, reorderMs: 30 }] }, 1);
    run.network.run(50);
    const { session } = run.network.sides[1];
    for (let i = 0; i < 20; i++) {
      session.cancel(0);
      session.request(0, 0, 65_536);
      run.network.run(run.network.now + 7);
    }
    run.got.fill(0);
    run.network.run(10_000);
    expect(run.network.sides[0].session.pendingServeBytes).toBe(0);
    expect(session.request(0, 0, 1)).toBe(true);
  });

  it('takes a stalled event loop for what it is: no window is lost to a timer 200 ms late', () => {
    const run = new Transfer({ seed: simulationSeed(7), links: [LINK, LINK] }, CHUNKS);
    run.network.run(600);
    const { session } = run.network.sides[0];
    const { window, datagramsLost } = session.stats;
    session.onTimer(run.network.now + 200);
    expect(session.stats.window).toBe(window);
    expect(session.stats.datagramsLost).toBe(datagramsLost);
  });
});
