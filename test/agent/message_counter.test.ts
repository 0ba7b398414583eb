import { describe, expect, it } from 'vitest';
import { type EpochKeeper, openCounter } from '../../agent/message_counter.js';
import { EPOCH_MESSAGES } from '../../shared/control/counter.js';
import { ChunkmeshError, type ErrorCode } from '../../shared/errors.js';

const SECONDS = 1_900_000_000;
const noClock = { now: () => 0, believed: false };

/** A store in memory, that may fail. */
function keeper(): { store: EpochKeeper; documents: Map<string, unknown>; fail: { read: boolean; write: boolean } } {
  const documents = new Map<string, unknown>();
  const fail = { read: false, write: false };
  const store: EpochKeeper = {
    async readState(name, schema) {
      if (fail.read) throw new ChunkmeshError('E_STORE_CORRUPT', 'spoilt');
      const parsed = schema.safeParse(documents.get(name));
      return parsed.success ? parsed.data : undefined;
    },
    async writeState(name, value) {
      if (fail.write) throw new ChunkmeshError('E_DISK_FULL', 'full');
      documents.set(name, value);
    },
  };
  return { store, documents, fail };
}

describe('P-3.8 the epoch in the store', () => {
  it('is there before the first number, and higher at each start, without any clock', async () => {
    const { store, documents } = keeper();
    const firsts: number[] = [];
    for (let start = 0; start < 3; start++) {
      const counter = await openCounter(store, noClock, () => {});
      expect(documents.get('epoch')).toEqual({ epoch: start + 1 });
      firsts.push(counter.next());
    }
    expect(firsts).toEqual([1, 2, 3].map((epoch) => epoch * EPOCH_MESSAGES));
  });

  it('begins at the time where a clock is believed, and never with one that is not', async () => {
    const at = async (believed: boolean): Promise<number> =>
      (await openCounter(keeper().store, { now: () => SECONDS, believed }, () => {})).next() / EPOCH_MESSAGES;
    expect([await at(true), await at(false)]).toEqual([SECONDS, 1]);
  });

  it('stops no agent where it cannot be read or written, and is told', async () => {
    const { store, fail } = keeper();
    for (const kind of ['read', 'write'] as const) {
      fail[kind] = true;
      const told: ErrorCode[] = [];
      const counter = await openCounter(store, { now: () => SECONDS, believed: true }, ({ code }) => told.push(code));
      expect(counter.next()).toBeGreaterThanOrEqual(SECONDS * EPOCH_MESSAGES);
      expect(told).toEqual(kind === 'read' ? ['E_STORE_CORRUPT'] : ['E_STORE_CORRUPT', 'E_DISK_FULL']);
    }
  });

  it('is remembered anew half an epoch before the next one begins', async () => {
    const { store, documents } = keeper();
    const counter = await openCounter(store, noClock, () => {});
    for (let i = 0; i <= EPOCH_MESSAGES / 2; i++) counter.next();
    expect(documents.get('epoch')).toEqual({ epoch: 2 });
    expect((await openCounter(store, noClock, () => {})).next()).toBe(3 * EPOCH_MESSAGES);
  });
});
