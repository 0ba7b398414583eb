import type { HttpRules } from '../../agent/http_rules.js';
import type { HttpSource, HttpWanted } from '../../agent/io/http/http_source.js';

/** HTTP servers of which every byte is the test's: what was asked of them waits until the test answers. */

export const NO_HTTP: HttpRules = { use: 'never', afterMs: 0, maxBytes: Number.POSITIVE_INFINITY };
export const ALWAYS: HttpRules = { ...NO_HTTP, use: 'always' };
export const NO_PEER: HttpRules = { ...NO_HTTP, use: 'no-peer' };

export class Asked {
  readonly wanted: HttpWanted;
  readonly signal: AbortSignal;
  readonly done: Promise<void>;
  #sent = 0;
  #resolve = (): void => {};
  #reject: (error: unknown) => void = () => {};
  readonly #take: (bytes: Uint8Array) => void;

  constructor(wanted: HttpWanted, take: (bytes: Uint8Array) => void, signal: AbortSignal) {
    this.wanted = wanted;
    this.signal = signal;
    this.#take = take;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    signal.addEventListener('abort', () => this.#reject(signal.reason));
  }

  /** So many of the bytes of `file` that it was asked for, or all that are left. */
  send(file: Uint8Array, most = Number.POSITIVE_INFINITY): void {
    const { first, length } = this.wanted;
    const bytes = Math.min(most, length - this.#sent);
    this.#take(file.subarray(first + this.#sent, first + this.#sent + bytes));
    this.#sent += bytes;
    if (this.#sent === length) this.#resolve();
  }

  fail(error: Error): void {
    this.#reject(error);
  }
}

export class FakeHttp implements HttpSource {
  readonly asked: Asked[] = [];

  get(wanted: HttpWanted, take: (bytes: Uint8Array) => void, signal: AbortSignal): Promise<void> {
    const asked = new Asked(wanted, take, signal);
    this.asked.push(asked);
    return asked.done;
  }

  /** What it was asked for last. @throws where nothing was */
  get last(): Asked {
    const last = this.asked.at(-1);
    if (last === undefined) throw new Error('nothing was asked for');
    return last;
  }
}
