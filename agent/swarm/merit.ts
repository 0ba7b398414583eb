import type { Peer } from './peer.js';

/** Which of several peers is the better one, by what they brought. Pure. */

/** Bytes per second; 0 where none brought anything. */
export function bestRateOf(peers: Iterable<Peer>): number {
  let best = 0;
  for (const { rate } of peers) best = Math.max(best, rate);
  return best;
}

/** Who failed comes last; of the others, who was not tried yet comes first, then the fastest. */
export function byMerit(a: Peer, b: Peer): number {
  if (a.failures !== b.failures) return a.failures - b.failures;
  if (a.rate === 0 && b.rate === 0) return b.worth - a.worth;
  if (a.rate === 0 || b.rate === 0) return a.rate - b.rate;
  return b.rate - a.rate;
}
