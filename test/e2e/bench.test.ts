import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { CHECKOUT } from '../../bench/checkout.js';
import { JUNK_KINDS } from '../../bench/junk.js';
import { labLacks } from '../lab/lab.js';
import { requirement } from '../support/requirement.js';

/** The benches as a command; what they measure is for a machine that has nothing else to do. */

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function bench(...args: string[]): Promise<Ended> {
  const program = join(CHECKOUT, 'dist/bench/run.js');
  try {
    return { code: 0, ...(await promisify(execFile)(process.execPath, [program, ...args])) };
  } catch (error) {
    return error as Ended;
  }
}

describe('bench', () => {
  it('prints one JSON object, and with --check fails where a bar is not met, for want of a comparator too', async () => {
    const pair = ['pair', '--size', '8', '--rounds', '2', '--only', 'sodium-native$', '--json'];
    const { code, stdout, stderr } = await bench(...pair, '--check');
    expect(code, stderr).toBe(1);
    const { name, rounds, results, bars } = JSON.parse(stdout);
    expect([name, rounds]).toEqual(['pair', 2]);
    const subject = 'chunkmesh, sodium-native';
    const numbers = { median: expect.any(Number), min: expect.any(Number), max: expect.any(Number) };
    expect(results).toContainEqual({ subject, metric: 'goodput', unit: 'MB/s', ...numbers });
    expect(results).toContainEqual({ subject, metric: 'CPU of the receiver', unit: 's/GB', ...numbers });
    expect(bars).toContainEqual(expect.objectContaining({ bar: 100, measured: expect.any(Number) }));
    expect(bars).toContainEqual(expect.objectContaining({ bar: null, measured: expect.any(Number), ok: false }));
    expect(stderr).toContain('round 2 of 2: chunkmesh, sodium-native\n');
  });

  it('measures ceilings while they change', async () => {
    const { code, stdout, stderr } = await bench(
      ...['rates', '--seconds', '1', '--rounds', '1', '--only', 'foreground, up, all', '--json'],
    );
    expect(code, stderr).toBe(0);
    const { results, bars } = JSON.parse(stdout);
    const subject = 'foreground, up, all together';
    expect(results).toContainEqual(expect.objectContaining({ subject, metric: 'off 2 MB/s, once changed', unit: '%' }));
    expect(results).toContainEqual(expect.objectContaining({ subject, metric: '12 MB/s holds after', unit: 'ms' }));
    expect(bars.map(({ measured }: { measured: unknown }) => typeof measured)).toEqual(['number', 'number', 'number']);
  });

  it('tells what a signature costs by each provider', async () => {
    const { code, stdout, stderr } = await bench('signatures', '--rounds', '1', '--json');
    expect(code, stderr).toBe(0);
    const { results, bars } = JSON.parse(stdout);
    for (const subject of ['node', 'noble']) {
      for (const metric of ['verify', 'sign']) {
        expect(results).toContainEqual(expect.objectContaining({ subject, metric, unit: 'us' }));
      }
    }
    expect(bars).toContainEqual(expect.objectContaining({ bar: expect.any(Number), measured: expect.any(Number) }));
  });

  it('tells what of an update moves to who has the version before', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'chunkmesh-delta-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const [before, after] = [join(folder, 'before'), join(folder, 'after')];
    const bytes = randomBytes(4_000_000);
    await writeFile(before, bytes);
    bytes.fill(0x5a, 2_000_000, 2_000_100);
    await writeFile(after, bytes);
    const only = ['--rounds', '1', '--only', 'a device that has'];
    const { code, stdout, stderr } = await bench('delta', '--before', before, '--after', after, ...only, '--json');
    expect(code, stderr).toBe(0);
    const { results, bars } = JSON.parse(stdout);
    const of = (wanted: string): number =>
      results.find(({ metric }: { metric: string }) => metric === wanted)?.median ?? Number.NaN;
    expect(of('from disk')).toBeGreaterThan(3.5);
    expect(of('content to move')).toBeLessThan(0.5);
    expect(bars).toEqual([expect.objectContaining({ ok: true })]);
  }, 60_000);

  it('measures simulated fleets, and draws what they cost', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'chunkmesh-bench-test-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const { code, stdout, stderr } = await bench('scale', '--devices', '4,9', '--plots', folder, '--json', '--check');
    expect(code, stderr).toBe(0);
    const { results, bars } = JSON.parse(stdout);
    expect(new Set(results.map(({ subject }: { subject: string }) => subject))).toEqual(
      new Set(['4 devices', '9 devices']),
    );
    expect(bars.length).toBe(2);
    expect(bars.every(({ ok }: { ok: boolean }) => ok)).toBe(true);
    expect(await readFile(join(folder, 'scale-cost.svg'), 'utf8')).toMatch(/^<svg /);
  }, 60_000);

  it.each([
    [0, ['--help']],
    [0, ['loss', '--help']],
    [0, ['hostile', '--help']],
    [2, []],
    [2, ['pear']],
    [2, ['pair', '--rounds', 'none']],
    [2, ['pair', '--rounds', 'Infinity']],
    [2, ['pair', '--rounds', '1.5']],
    [2, ['pair', '--size', '0x10']],
    [2, ['pair', '--only', '[']],
    [2, ['pair', '--folder', '/nowhere']],
    [2, ['rates', '--only', 'nobody', '--check']],
    [2, ['delta', '--before', '/nowhere']],
    [2, ['delta', '--before', process.execPath]],
    [2, ['scale', '--devices', '10,x']],
    [2, ['scale', '--devices', '0']],
    [2, ['scale', '--devices', '1000000']],
    [2, ['scale', '--plots', '/nowhere']],
  ])('exits with %d for %j', async (status, args) => {
    expect((await bench(...args)).code).toBe(status);
  });
});

const lacks = labLacks();

requirement(
  'a lab',
  lacks === undefined,
  lacks ?? '',
)('bench, over a link', () => {
  it('has processes stand still, and says what came of it', async () => {
    const { code, stdout, stderr } = await bench(
      ...['outage', '--rounds', '1', '--only', 'foreground, receiver', '--json'],
    );
    expect(code, stderr).toBe(0);
    const subject = 'chunkmesh, foreground, receiver stands still for 200 ms';
    const metric = 'goodput from then until 2 s after, of before';
    expect(JSON.parse(stdout).results).toContainEqual(expect.objectContaining({ subject, metric, unit: '%' }));
  });

  it('sends junk of each kind, which nobody answers', async () => {
    const subject = '100 Mbit/s, junk at the receiver';
    const { code, stdout, stderr } = await bench(
      ...['hostile', '--seconds', '0.1', '--rounds', '1', '--only', subject, '--json'],
    );
    expect(code, stderr).toBe(0);
    for (const kind of JUNK_KINDS) {
      const none = { subject, metric: `${kind}: replies`, unit: '', median: 0, min: 0, max: 0 };
      expect(JSON.parse(stdout).results, stderr).toContainEqual(none);
    }
  });
});
