/** When a device may use HTTP servers, wherever that comes from, without a schema at start (P-11.3). */

/** `no-peer`: for what no connected peer has or brings. `always`: as if the server were one more peer. */
export const HTTP_USES = ['never', 'no-peer', 'always'] as const;

export type HttpUse = (typeof HTTP_USES)[number];

export const DEFAULT_HTTP_USE: HttpUse = 'no-peer';
/** Peers that there are have been found by then: a join window, an offer, an answer, a path. */
export const DEFAULT_HTTP_AFTER_SECONDS = 10;
export const MAX_HTTP_AFTER_SECONDS = 86_400;

export interface HttpRules {
  readonly use: HttpUse;
  /** Not sooner after a transfer begins, or goes on after a pause; drawn from this up to twice as much. */
  readonly afterMs: number;
  /** Bytes of one artifact that may be asked of HTTP servers while the agent runs; Infinity for no limit. */
  readonly maxBytes: number;
}
