/** What the looks at installed artifacts may be told, wherever it is told. */

/** A device that is on at all is looked at within the day. */
export const DEFAULT_INTEGRITY_HOURS = 24;
export const MAX_INTEGRITY_HOURS = 8_760;
