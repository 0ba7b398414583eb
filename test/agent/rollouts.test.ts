import { describe, expect, it } from 'vitest';
import { Rollouts } from '../../agent/rollouts.js';
import type { Transfer } from '../../agent/transfer/transfer.js';
import type { Rollout } from '../../shared/control/messages.js';
import { CLOSE } from '../../shared/wire/frames/close.js';

/** A transfer that only notes what becomes of it. */
class Noted {
  readonly groups: Set<string>;
  state = 'made';
  /** What its store says as it is closed. */
  closing: Promise<void> = Promise.resolve();

  constructor(
    readonly artifact: string,
    readonly rollout: Rollout,
    group: string,
  ) {
    this.groups = new Set([group]);
  }
  async start(): Promise<void> {
    this.state = 'started';
  }
  stop(reason: number): Promise<void> {
    this.state = `stopped ${reason}`;
    return this.closing;
  }
}

function rollout(name: string, version: string, byte: number): Rollout {
  return { name, version, artifact: new Uint8Array(32).fill(byte), size: 1, chunks: 1, shards: 1 };
}

function made(): { rollouts: Rollouts; all: Noted[]; apply: (group: string, ...list: Rollout[]) => Promise<void> } {
  const all: Noted[] = [];
  const rollouts = new Rollouts({
    make: (artifact, of, group) => {
      const noted = new Noted(artifact, of, group);
      all.push(noted);
      return noted as unknown as Transfer;
    },
    ended: () => {},
  });
  return { rollouts, all, apply: (group, ...list) => rollouts.apply(group, list, async () => {}) };
}

describe('Rollouts', () => {
  it('keeps what stays, ends what is gone or has another version, and begins what is new', async () => {
    const { all, apply } = made();
    await apply('a', rollout('one', '1', 1), rollout('two', '1', 2));
    await apply('a', rollout('one', '1', 1), rollout('two', '2', 2), rollout('three', '1', 3));
    expect(all.map(({ rollout: { name, version }, state }) => `${name} ${version} ${state}`)).toEqual([
      'one 1 started',
      `two 1 stopped ${CLOSE.superseded}`,
      'two 2 started',
      'three 1 started',
    ]);
  });

  it('P-5.4: an artifact of two groups is one transfer for both, under whatever names, and ends with the last', async () => {
    const { all, apply } = made();
    await apply('a', rollout('one', '1', 1));
    await apply('b', rollout('one', '1-b', 1));
    await apply('b', rollout('one', '1-b', 1), rollout('two', '1', 2));
    expect(all.map(({ state }) => state)).toEqual(['started', 'started']);
    expect([...(all[0]?.groups ?? [])]).toEqual(['a', 'b']);
    await apply('a');
    expect([...(all[0]?.groups ?? [])]).toEqual(['b']);
    expect(all[0]?.state).toBe('started');
    await apply('b');
    expect(all.map(({ state }) => state)).toEqual([`stopped ${CLOSE.superseded}`, `stopped ${CLOSE.superseded}`]);
  });

  it('does nothing about a message that could not be remembered (P-4.3)', async () => {
    const { rollouts, all, apply } = made();
    const full = (): Promise<void> => Promise.reject(new Error('no space'));
    await expect(rollouts.apply('a', [rollout('one', '1', 1)], full)).rejects.toThrow('no space');
    expect(all).toEqual([]);
    await apply('a', rollout('one', '1', 1));
    expect(all.length).toBe(1);
  });

  it('begins nothing after its end, and ends all', async () => {
    const { rollouts, all, apply } = made();
    await apply('a', rollout('one', '1', 1));
    await rollouts.stop();
    await apply('a', rollout('one', '1', 1), rollout('two', '1', 2));
    expect(all.map(({ state }) => state)).toEqual([`stopped ${CLOSE.shutdown}`]);
  });

  it('ends all although one cannot be closed, and then says so', async () => {
    const { rollouts, all, apply } = made();
    await apply('a', rollout('one', '1', 1), rollout('two', '1', 2));
    const [first, second] = all;
    const fault = new Error('the disk failed');
    if (first !== undefined) first.closing = Promise.reject(fault);
    let closed = false;
    if (second !== undefined) {
      second.closing = Promise.resolve().then(() => {
        closed = true;
      });
    }
    await expect(rollouts.stop()).rejects.toBe(fault);
    expect([closed, ...all.map(({ state }) => state)]).toEqual([true, ...all.map(() => `stopped ${CLOSE.shutdown}`)]);
  });
});
