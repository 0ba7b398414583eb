import { describe, expect, it } from 'vitest';
import { Attempt } from '../../../agent/transfer/attempt.js';
import { ChunkmeshError } from '../../../shared/errors.js';

const RETRY_MS = 5_000;

/** A step that ends when the test says so. */
function made() {
  const runs: { done: () => void; fail: (error: unknown) => void }[] = [];
  const refused: string[] = [];
  const clock = { now: 1000 };
  const attempt = new Attempt(
    () => new Promise<void>((resolve, reject) => runs.push({ done: resolve, fail: reject })),
    () => clock.now,
    (error) => refused.push(error.code),
  );
  return { attempt, runs, refused, clock };
}

describe('Attempt', () => {
  it('is tried again 5 s after a failure that may pass, and not after one that may not', async () => {
    const { attempt, runs, refused, clock } = made();
    const first = attempt.run();
    runs[0]?.fail(new ChunkmeshError('E_DISK_FULL', 'disk'));
    await first;
    expect([refused, attempt.deadline]).toEqual([['E_DISK_FULL'], clock.now + RETRY_MS]);
    await attempt.tick();
    expect(runs.length).toBe(1);
    clock.now += RETRY_MS;
    const second = attempt.tick();
    expect(runs.length).toBe(2);
    runs[1]?.fail(new ChunkmeshError('E_INDEX_INVALID', 'index'));
    await second;
    expect([refused.at(-1), attempt.deadline]).toEqual(['E_INDEX_INVALID', Number.POSITIVE_INFINITY]);
  });

  it('takes what is no error of ours for a failure of the store', async () => {
    const { attempt, runs, refused } = made();
    const run = attempt.run();
    runs[0]?.fail(new Error('what'));
    await run;
    expect(refused).toEqual(['E_STORE_IO']);
  });

  it('runs once at a time, and once more for all that asked meanwhile', async () => {
    const { attempt, runs } = made();
    const all = [attempt.run(), attempt.run(), attempt.run()];
    expect(runs.length).toBe(1);
    runs[0]?.done();
    await Promise.resolve();
    await Promise.resolve();
    expect(runs.length).toBe(2);
    runs[1]?.done();
    await Promise.all(all);
    expect(runs.length).toBe(2);
    void attempt.run();
    expect(runs.length).toBe(3);
  });

  it('can be put off as if it had failed, but no further than it is due', async () => {
    const { attempt, clock } = made();
    attempt.later();
    clock.now += 1000;
    attempt.later();
    expect(attempt.deadline).toBe(clock.now - 1000 + RETRY_MS);
  });

  it('ends with what is under way, whose failure nobody hears of, and begins nothing more', async () => {
    const { attempt, runs, refused } = made();
    void attempt.run();
    void attempt.run();
    let ended = false;
    const stopped = attempt.stop().then(() => {
      ended = true;
    });
    await Promise.resolve();
    expect(ended).toBe(false);
    runs[0]?.fail(new ChunkmeshError('E_STORE_IO', 'closed'));
    await stopped;
    await attempt.run();
    attempt.later();
    expect([runs.length, refused, attempt.deadline]).toEqual([1, [], Number.POSITIVE_INFINITY]);
  });
});
