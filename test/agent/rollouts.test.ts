import { describe, expect, it } from 'vitest';
import { Rollouts } from '../../agent/rollouts.js';
import { rankOf } from '../../agent/swarm/precedence.js';
import type { NamedRollouts } from '../../agent/transfer/hand_overs.js';
import type { Transfer } from '../../agent/transfer/transfer.js';
import type { Rollout } from '../../shared/control/messages.js';
import { ChunkmeshError } from '../../shared/errors.js';
import { CLOSE } from '../../shared/wire/frames/close.js';

/** A transfer that only notes what becomes of it. */
class Noted {
  state = 'made';
  failed = false;
  /** What its store says as it is closed. */
  closing: Promise<void> = Promise.resolve();

  constructor(
    readonly artifact: string,
    public named: NamedRollouts,
  ) {}
  get rollout(): Rollout {
    return this.named[0].rollout;
  }
  /** What came for it, in all. */
  received = 0;
  ticks = 0;
  get contender() {
    const rank = Math.max(...this.named.map(({ rollout: of }) => rankOf(of)));
    return { rank, wants: this.received > 0, received: this.received, outstanding: 0 };
  }
  tick(): void {
    this.ticks++;
  }
  get names(): string[] {
    return this.named.map(({ rollout: { name, version }, groups }) => `${name} ${version} ${groups.join('+')}`);
  }
  follow(named: NamedRollouts): void {
    this.named = named;
  }
  async start(): Promise<void> {
    this.state = 'started';
  }
  stop(reason: number): Promise<void> {
    this.state = `stopped ${reason}`;
    return this.closing;
  }
}

function rollout(name: string, version: string, byte: number, over: Partial<Rollout> = {}): Rollout {
  return { name, version, artifact: new Uint8Array(32).fill(byte), size: 1, chunks: 1, shards: 1, ...over };
}

const FULL = new ChunkmeshError('E_STORE_IO', 'the disk failed');

function made() {
  const all: Noted[] = [];
  const began: string[] = [];
  const moved: Noted[] = [];
  const failures: unknown[] = [];
  const rollouts = new Rollouts({
    make: (artifact, named) => {
      const noted = new Noted(artifact, named);
      all.push(noted);
      return noted as unknown as Transfer;
    },
    began: ({ name, version }) => began.push(`${name} ${version}`),
    moved: (transfer) => moved.push(transfer as unknown as Noted),
    failed: (error) => failures.push(error),
  });
  const apply = (group: string, ...list: Rollout[]): Promise<void> => rollouts.apply(group, list, async () => {});
  return { rollouts, all, began, moved, failures, apply };
}

describe('Rollouts', () => {
  it('keeps what stays, ends what is gone, and begins what is new', async () => {
    const { all, began, apply } = made();
    await apply('a', rollout('one', '1', 1), rollout('two', '1', 2));
    await apply('a', rollout('one', '1', 1), rollout('three', '1', 3));
    expect(all.map(({ names, state }) => `${names} ${state}`)).toEqual([
      'one 1 a started',
      `two 1 a stopped ${CLOSE.superseded}`,
      'three 1 a started',
    ]);
    expect(began).toEqual(['one 1', 'two 1', 'three 1']);
  });

  it('has one transfer for an artifact under whatever names and versions, which goes on as they change', async () => {
    const { all, began, moved, apply } = made();
    await apply('a', rollout('one', '1', 1), rollout('two', '1', 1));
    expect(all.map(({ names }) => names)).toEqual([['one 1 a', 'two 1 a']]);
    await apply('a', rollout('one', '2', 1), rollout('two', '1', 1));
    await apply('a', rollout('two', '1', 1));
    expect(all.map(({ names, state }) => [names, state])).toEqual([[['two 1 a'], 'started']]);
    expect(began).toEqual(['one 1', 'two 1', 'one 2']);
    expect(moved).toEqual([]);
  });

  it('P-5.4: an artifact of two groups is one transfer for both, and ends with the last', async () => {
    const { all, began, apply } = made();
    await apply('a', rollout('one', '1', 1));
    await apply('b', rollout('one', '1-b', 1));
    await apply('b', rollout('one', '1', 1), rollout('one', '1-b', 1), rollout('two', '1', 2));
    expect(all.map(({ names }) => names)).toEqual([['one 1 a+b', 'one 1-b b'], ['two 1 b']]);
    await apply('a');
    expect(all[0]?.names).toEqual(['one 1 b', 'one 1-b b']);
    expect(all[0]?.state).toBe('started');
    await apply('b');
    expect(all.map(({ state }) => state)).toEqual([`stopped ${CLOSE.superseded}`, `stopped ${CLOSE.superseded}`]);
    expect(began).toEqual(['one 1', 'one 1-b', 'two 1']);
  });

  it('P-10.1: announces an artifact anew where its shards change, and no more where it ends', async () => {
    const { all, moved, apply } = made();
    await apply('a', rollout('one', '1', 1));
    await apply('a', rollout('one', '2', 1, { shards: 8 }));
    expect(moved).toEqual([all[0]]);
    await apply('a');
    expect(moved).toEqual([all[0], all[0]]);
  });

  it('of two rollouts that say different things of one artifact takes the first, and says so', async () => {
    const { all, failures, apply } = made();
    await apply('a', rollout('one', '1', 1));
    await apply('b', rollout('two', '1', 1, { size: 2 }), rollout('three', '1', 3));
    expect(all.map(({ names }) => names)).toEqual([['one 1 a'], ['three 1 b']]);
    expect(failures).toMatchObject([{ code: 'E_INDEX_INVALID', message: expect.stringContaining('two 1 (2 bytes)') }]);
    // The one that was wrong is put right, and the transfer begins anew.
    await apply('a', rollout('one', '1', 1, { size: 2 }));
    expect(all.map(({ names, state }) => `${names} ${state}`)).toEqual([
      `one 1 a stopped ${CLOSE.superseded}`,
      'three 1 b started',
      'one 1 a,two 1 b started',
    ]);
  });

  it('begins a transfer that failed anew where its artifact is named anew, and leaves it where it is not', async () => {
    const { all, apply } = made();
    await apply('a', rollout('one', '1', 1));
    for (const noted of all) noted.failed = true;
    await apply('a', rollout('one', '1', 1), rollout('two', '1', 2));
    expect(all.length).toBe(2);
    await apply('a', rollout('one', '2', 1), rollout('two', '1', 2));
    expect(all.map(({ names, state }) => `${names} ${state}`)).toEqual([
      `one 1 a stopped ${CLOSE.superseded}`,
      'two 1 a started',
      'one 2 a started',
    ]);
  });

  it('does nothing about a message that could not be remembered (P-4.3)', async () => {
    const { rollouts, all, apply } = made();
    const full = (): Promise<void> => Promise.reject(new Error('no space'));
    await expect(rollouts.apply('a', [rollout('one', '1', 1)], full)).rejects.toThrow('no space');
    expect(all).toEqual([]);
    await apply('a', rollout('one', '1', 1));
    expect(all.length).toBe(1);
  });

  it('begins what is new although what ends cannot be closed for a fault of the disk', async () => {
    const { all, failures, apply } = made();
    await apply('a', rollout('one', '1', 1));
    for (const noted of all) noted.closing = Promise.reject(FULL);
    await apply('a', rollout('one', '2', 2));
    expect(all.map(({ names, state }) => `${names} ${state}`)).toEqual([
      `one 1 a stopped ${CLOSE.superseded}`,
      'one 2 a started',
    ]);
    expect(failures).toEqual([FULL]);
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
    if (first !== undefined) first.closing = Promise.reject(FULL);
    let closed = false;
    if (second !== undefined) {
      second.closing = Promise.resolve().then(() => {
        closed = true;
      });
    }
    await expect(rollouts.stop()).rejects.toBe(FULL);
    expect([closed, ...all.map(({ state }) => state)]).toEqual([true, ...all.map(() => `stopped ${CLOSE.shutdown}`)]);
  });
});

describe('P-10.12: rollouts of several priorities', () => {
  const high = rollout('two', '1', 2, { priority: 9 });
  const urgent = rollout('three', '1', 3, { urgent: true, priority: 0 });

  it('come in their order, whatever that of the trust message; those alike in that of their coming', async () => {
    const { rollouts, apply } = made();
    await apply('a', rollout('one', '1', 1), high, urgent, rollout('four', '1', 4, { priority: 5 }));
    const names = (): string[] => rollouts.all().map(({ rollout: { name } }) => name);
    expect(names()).toEqual(['three', 'two', 'one', 'four']);
    // Another name of the same artifact lifts it.
    await apply('b', rollout('five', '1', 4, { urgent: true }));
    expect(names()).toEqual(['four', 'three', 'two', 'one']);
  });

  it('share the link by it, and whoever may ask for more or for less is told', async () => {
    const { rollouts, all, apply } = made();
    await apply('a', rollout('one', '1', 1), high);
    const [first, low] = all;
    if (low === undefined || first === undefined) throw new Error('not both were made');
    const second = (at: number): void => {
      if (first.received > 0) first.received += 1e6;
      rollouts.share(at * 1000);
    };
    first.received = 1;
    for (let at = 0; at < 3; at++) second(at);
    expect(all.map(({ artifact }) => rollouts.allowance(artifact))).toEqual([Number.POSITIVE_INFINITY, 0]);
    expect([low.ticks, first.ticks]).toEqual([1, 0]);
    first.received = 0;
    second(3);
    expect(rollouts.allowance(low.artifact)).toBe(Number.POSITIVE_INFINITY);
    expect([low.ticks, first.ticks]).toEqual([2, 0]);
  });

  it('are begun in that order: the first is opened first, and has the room of the store', async () => {
    const { rollouts, all, apply } = made();
    await apply(
      'a',
      rollout('one', '1', 1, { priority: 0 }),
      rollout('four', '1', 4),
      high,
      urgent,
      rollout('five', '1', 5),
    );
    expect(all.map(({ rollout: { name } }) => name)).toEqual(['three', 'two', 'four', 'five', 'one']);
    expect(rollouts.all().map(({ artifact }) => artifact)).toEqual(all.map(({ artifact }) => artifact));
  });
});
