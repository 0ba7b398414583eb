import { z } from 'zod';

/** A rate as a person writes it: bytes a second, with k, M or G for thousands. */

/** What an agent takes: see agent/throttle.ts. */
export const MIN_RATE = 1_000;
export const MAX_RATE = 4_000_000_000;

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9 };
const RATE = /^(\d+(?:\.\d+)?)([kMG]?)$/;
export const RATE_WANTED = 'write bytes a second, as 500k or 2.5M';

/** Undefined for what is none. */
export function parseRate(text: string): number | undefined {
  const [, digits, unit = ''] = RATE.exec(text) ?? [];
  return digits === undefined ? undefined : Math.round(Number(digits) * (UNITS[unit] ?? 1));
}

export const rate = z.union([z.string(), z.number()]).transform((value, context) => {
  const parsed = parseRate(String(value));
  if (parsed !== undefined) return parsed;
  context.addIssue({ code: 'custom', message: RATE_WANTED });
  return z.NEVER;
});
