import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { openRegularFile } from '../../shared/artifact_file.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { BLOCK_BYTES, BlockTable, RollingHash } from './block_table.js';

/**
 * Finds how many bytes of an artifact a message carries, wherever in the message and from wherever in the artifact.
 *
 * The artifact's blocks of 32 bytes at every `stride` bytes are indexed by hash. A 32-byte window slides over the message; where its
 * hash is known, the bytes are compared with the artifact's and the run is followed both ways to its ends.
 *
 * What it sees: every run of at least `stride + 31` bytes, which is 63 for an artifact of up to 128 MiB; a shorter one, of 32 bytes
 * or more, where it holds an indexed block. What it does not see: a run without any indexed block that has 8 distinct byte values
 * (zeros and fills are everyone's), and bytes that were changed, compressed or encrypted on the way. A run that stands in the
 * artifact more than once is followed from its first place. Bytes beside a run that happen to continue it count as part of it.
 */

/** 42 bytes of table each: at most 54 MB. Beyond 128 MiB of artifact the stride grows instead. */
const MAX_BLOCKS = 2 ** 22;
/** Fewer distinct values than this are padding, fills and short patterns, which honest messages have too. */
const MIN_DISTINCT_BYTES = 8;
const READ_BYTES = 2 ** 20;
const COMPARE_BYTES = 4096;

/** An artifact's bytes by position. */
interface Source {
  readonly length: number;
  /** Fills `into` from `position`; at the end of the source it may fill less. @returns bytes read */
  read(into: Uint8Array, position: number): number;
  close(): void;
}

export class PayloadScanner {
  readonly #source: Source;
  readonly #stride: number;
  readonly #table: BlockTable;
  readonly #hash: RollingHash;
  readonly #scratch = new Uint8Array(COMPARE_BYTES);

  private constructor(source: Source) {
    this.#source = source;
    this.#stride = strideOf(source.length);
    this.#table = new BlockTable(Math.ceil(source.length / this.#stride));
    const seeds = randomBytes(8);
    this.#hash = new RollingHash(seeds.readInt32LE(0), seeds.readInt32LE(4));
  }

  /**
   * Indexes a file, half a second for 100 MB, and keeps it open to compare with.
   * @throws E_FILE_UNREADABLE, E_FILE_EMPTY
   */
  static async ofFile(path: string): Promise<PayloadScanner> {
    const source = await openSource(path);
    try {
      const scanner = new PayloadScanner(source);
      const buffer = new Uint8Array(READ_BYTES);
      for (let position = 0; position < source.length; position += READ_BYTES) {
        scanner.#index(buffer.subarray(0, source.read(buffer, position)), position);
        // A large file takes seconds; whoever else lives in this process goes on.
        await new Promise(setImmediate);
      }
      return scanner;
    } catch (cause) {
      source.close();
      throw unreadable(path, cause);
    }
  }

  static ofBytes(bytes: Uint8Array): PayloadScanner {
    const scanner = new PayloadScanner(inMemory(bytes));
    scanner.#index(bytes, 0);
    return scanner;
  }

  /** Every run of the artifact of at least this many bytes is seen, where its bytes are distinct enough. */
  get surelySeenBytes(): number {
    return this.#stride + BLOCK_BYTES - 1;
  }

  /**
   * @returns how many bytes of `message` are runs of the artifact
   * @throws E_FILE_UNREADABLE where the file cannot be compared with any more
   */
  scan(message: Uint8Array): number {
    const last = message.length - BLOCK_BYTES;
    let found = 0;
    let counted = 0;
    let at = 0;
    if (last >= 0) this.#hash.reset(message, 0);
    while (at <= last) {
      const block = this.#table.find(this.#hash);
      const run = block < 0 ? null : this.#follow(message, at, block * this.#stride, counted);
      if (run === null) {
        this.#hash.roll(message[at] ?? 0, message[at + BLOCK_BYTES] ?? 0);
        at++;
      } else {
        found += run.end - run.start;
        counted = run.end;
        at = run.end;
        if (at <= last) this.#hash.reset(message, at);
      }
    }
    return found;
  }

  close(): void {
    this.#source.close();
  }

  /** `bytes` begin at `position` of the artifact, a multiple of the stride. */
  #index(bytes: Uint8Array, position: number): void {
    const distinct = new DistinctBytes();
    for (let at = 0; at + BLOCK_BYTES <= bytes.length; at += this.#stride) {
      if (!distinct.atLeast(MIN_DISTINCT_BYTES, bytes, at)) continue;
      this.#hash.reset(bytes, at);
      this.#table.add(this.#hash, (position + at) / this.#stride);
    }
  }

  /** The run around the block, not reaching back past `from`; null where the hashes agree and the bytes do not. */
  #follow(message: Uint8Array, at: number, position: number, from: number): { start: number; end: number } | null {
    const forward = this.#agreeForward(message, at, position);
    if (forward < BLOCK_BYTES) return null;
    return { start: at - this.#agreeBackward(message, at, position, from), end: at + forward };
  }

  #agreeForward(message: Uint8Array, at: number, position: number): number {
    let agreed = 0;
    for (;;) {
      const wanted = Math.min(COMPARE_BYTES, message.length - at - agreed, this.#source.length - position - agreed);
      const got = wanted <= 0 ? 0 : this.#source.read(this.#scratch.subarray(0, wanted), position + agreed);
      for (let i = 0; i < got; i++) {
        if (this.#scratch[i] !== message[at + agreed + i]) return agreed + i;
      }
      agreed += got;
      if (got === 0) return agreed;
    }
  }

  #agreeBackward(message: Uint8Array, at: number, position: number, from: number): number {
    let agreed = 0;
    for (;;) {
      const wanted = Math.min(COMPARE_BYTES, at - from - agreed, position - agreed);
      if (wanted <= 0) return agreed;
      const got = this.#source.read(this.#scratch.subarray(0, wanted), position - agreed - wanted);
      if (got < wanted) return agreed;
      for (let i = 1; i <= wanted; i++) {
        if (this.#scratch[wanted - i] !== message[at - agreed - i]) return agreed + i - 1;
      }
      agreed += wanted;
    }
  }
}

/** The least power of two, from one block up, that keeps the table within its bound. */
function strideOf(length: number): number {
  let stride = BLOCK_BYTES;
  while (length / stride > MAX_BLOCKS) stride *= 2;
  return stride;
}

class DistinctBytes {
  /** When each byte value was last seen. */
  readonly #seen = new Uint32Array(256);
  #round = 0;

  /** Whether the block at `at` has `count` distinct byte values. */
  atLeast(count: number, bytes: Uint8Array, at: number): boolean {
    this.#round++;
    let distinct = 0;
    for (let i = at; i < at + BLOCK_BYTES; i++) {
      const byte = bytes[i] ?? 0;
      if (this.#seen[byte] === this.#round) continue;
      this.#seen[byte] = this.#round;
      if (++distinct === count) return true;
    }
    return false;
  }
}

function inMemory(bytes: Uint8Array): Source {
  return {
    length: bytes.length,
    read(into, position) {
      const part = bytes.subarray(position, position + into.length);
      into.set(part);
      return part.length;
    },
    close: () => {},
  };
}

async function openSource(path: string): Promise<Source> {
  let length: number;
  let descriptor: number;
  try {
    const file = await openRegularFile(path);
    try {
      length = (await file.stat()).size;
    } finally {
      await file.close();
    }
    descriptor = openSync(path, 'r');
  } catch (cause) {
    throw unreadable(path, cause);
  }
  if (length === 0) {
    closeSync(descriptor);
    throw new ChunkmeshError('E_FILE_EMPTY', path);
  }
  return {
    length,
    read(into, position) {
      try {
        return readSync(descriptor, into, 0, into.length, position);
      } catch (cause) {
        throw unreadable(path, cause);
      }
    },
    close: () => closeSync(descriptor),
  };
}

function unreadable(path: string, cause: unknown): ChunkmeshError {
  if (cause instanceof ChunkmeshError) return cause;
  return new ChunkmeshError('E_FILE_UNREADABLE', `${path}: ${systemCode(cause) ?? 'cannot be read'}`, { cause });
}
