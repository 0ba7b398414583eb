/** A rate as a person writes it: bytes a second, with k, M or G for thousands. */

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9 };
const RATE = /^(\d+(?:\.\d+)?)([kMG]?)$/;
export const RATE_WANTED = 'write bytes a second, as 500k or 2.5M';

/** A number of bytes, written alike. Undefined for what is none. */
export const parseBytes = (text: string): number | undefined => parseRate(text);

/** Undefined for what is none. */
export function parseRate(text: string): number | undefined {
  const [, digits, unit = ''] = RATE.exec(text) ?? [];
  return digits === undefined ? undefined : Math.round(Number(digits) * (UNITS[unit] ?? 1));
}
