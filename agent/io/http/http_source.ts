/** An ordinary HTTP server as a transfer sees it (P-11). */

export interface HttpWanted {
  /** P-12.3, or where the index is (P-11.1). */
  readonly url: string;
  /** The first byte, and how many. */
  readonly first: number;
  readonly length: number;
  /** Bytes of the whole file. */
  readonly size: number;
  /** P-10.13: outside of every ceiling. */
  readonly unlimited?: boolean;
}

export interface HttpSource {
  /**
   * Resolves when every byte was taken: in order, in pieces that are overwritten once `take` returns.
   * @throws E_HTTP_*; the reason of `signal` where that is aborted. What was taken by then was sent by that server.
   */
  get(wanted: HttpWanted, take: (bytes: Uint8Array) => void, signal: AbortSignal): Promise<void>;
}
