import type { IncomingMessage } from 'node:http';
import { ChunkmeshError, type ErrorCode } from '../../../shared/errors.js';
import { shown } from './http_error.js';
import type { HttpFlow } from './http_flow.js';
import type { HttpWanted } from './http_source.js';

/** The body of an answer, taken as fast as the flow may go, and no more of it held than one read of the socket (P-11.2). */

/** A server that sends less in SLOW_WINDOW_MS holds up what another would bring: 1 kB/s. */
export const SLOW_BYTES = 10_000;
export const SLOW_WINDOW_MS = 10_000;
/** Taken at a time under a ceiling: what comes in a quarter of a second, so that who watches sees it come. */
const SLICES_PER_SECOND = 4;
const MIN_SLICE_BYTES = 1024;

/**
 * Resolves when all that is wanted was taken and the answer is at its end.
 * @throws E_HTTP_TRUNCATED, E_HTTP_TOO_LONG, E_HTTP_SLOW; the reason of `signal`, with nothing taken after that
 */
export function takeBody(
  answer: IncomingMessage,
  wanted: HttpWanted,
  flow: HttpFlow,
  take: (bytes: Uint8Array) => void,
  signal: AbortSignal,
): Promise<void> {
  return new PacedBody(answer, wanted, flow, take).until(signal);
}

class PacedBody {
  readonly #answer: IncomingMessage;
  readonly #wanted: HttpWanted;
  readonly #flow: HttpFlow;
  readonly #take: (bytes: Uint8Array) => void;
  #received = 0;
  /** What was read and is not taken yet. */
  #pending: Buffer = Buffer.alloc(0);
  /** Nothing more comes. */
  #isAtEnd = false;
  #waiting: NodeJS.Timeout | undefined;
  /** Of the window that runs. */
  #inWindow = 0;
  #wasHeldBack = false;
  #resolve = (): void => {};
  #reject: (error: unknown) => void = () => {};

  constructor(answer: IncomingMessage, wanted: HttpWanted, flow: HttpFlow, take: (bytes: Uint8Array) => void) {
    this.#answer = answer;
    this.#wanted = wanted;
    this.#flow = flow;
    this.#take = take;
  }

  async until(signal: AbortSignal): Promise<void> {
    const answer = this.#answer;
    const watch = setInterval(() => this.#look(), SLOW_WINDOW_MS);
    const end = (): void => this.#end(signal.reason);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#resolve = resolve;
        this.#reject = reject;
        signal.addEventListener('abort', end);
        answer.on('error', (cause) => reject(this.#truncated(cause)));
        answer.once('close', () => this.#onClose());
        answer.once('end', () => this.#onEnd());
        answer.on('data', (bytes: Buffer) => this.#onData(bytes));
        if (signal.aborted) end();
      });
    } finally {
      signal.removeEventListener('abort', end);
      clearInterval(watch);
      clearTimeout(this.#waiting);
    }
  }

  /** It may come while some of what was read is not taken yet. */
  #onEnd(): void {
    this.#isAtEnd = true;
    if (this.#received < this.#wanted.length || !this.#answer.complete) this.#reject(this.#truncated());
    else if (this.#pending.length === 0) this.#resolve();
  }

  #onClose(): void {
    if (!this.#isAtEnd) this.#reject(this.#truncated());
  }

  #onData(bytes: Buffer): void {
    if (this.#answer.destroyed) return;
    if (this.#received + bytes.length > this.#wanted.length) {
      this.#fail('E_HTTP_TOO_LONG', `more than ${this.#wanted.length} bytes`);
      return;
    }
    this.#received += bytes.length;
    this.#inWindow += bytes.length;
    this.#pending = bytes;
    this.#pump();
  }

  #pump(): void {
    this.#waiting = undefined;
    while (this.#pending.length > 0) {
      const waitMs = this.#flow.waitMs;
      if (waitMs > 0) {
        this.#wasHeldBack = true;
        this.#answer.pause();
        this.#waiting = setTimeout(() => this.#pump(), waitMs);
        return;
      }
      const slice = this.#pending.subarray(0, Math.max(MIN_SLICE_BYTES, this.#flow.rate / SLICES_PER_SECOND));
      this.#pending = this.#pending.subarray(slice.length);
      this.#flow.received(slice.length);
      this.#take(slice);
    }
    if (this.#isAtEnd) this.#resolve();
    else if (this.#answer.isPaused()) this.#answer.resume();
  }

  /** Where the ceiling held it back, the server is not to blame. */
  #look(): void {
    if (!this.#wasHeldBack && this.#inWindow < SLOW_BYTES) {
      this.#fail('E_HTTP_SLOW', `${this.#inWindow} bytes in ${SLOW_WINDOW_MS / 1000} s`);
    }
    this.#inWindow = 0;
    this.#wasHeldBack = this.#waiting !== undefined;
  }

  #fail(code: ErrorCode, what: string): void {
    this.#end(new ChunkmeshError(code, `${shown(this.#wanted.url)}: ${what}`));
  }

  #end(reason: unknown): void {
    this.#pending = Buffer.alloc(0);
    this.#reject(reason);
    this.#answer.destroy();
  }

  #truncated(cause?: unknown): ChunkmeshError {
    const what = `${this.#received} of ${this.#wanted.length} bytes`;
    return new ChunkmeshError('E_HTTP_TRUNCATED', `${shown(this.#wanted.url)}: ${what}`, { cause });
  }
}
