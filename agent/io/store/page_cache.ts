import { withKoffi } from '../koffi.js';

/** posix_fadvise(2) */
const POSIX_FADV_DONTNEED = 4;
/** Only whole pages are forgotten; none that this runs on has larger ones. */
const PAGE_BYTES = 65_536;

/** What the kernel has in memory of a part of a file, and was written to the disk already, it forgets. */
export type ForgetCached = (fd: number, position: number, length: number) => void;

/** Where libc or the optional package has no such call. */
const nothing: ForgetCached = () => {};

function load(): ForgetCached | null {
  return withKoffi((koffi) => {
    const advise = koffi.load(null).func('int posix_fadvise(int fd, long offset, long length, int advice)');
    return (fd, position, length) => {
      const from = Math.floor(position / PAGE_BYTES) * PAGE_BYTES;
      const to = Math.ceil((position + length) / PAGE_BYTES) * PAGE_BYTES;
      advise(fd, from, to - from, POSIX_FADV_DONTNEED);
    };
  });
}

let loaded: ForgetCached | undefined;

/**
 * So that what is read next is what the disk has, and not what was written there once; and so that a look at everything leaves the
 * memory to what is in use. A tmpfs, whose files are nowhere else, forgets nothing.
 */
export const forgetCached: ForgetCached = (fd, position, length) => {
  loaded ??= load() ?? nothing;
  try {
    loaded(fd, position, length);
  } catch {
    loaded = nothing;
  }
};
