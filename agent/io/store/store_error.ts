import { ChunkmeshError, systemCode } from '../../../shared/errors.js';

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** An error of the file system in the store's words: E_DISK_FULL where room is what lacks, E_STORE_IO for all else; a fault of ours is E_INTERNAL. */
export function storeError(cause: unknown, what: string): ChunkmeshError {
  if (cause instanceof ChunkmeshError) return cause;
  const code = systemCode(cause);
  if (code !== undefined && FULL.has(code)) return new ChunkmeshError('E_DISK_FULL', `${what}: no room`, { cause });
  return new ChunkmeshError(code === undefined ? 'E_INTERNAL' : 'E_STORE_IO', `${what}: ${code ?? 'failed'}`, {
    cause,
  });
}

/** Runs `work`; what the file system throws comes out as `storeError`. */
export async function storing<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storeError(error, what);
  }
}

export function badName(what: string, value: string): ChunkmeshError {
  return new ChunkmeshError('E_ID', `${what} ${JSON.stringify(value.slice(0, 80))} breaks P-1`);
}
