import type { RolloutProgress } from '../../shared/control/messages.js';
import type { ChunkmeshError } from '../../shared/errors.js';
import type { TransferHost } from './host.js';

/** In which state an artifact is on a device, and why (P-4.7). */

export type State = RolloutProgress['state'];

export class Condition {
  readonly #host: Pick<TransferHost, 'changed' | 'warning'>;
  #state: State = 'waiting';
  #error = '';

  constructor(host: Pick<TransferHost, 'changed' | 'warning'>) {
    this.#host = host;
  }

  get state(): State {
    return this.#state;
  }

  /** A code, or empty. */
  get error(): string {
    return this.#error;
  }

  /** Whether what is missing is waited for. */
  get waitsForPeers(): boolean {
    return waitsForPeers({ state: this.#state });
  }

  /** Whatever kept it from that is over; should it come again, it is told again. */
  set(state: State): void {
    this.#change(state, '');
  }

  /** What may work later, told once. */
  block(error: ChunkmeshError): void {
    if (this.#error !== error.code) this.#host.warning(error);
    this.#change('blocked', error.code);
  }

  /** It worked. */
  unblock(): void {
    if (this.#state === 'blocked') this.set('fetching');
  }

  /** What no retry will help. */
  fail(error: ChunkmeshError): void {
    this.#host.warning(error);
    this.#change('failed', error.code);
  }

  #change(state: State, error: string): void {
    this.#state = state;
    this.#error = error;
    this.#host.changed();
  }
}

export const waitsForPeers = ({ state }: { readonly state: State }): boolean =>
  state === 'indexing' || state === 'fetching';
