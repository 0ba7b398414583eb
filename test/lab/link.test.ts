import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { CHECKOUT } from '../../bench/checkout.js';
import { answer } from '../../bench/contenders/program.js';
import { junkFile } from '../../bench/junk.js';
import { pause } from '../../bench/link_flows.js';
import { requirement } from '../support/requirement.js';
import { Lab, labLacks, type WaySettings } from './lab.js';

/** The emulated link against what it was told to be, by the kernel's own TCP and UDP. */

const lacks = labLacks();
const describe = requirement('a lab', lacks === undefined, lacks ?? '');

const NEUTRAL: Required<WaySettings> = {
  ...{ rate: 100e6, queue: 1e6, delay: 0, jitter: 0, loss: 0, reorder: 0, late: 10, duplicate: 0, mtu: 0, seed: 1 },
};
const STDIO = ['ignore', 'ignore', 'inherit', 'ipc'] as const;

interface Probed {
  readonly received: number;
  readonly overtaken: number;
  readonly leastMs: number;
  readonly numbers: readonly number[];
}

interface Fastest {
  /** What arrived, and with headers what the link carried. */
  readonly mbits: number;
  readonly linkMbits: number;
  readonly waitMs: number;
}

/** More than a disturbed machine needs to be itself for one. */
const WINDOWS = 8;

describe('a link of the lab', () => {
  let lab: Lab;
  const node = (end: number, ...args: string[]): ChildProcess =>
    lab.spawn(end, process.execPath, args, { stdio: [...STDIO] });
  const PROBE = join(CHECKOUT, 'test/lab/probe.mjs');
  const COUNT = 1000;

  beforeAll(async () => {
    lab = await Lab.open(2);
    await answer(node(1, PROBE, 'echo'));
  });
  beforeEach(async () => {
    await lab.set('both', NEUTRAL);
    await lab.count();
  });
  afterAll(() => lab?.close());

  const probe = (bytes = 100): Promise<Probed> =>
    answer(node(0, PROBE, 'ask', lab.address(1), String(COUNT), String(bytes)));

  /**
   * Of windows of so many seconds, the first in which what arrives passes `enough` Mbit/s, or the best: in one in which the machine stood still
   * TCP is slower than the link lets it be. What the link may not pass, it may not in any.
   */
  const fastest = async (enough: number, seconds: number, bytes: () => number): Promise<Fastest> => {
    const best = { mbits: 0, linkMbits: 0, waitMs: 0 };
    for (let i = 0; i < WINDOWS && best.mbits <= enough; i++) {
      const { ms } = await lab.count();
      const before = bytes();
      await pause(seconds);
      const { right, ms: now } = await lab.count();
      const mbits = (count: number): number => (count * 8) / 1000 / (now - ms);
      best.mbits = Math.max(best.mbits, mbits(bytes() - before));
      best.linkMbits = Math.max(best.linkMbits, mbits(right.bytes));
      best.waitMs = Math.max(best.waitMs, right.waitMs.max);
    }
    return best;
  };

  it('joins namespaces of its own, with addresses of its own and nothing else', async () => {
    const script = 'process.send(Object.values(os.networkInterfaces()).flat().map(({ address }) => address))';
    expect(await answer(node(2, '-e', script))).toEqual(['127.0.0.1', '10.99.0.3']);
  });

  it('takes as long as it was told', async () => {
    await lab.set('right', { delay: 30 });
    await lab.set('left', { delay: 20 });
    const { numbers, leastMs } = await probe();
    expect(numbers).toHaveLength(COUNT);
    expect(leastMs).toBeGreaterThanOrEqual(50);
    expect(leastMs).toBeLessThan(53);
  });

  it('loses what it was told to, and with the same seed the same', async () => {
    await lab.set('right', { loss: 0.1, seed: 7 });
    const { numbers } = await probe();
    expect(numbers.length).toBeGreaterThan(0.86 * COUNT);
    expect(numbers.length).toBeLessThan(0.94 * COUNT);
    expect((await lab.count()).right.lost).toBe(COUNT - numbers.length);
    await lab.set('right', { seed: 7 });
    expect((await probe()).numbers).toEqual(numbers);
    await lab.set('right', { seed: 8 });
    expect((await probe()).numbers).not.toEqual(numbers);
  });

  it('lets some be overtaken, and gives some twice', async () => {
    await lab.set('right', { reorder: 0.1, late: 100 });
    const late = await probe();
    expect(late.received).toBe(COUNT);
    expect(late.overtaken).toBeGreaterThan(0.05 * COUNT);
    await lab.set('right', { reorder: 0, duplicate: 0.1 });
    const twice = await probe();
    expect(twice.overtaken).toBe(0);
    expect(twice.received).toBeGreaterThan(1.06 * COUNT);
    expect(twice.received).toBeLessThan(1.14 * COUNT);
  });

  it('swallows what is longer than its MTU', async () => {
    await lab.set('right', { mtu: 1228 });
    expect((await probe(1201)).received).toBe(0);
    expect((await lab.count()).right.tooLong).toBe(COUNT);
    expect((await probe(1200)).received).toBe(COUNT);
  });

  it('gives TCP alone nine tenths of 50 Mbit/s, and no packet waits longer than the queue is', async () => {
    await lab.set('both', { rate: 50e6, delay: 10, queue: 125_000 });
    const flow = await lab.tcp(0);
    await pause(1);
    const reached = await fastest(45, 2, () => flow.bytes);
    await flow.stop();
    expect(reached.mbits).toBeGreaterThan(45);
    expect(reached.linkMbits).toBeLessThan(51);
    expect(reached.waitMs).toBeLessThanOrEqual(20);
  });

  it('carries 200 Mbit/s', async () => {
    await lab.set('both', { rate: 250e6, delay: 1 });
    const flow = await lab.tcp(0);
    await pause(0.5);
    const { linkMbits } = await fastest(200, 1.5, () => flow.bytes);
    await flow.stop();
    expect(linkMbits).toBeGreaterThan(200);
  });

  it('is one bottleneck for both pairs', async () => {
    await lab.set('both', { rate: 20e6, delay: 5, queue: 50_000 });
    const flows = [await lab.tcp(0), await lab.tcp(2)];
    await pause(0.5);
    const { ms } = await lab.count();
    await pause(2);
    const { right, ms: now } = await lab.count();
    for (const flow of flows) await flow.stop();
    const rates = [0, 2].map((end) => ((right.delivered[end] ?? 0) * 8) / 1000 / (now - ms));
    for (const rate of rates) expect(rate).toBeGreaterThan(2);
    expect((rates[0] ?? 0) + (rates[1] ?? 0)).toBeLessThan(20.5);
  });

  it('sends junk at the rate that it was told, and counts who answers it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'chunkmesh-junk-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, 'junk');
    await writeFile(file, junkFile([Buffer.alloc(20, 1), Buffer.alloc(1000, 2), Buffer.alloc(0)]));
    const junk = lab.junk(1, lab.address(1), 7000, 2000);
    const counts = [];
    for (const to of ['victim', 'ignored'] as const) {
      const { ms } = await junk.send(to, file);
      await pause(0.5);
      const { ms: now, sent, replies } = await junk.none();
      counts.push({ perSecond: (sent * 1000) / (now - ms), answered: replies / sent });
    }
    for (const { perSecond } of counts) {
      // A machine that stands still for longer than 50 ms sends less.
      expect(perSecond).toBeGreaterThan(1400);
      expect(perSecond).toBeLessThan(2100);
    }
    // The echo answers.
    expect(counts[0]?.answered).toBeGreaterThan(0.8);
    expect(counts[1]?.answered).toBeLessThan(0.1);
  });

  it('leaves nothing behind when who opened it is killed', async () => {
    const script = `
      import { Lab } from '${CHECKOUT}/dist/test/lab/lab.js';
      const lab = await Lab.open();
      const child = lab.spawn(0, 'sleep', ['1000'], { stdio: 'ignore' });
      await new Promise((resolve) => child.once('spawn', resolve));
      process.send([lab.pid, child.pid]);
      setInterval(() => {}, 1000);`;
    const args = ['--input-type=module', '-e', script];
    const owner = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const pids = await answer<number[]>(owner);
    expect(pids.map((pid) => existsSync(`/proc/${pid}`))).toEqual([true, true]);
    owner.kill('SIGKILL');
    await vi.waitFor(() => expect(pids.some((pid) => existsSync(`/proc/${pid}`))).toBe(false), 5000);
  });
});

describe('a star of the lab', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await Lab.star(3);
    await lab.set('up', { rate: 100e6, delay: 1, queue: 1e6 });
    await lab.set('down', { rate: 100e6, delay: 1, queue: 1e6 });
  });
  afterAll(() => lab?.close());

  it('carries what one end says up its own link and down that of another', async () => {
    await lab.set('up0', { rate: 20e6, delay: 10 });
    await lab.set('down1', { delay: 20 });
    await lab.countStar();
    const flow = await lab.tcp(0);
    while (flow.bytes < 1e6) await pause(0.01);
    const { up, down } = await lab.countStar();
    await flow.stop();
    expect(up[0]?.bytes).toBeGreaterThanOrEqual(flow.bytes);
    expect(down[1]?.delivered[0]).toBeGreaterThanOrEqual(1e6);
    // Its acknowledgements.
    expect(up[1]?.bytes).toBeGreaterThan(0);
    expect(up[1]?.bytes).toBeLessThan(1e6);
    expect(up[2]?.bytes).toBe(0);
    expect(down[2]?.bytes).toBe(0);
  });

  it('sets one link or all, and refuses one that is not there', async () => {
    await lab.set('both2', { loss: 1 });
    await expect(lab.set('up3', { loss: 1 })).rejects.toThrow('up3 is no way');
    await expect(lab.set('right', { loss: 1 })).rejects.toThrow('right is no way');
    await lab.countStar();
    const flow = await lab.tcp(0);
    while (flow.bytes < 1e5) await pause(0.01);
    await flow.stop();
    expect((await lab.countStar()).down[0]?.lost).toBe(0);
  });
});
