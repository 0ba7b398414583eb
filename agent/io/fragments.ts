import { closeSync, openSync, readSync } from 'node:fs';

/**
 * Whether the kernel cut a datagram up to send it: Linux does where the interface, or the path as it knows it from ICMP, takes
 * less (P-6.7). Node gives no way to forbid that, so it is read from the kernel's counters before and after.
 */

/** Both tables together take a third of it. */
const TABLES_BYTES = 16_384;
const PATHS = ['/proc/net/snmp', '/proc/net/snmp6'] as const;

export class FragmentWatch {
  readonly #files: readonly number[];
  readonly #text = Buffer.allocUnsafe(TABLES_BYTES);

  private constructor(files: readonly number[]) {
    this.#files = files;
  }

  /** Null where the kernel has no such counters. */
  static open(): FragmentWatch | null {
    const files: number[] = [];
    try {
      for (const path of PATHS) files.push(openSync(path, 'r'));
    } catch {
      // A kernel without IPv6 has one of them, and one that is not Linux none.
    }
    if (files.length === 0) return null;
    return new FragmentWatch(files);
  }

  /** Fragments that this network namespace has made so far. Others may make some too: then a size is given up without need. */
  count(): number {
    let sum = 0;
    for (const file of this.#files) {
      const text = this.#text.toString('latin1', 0, readSync(file, this.#text, 0, TABLES_BYTES, 0));
      sum += fragmentsIn(text);
    }
    return sum;
  }

  close(): void {
    for (const file of this.#files) closeSync(file);
  }
}

/** @param text of `/proc/net/snmp`, where names and values are two lines, or of `/proc/net/snmp6`, where each value has a line. */
export function fragmentsIn(text: string): number {
  const single = /^Ip6FragCreates\s+(\d+)$/m.exec(text);
  if (single !== null) return Number(single[1]);
  const [names = '', values = ''] = text.split('\n').filter((line) => line.startsWith('Ip: '));
  const at = names.split(' ').indexOf('FragCreates');
  return at < 0 ? 0 : Number(values.split(' ')[at]);
}
