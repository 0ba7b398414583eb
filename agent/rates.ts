/** What a rate may be, in bytes per second, wherever it comes from. */

/** Less would not carry what a session needs to stay alive. */
export const MIN_RATE = 1_000;
/** What LIMIT can say, and a little less: more is no limit (P-7.12). */
export const MAX_RATE = 4_000_000_000;
