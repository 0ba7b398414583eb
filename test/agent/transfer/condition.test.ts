import { describe, expect, it } from 'vitest';
import { Condition } from '../../../agent/transfer/condition.js';
import { ChunkmeshError } from '../../../shared/errors.js';

function made() {
  const told: string[] = [];
  const host = { warning: ({ code }: ChunkmeshError) => told.push(code), changed: () => told.push('changed') };
  return { told, condition: new Condition(host) };
}

describe('Condition', () => {
  it('waits at first, and for peers while it is indexing or fetching', () => {
    const { condition } = made();
    expect([condition.state, condition.error, condition.waitsForPeers]).toEqual(['waiting', '', false]);
    for (const [state, waits] of [
      ['indexing', true],
      ['fetching', true],
      ['complete', false],
    ] as const) {
      condition.set(state);
      expect([condition.state, condition.waitsForPeers]).toEqual([state, waits]);
    }
  });

  it('tells what blocks it once, until it worked', () => {
    const { condition, told } = made();
    const full = new ChunkmeshError('E_DISK_FULL', 'disk');
    condition.block(full);
    condition.block(full);
    condition.block(new ChunkmeshError('E_STORE_IO', 'disk'));
    expect([condition.state, condition.error]).toEqual(['blocked', 'E_STORE_IO']);
    condition.unblock();
    expect([condition.state, condition.error]).toEqual(['fetching', '']);
    condition.set('complete');
    condition.unblock();
    expect(condition.state).toBe('complete');
    condition.block(full);
    expect(told.filter((one) => one !== 'changed')).toEqual(['E_DISK_FULL', 'E_STORE_IO', 'E_DISK_FULL']);
  });

  it('that failed says why', () => {
    const { condition, told } = made();
    condition.fail(new ChunkmeshError('E_INDEX_INVALID', 'index'));
    expect([condition.state, condition.error, told]).toEqual([
      'failed',
      'E_INDEX_INVALID',
      ['E_INDEX_INVALID', 'changed'],
    ]);
  });
});
