/**
 * Divides a rate among those who want some of it, max-min fair: nobody gets more than he wants while another wants for it, and
 * what nobody wants is given to all alike, so that the shares add up to `total`.
 * @param total finite. @param wants one for each; Infinity for all there is.
 */
export function divide(total: number, wants: readonly number[]): number[] {
  const shares = new Array<number>(wants.length).fill(0);
  const ascending = wants.map((_, i) => i).sort((a, b) => (wants[a] ?? 0) - (wants[b] ?? 0));
  let left = total;
  for (const [served, i] of ascending.entries()) {
    const share = Math.min(wants[i] ?? 0, left / (ascending.length - served));
    shares[i] = share;
    left -= share;
  }
  return shares.map((share) => share + left / wants.length);
}

/** Who uses this much of its share wants more. */
const HUNGRY = 0.9;
/** Who uses less is left this much room to grow, until it is asked again. */
const HEADROOM = 1.5;
/** Of an equal share: what nobody falls below, or one that was idle could never show that it wants more. */
const LEAST = 0.05;

/** What one session took of the rate since it was last asked, in bytes per second, and what it was let. */
export interface Use {
  readonly took: number;
  readonly limit: number;
}

/** The next limits of sessions that share `total` bytes per second (P-7.12). They add up to it. */
export function divideByUse(total: number, uses: readonly Use[]): number[] {
  const least = (LEAST * total) / Math.max(1, uses.length);
  const wants = uses.map(({ took, limit }) => {
    return took >= HUNGRY * limit ? Number.POSITIVE_INFINITY : Math.max(least, took * HEADROOM);
  });
  return divide(total, wants);
}
