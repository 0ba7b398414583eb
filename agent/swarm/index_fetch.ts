import { STALL_BYTES, STALL_MS } from './limits.js';

/** Fetching the index, from one peer at a time (P-9.7, P-10.4), before any chunk can be asked. Pure. */
export class IndexFetch {
  #peer: string | null = null;
  #since = 0;
  #progress = 0;
  /** Peers that rejected or stalled, until every peer has; then all may be asked again. */
  readonly #passed = new Set<string>();

  get peer(): string | null {
    return this.#peer;
  }

  /** @returns the peer to ask now, or null: one is being asked, or there is none. */
  next(peers: Iterable<string>, now: number): string | null {
    if (this.#peer !== null) return null;
    const all = [...peers];
    let found = all.find((id) => !this.#passed.has(id));
    if (found === undefined && all.length > 0 && now >= this.#since + STALL_MS) {
      this.#passed.clear();
      found = all[0];
    }
    if (found === undefined) return null;
    this.#peer = found;
    this.#since = now;
    this.#progress = 0;
    return found;
  }

  onBytes(peer: string, bytes: number, now: number): void {
    if (peer !== this.#peer) return;
    this.#progress += bytes;
    if (this.#progress < STALL_BYTES) return;
    this.#progress = 0;
    this.#since = now;
  }

  /** The peer being asked rejected, left or lied. */
  failed(peer: string): void {
    if (peer !== this.#peer) return;
    this.#passed.add(peer);
    this.#peer = null;
  }

  /** @returns the peer that sent nothing for too long and is passed over now, or null. */
  stalled(now: number): string | null {
    const peer = this.#peer;
    if (peer === null || now < this.#since + STALL_MS) return null;
    this.failed(peer);
    return peer;
  }

  get deadline(): number {
    return this.#since + STALL_MS;
  }
}
