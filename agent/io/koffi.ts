import { createRequire } from 'node:module';
import { endianness } from 'node:os';

/** What is used of the package, whose own types say `any`. */
export interface Koffi {
  load(path: null): { func(definition: string): (...values: unknown[]) => number };
  errno(): number;
  /** Where the bytes of a buffer lie. They stay there; who holds the address must hold the buffer. */
  address(buffer: Uint8Array): bigint;
  readonly node?: { poll?(fd: number, onReadable: (status: number) => void): { close(): void } };
}

/** Where the layouts and the numbers of options that this program passes to libc are those of the kernel. */
const KNOWN_MACHINES: readonly string[] = ['x64', 'arm64'];

/** @returns what `use` makes of it; null where the machine is another, the optional package is absent or has no binary for it, or `use` throws. */
export function withKoffi<T>(use: (koffi: Koffi) => T | null): T | null {
  if (process.platform !== 'linux' || !KNOWN_MACHINES.includes(process.arch) || endianness() !== 'LE') return null;
  try {
    return use(createRequire(import.meta.url)('koffi') as Koffi);
  } catch {
    // An optional dependency: its absence is a state of the machine, not a fault.
    return null;
  }
}
