/**
 * Which peers of a seed get first copies at a time, so that a site with many devices does not get more of the seed's link than one with few
 * (P-10.6; what happened to Kraken: uber/kraken#244). Within a site, devices take turns. Pure.
 */

/** Of a site with more, so many at a time however few another site has: one slow device must not hold the seed back. */
const MIN_AT_ONCE = 4;
/** How long a turn is where others of the site wait: long against what it takes to begin, short for who reaches nobody else. */
const TURN_MS = 10_000;

interface Turn {
  readonly site: string;
  /** When its turn began; null where it waits. */
  since: number | null;
  /** Since when it waits. */
  waits: number;
}

export class SiteTurns {
  readonly #turns = new Map<string, Turn>();
  #nextDeadline = Number.POSITIVE_INFINITY;

  add(id: string, site: string, now: number): void {
    this.#turns.set(id, { site, since: null, waits: now });
  }

  remove(id: string): void {
    this.#turns.delete(id);
  }

  /** @param ids that lack something; @returns those of them whose turn it is */
  now(ids: readonly string[], now: number): ReadonlySet<string> {
    const bySite = new Map<string, Turn[]>();
    const own = new Set<string>();
    for (const id of ids) {
      const turn = this.#turns.get(id);
      if (turn === undefined) continue;
      const others = bySite.get(turn.site);
      if (others === undefined) bySite.set(turn.site, [turn]);
      else others.push(turn);
    }
    const atOnce = Math.max(MIN_AT_ONCE, Math.min(...[...bySite.values()].map(({ length }) => length)));
    const heldBack = bySite.size < 2 ? [] : [...bySite.values()];
    const ends = heldBack.map((turns) => takeTurns(turns, atOnce, now));
    this.#nextDeadline = Math.min(...ends);
    for (const id of ids) if (bySite.size < 2 || this.#turns.get(id)?.since !== null) own.add(id);
    return own;
  }

  /** When a turn ends for which another waits, by what `now` was asked last. */
  nextDeadline(): number {
    return this.#nextDeadline;
  }
}

/** @returns when the first turn ends for which another waits */
function takeTurns(turns: readonly Turn[], atOnce: number, now: number): number {
  if (turns.length > atOnce) {
    for (const turn of turns) {
      if (turn.since === null || now < turn.since + TURN_MS) continue;
      turn.since = null;
      turn.waits = now;
    }
  }
  let free = atOnce - turns.filter(({ since }) => since !== null).length;
  const waiting = turns.filter(({ since }) => since === null).sort((a, b) => a.waits - b.waits);
  for (const turn of waiting) if (free-- > 0) turn.since = now;
  if (turns.length <= atOnce) return Number.POSITIVE_INFINITY;
  return Math.min(...turns.map(({ since }) => (since ?? Number.POSITIVE_INFINITY) + TURN_MS));
}
