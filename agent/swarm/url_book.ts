/** The URLs of one artifact, in the order in which they were published: which is asked next, which rests (P-11.5). Pure. */

/** A first failure may be chance, and a server that restarts is back soon. */
export const FIRST_URL_REST_MS = 10_000;
/** Doubled at each failure in a row, up to this: a thousand devices ask a server that is down twice a second. */
export const MAX_URL_REST_MS = 600_000;

interface Known {
  /** In a row. */
  failures: number;
  /** Monotonic ms; Infinity for one that is not asked again. */
  restsUntil: number;
  /** The code that was told of last. */
  told: string;
}

export class UrlBook {
  readonly #random: () => number;
  readonly #known = new Map<string, Known>();

  /** @param random uniform in [0, 1) */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** @returns the first that does not rest, null where all do. What is not among `urls` is forgotten. */
  next(urls: readonly string[], now: number): string | null {
    for (const url of this.#known.keys()) if (!urls.includes(url)) this.#known.delete(url);
    return urls.find((url) => now >= (this.#known.get(url)?.restsUntil ?? 0)) ?? null;
  }

  /** When the first of those that rest is asked again; Infinity where none will be. */
  get deadline(): number {
    let deadline = Number.POSITIVE_INFINITY;
    for (const { restsUntil } of this.#known.values()) deadline = Math.min(deadline, restsUntil);
    return deadline;
  }

  worked(url: string): void {
    // One that is not asked again stays so.
    if (this.#known.get(url)?.restsUntil !== Number.POSITIVE_INFINITY) this.#known.delete(url);
  }

  /** @returns whether it is news: the same of one URL is told once, until it worked. */
  failed(url: string, code: string, now: number): boolean {
    const failures = (this.#known.get(url)?.failures ?? 0) + 1;
    const restMs = Math.min(MAX_URL_REST_MS, FIRST_URL_REST_MS * 2 ** Math.min(failures - 1, 16));
    // From the upper half: many failed at the same moment.
    return this.#rest(url, { failures, restsUntil: now + restMs * (0.5 + this.#random() / 2), told: code });
  }

  /** Wrong bytes came from it. */
  lied(url: string, code: string): boolean {
    return this.#rest(url, { failures: 1, restsUntil: Number.POSITIVE_INFINITY, told: code });
  }

  #rest(url: string, next: Known): boolean {
    const before = this.#known.get(url);
    if (before?.restsUntil === Number.POSITIVE_INFINITY) return false;
    this.#known.set(url, next);
    return before?.told !== next.told;
  }
}
