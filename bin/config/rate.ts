/** Bytes, or bytes a second, as a person writes them: with k, M or G for thousands. */

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9 };
const RATE = /^(\d+(?:\.\d+)?)([kMG]?)$/;
/** Days, as `7` or `0.5`. */
export const DAYS = /^\d{1,3}(\.\d{1,6})?$/;
export const RATE_WANTED = 'write bytes a second, as 500k or 2.5M';
export const SIZE_WANTED = 'write bytes, as 500M or 20G';

/** Undefined for what is none. */
export function parseBytes(text: string): number | undefined {
  const [, digits, unit = ''] = RATE.exec(text) ?? [];
  return digits === undefined ? undefined : Math.round(Number(digits) * (UNITS[unit] ?? 1));
}

export const parseRate = parseBytes;
