import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Syncer } from '../../../../agent/io/store/syncer.js';
import { coded } from '../../../support/store_fixture.js';

const MIB = 2 ** 20;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function failing(code: string): () => Promise<void> {
  return () => Promise.reject(Object.assign(new Error(code), { code }));
}

describe('the syncer', () => {
  it('syncs a second after the first write, once for all that came by then', async () => {
    const sync = vi.fn(async () => undefined);
    const syncer = new Syncer('file', sync);
    syncer.wrote(1);
    await vi.advanceTimersByTimeAsync(999);
    syncer.wrote(1);
    expect(sync).toHaveBeenCalledTimes(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(sync).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sync).toHaveBeenCalledTimes(1);
  });

  it('syncs at once at 64 MiB', async () => {
    const sync = vi.fn(async () => undefined);
    const syncer = new Syncer('file', sync);
    syncer.wrote(64 * MIB - 1);
    await vi.advanceTimersByTimeAsync(0);
    expect(sync).toHaveBeenCalledTimes(0);
    syncer.wrote(1);
    await vi.advanceTimersByTimeAsync(0);
    expect(sync).toHaveBeenCalledTimes(1);
  });

  it('tells of a full disk once, and of a failing one ever after', async () => {
    const full = new Syncer('file', failing('ENOSPC'));
    await expect(full.flush()).rejects.toThrow(coded('E_DISK_FULL'));
    full.check();
    const broken = new Syncer('file', failing('EIO'));
    broken.wrote(1);
    await vi.advanceTimersByTimeAsync(1000);
    expect(() => broken.check()).toThrow(coded('E_STORE_IO') as Error);
    expect(() => broken.check()).toThrow(coded('E_STORE_IO') as Error);
  });
});
