/** What the store of an agent may be told, wherever it is told. */

/** Less holds no artifact worth the name. */
export const MIN_STORE_QUOTA = 1_000_000;
/** 4 PB: more is one unit mistaken for another. */
export const MAX_STORE_QUOTA = 4e15;
export const MAX_RECHECK_DAYS = 365;
