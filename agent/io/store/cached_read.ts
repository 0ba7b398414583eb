import { withKoffi } from '../koffi.js';

/**
 * Reads what the kernel has in memory of a file, at once and without another thread: a switch to one and back costs more than copying a
 * chunk does. What would have to wait for the disk is left.
 *
 *     iovec    base *8 | len 8
 */

const IOVEC_BYTES = 16;
/** preadv2(2): fails rather than waits. */
const RWF_NOWAIT = 8;

/** @returns bytes read to the front of `into`: fewer where the rest is on the disk only, the file ends, or its file system cannot tell. */
export type CachedRead = (fd: number, into: Uint8Array, position: number) => number;

/** Where libc or the optional package has no such call. */
const nothing: CachedRead = () => 0;

function load(): CachedRead | null {
  return withKoffi((koffi) => {
    const preadv2 = koffi.load(null).func('long preadv2(int fd, void *iov, int count, long offset, int flags)');
    const iovec = Buffer.alloc(IOVEC_BYTES);
    return (fd, into, position) => {
      if (into.length === 0 || fd < 0) return 0;
      iovec.writeBigUInt64LE(koffi.address(into), 0);
      iovec.writeBigUInt64LE(BigInt(into.length), 8);
      return Math.max(0, preadv2(fd, iovec, 1, position, RWF_NOWAIT));
    };
  });
}

let loaded: CachedRead | undefined;

export const readCached: CachedRead = (fd, into, position) => {
  loaded ??= load() ?? nothing;
  try {
    return loaded(fd, into, position);
  } catch {
    // The package does not do here what it does elsewhere.
    loaded = nothing;
    return 0;
  }
};
