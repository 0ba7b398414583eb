import type { Bitfield } from '../../shared/artifact/bitfield.js';
import type { SwarmOptions } from './swarm_types.js';

/**
 * Which chunks may be asked for: what is missing here, asked of nobody, and not come already, since who delivered it may be gone while it is
 * verified. Of chunks of the same bytes one at a time. Pure.
 */
export class FreeChunks {
  readonly #held: Bitfield;
  readonly #verifying: ReadonlySet<number>;
  readonly #twins: (chunk: number) => readonly number[];
  readonly #bits: Uint8Array;
  /** As bits: what may be asked of the peer at hand. */
  readonly #wanted: Uint8Array;

  constructor({ held, verifying, twins = () => [] }: Pick<SwarmOptions, 'held' | 'verifying' | 'twins'>) {
    this.#held = held;
    this.#verifying = verifying;
    this.#twins = twins;
    this.#bits = new Uint8Array(held.bytes.length);
    this.#wanted = new Uint8Array(held.bytes.length);
  }

  /** As bits, as of the last look, without those taken since. To be read only. */
  get bits(): Uint8Array {
    return this.#bits;
  }

  /** Call before a row of questions. @param asked chunks that peers owe */
  look(asked: Iterable<number>): void {
    const [bits, held] = [this.#bits, this.#held.bytes];
    for (let i = 0; i < bits.length; i++) bits[i] = ~(held[i] ?? 0);
    for (let chunk = this.#held.length; chunk < bits.length * 8; chunk++) this.#clear(chunk);
    for (const chunk of asked) this.take(chunk);
    // Those of the same bytes are among them: to look for these each time would take the square of their number.
    for (const chunk of this.#verifying) this.#clear(chunk);
  }

  /** It is asked of somebody from now on. */
  take(chunk: number): void {
    this.#clear(chunk);
    for (const twin of this.#twins(chunk)) this.#clear(twin);
  }

  /** @param bits chunks that are rather asked of others */
  leaveOut(bits: Uint8Array): void {
    for (let i = 0; i < bits.length; i++) this.#bits[i] = (this.#bits[i] ?? 0) & ~(bits[i] ?? 0);
  }

  /** False too for an index outside the artifact. */
  has(chunk: number): boolean {
    return chunk < this.#held.length && ((this.#bits[chunk >>> 3] ?? 0) & (0x80 >>> (chunk & 7))) !== 0;
  }

  get hasAny(): boolean {
    for (const byte of this.#bits) if (byte !== 0) return true;
    return false;
  }

  /** @param have as bits, what a peer holds; @returns whether one of them is free */
  hasAnyOf(have: Uint8Array): boolean {
    for (let i = 0; i < have.length; i++) if (((have[i] ?? 0) & (this.#bits[i] ?? 0)) !== 0) return true;
    return false;
  }

  /**
   * @param have as bits, what a peer holds; @param barred not to be asked of it, null for nothing; @param due all that may be, null for everything
   * @returns what of it may be asked, as bits, until this is called again; null for nothing
   */
  wanted(have: Uint8Array, barred: Uint8Array | null, due: Uint8Array | null): Uint8Array | null {
    const [free, wanted] = [this.#bits, this.#wanted];
    let any = 0;
    for (let i = 0; i < wanted.length; i++) {
      const bits = (have[i] ?? 0) & (free[i] ?? 0) & ~(barred?.[i] ?? 0) & (due?.[i] ?? 0xff);
      wanted[i] = bits;
      any |= bits;
    }
    return any === 0 ? null : wanted;
  }

  #clear(chunk: number): void {
    this.#bits[chunk >>> 3] = (this.#bits[chunk >>> 3] ?? 0) & ~(0x80 >>> (chunk & 7));
  }
}
