import { MAX_SESSION_REQUESTS } from '../../shared/limits.js';
import { Coverage } from './coverage.js';

/** Gaps that a session remembers in what it was sent: one at every other packet in flight makes fewer. */
export const MAX_ISLANDS = 4096;

/** Bytes asked of the peer and not all here yet. */
export class OwnRequest {
  readonly chunk: number;
  readonly offset: number;
  readonly length: number;
  readonly coverage = new Coverage();
  /** Cancelled, rejected or answered in full. */
  over = false;

  constructor(chunk: number, offset: number, length: number) {
    this.chunk = chunk;
    this.offset = offset;
    this.length = length;
  }
}

/** What is asked of the peer. Holds what comes back against it, so that bytes not asked for go no further (P-7.5). */
export class OwnRequests {
  readonly #byChunk = new Map<number, OwnRequest[]>();
  #count = 0;
  #islands = 0;

  get count(): number {
    return this.#count;
  }

  /** Over what an honest peer can cause. */
  get isOverrun(): boolean {
    return this.#islands > MAX_ISLANDS;
  }

  has(chunk: number): boolean {
    return this.#byChunk.has(chunk);
  }

  /** Null where there are as many as the peer takes (P-7.4). */
  add(chunk: number, offset: number, length: number): OwnRequest | null {
    if (this.#count >= MAX_SESSION_REQUESTS) return null;
    const request = new OwnRequest(chunk, offset, length);
    const others = this.#byChunk.get(chunk);
    if (others === undefined) this.#byChunk.set(chunk, [request]);
    else others.push(request);
    this.#count++;
    return request;
  }

  of(chunk: number): readonly OwnRequest[] {
    return this.#byChunk.get(chunk) ?? [];
  }

  /** Ends all requests for a chunk. False where there was none. */
  end(chunk: number): boolean {
    const requests = this.#byChunk.get(chunk);
    if (requests === undefined) return false;
    for (const request of requests) {
      request.over = true;
      this.#islands -= request.coverage.islandCount;
    }
    this.#count -= requests.length;
    return this.#byChunk.delete(chunk);
  }

  /** Hands `take` the bytes that were asked for and had not come: none, all, or what overlaps. P-7.5 */
  onData(
    chunk: number,
    offset: number,
    bytes: Uint8Array,
    take: (chunk: number, offset: number, bytes: Uint8Array) => void,
  ): boolean {
    const requests = this.#byChunk.get(chunk);
    if (requests === undefined) return false;
    let taken = false;
    // Backwards, since an answered request leaves the list.
    for (let i = requests.length - 1; i >= 0; i--) {
      const request = requests[i];
      if (request === undefined) continue;
      const from = Math.max(offset, request.offset);
      const to = Math.min(offset + bytes.length, request.offset + request.length);
      if (from >= to || !this.#cover(request, from, to)) continue;
      taken = true;
      if (request.over) this.#remove(requests, i);
      take(chunk, from, to - from === bytes.length ? bytes : bytes.subarray(from - offset, to - offset));
    }
    return taken;
  }

  #cover(request: OwnRequest, from: number, to: number): boolean {
    const { coverage } = request;
    const islands = coverage.islandCount;
    const fresh = coverage.add(from - request.offset, to - request.offset);
    this.#islands += coverage.islandCount - islands;
    request.over ||= coverage.covers(request.length);
    return fresh;
  }

  #remove(requests: OwnRequest[], i: number): void {
    const request = requests[i];
    if (request !== undefined && requests.length === 1) this.#byChunk.delete(request.chunk);
    else requests.splice(i, 1);
    this.#count--;
  }
}
