import { z } from 'zod';
import { isId } from '../../shared/control/ids.js';
import type { AlertRow } from '../../shared/control/messages.js';
import { MAX_ALERT_TEXT, MAX_ALERTS } from '../../shared/limits.js';
import type { Alert } from './alert_line.js';

/** The alerts that no operator has acknowledged (P-15.8). Pure: alerts and times come in, what is kept and told goes out. */

/** Until an operator acknowledges some: what was kept once is not given up for what comes later. The last place is for those that were refused. */
const MAX_KEPT = 64;
/** The kind of what the agent itself tells: alerts that were refused because there were too many, or that had no place. */
export const UNTOLD_KIND = 'alerts-refused';
const UNTOLD_TEXT = 'alerts that came too fast, or were too many to keep';

const row = z.object({
  n: z.int().min(1),
  kind: z.string().refine(isId),
  text: z
    .string()
    .max(MAX_ALERT_TEXT)
    .regex(/^[ -~]*$/),
  at: z.int().min(0),
  count: z.int().min(1),
});

export const alertMemorySchema = z.object({ next: z.int().min(1), alerts: z.array(row).max(MAX_KEPT) });
/** `next` is the number of the next alert: it rises for ever. */
export type AlertMemory = z.infer<typeof alertMemorySchema>;

export class AlertBook {
  #next: number;
  /** By number. */
  #alerts: readonly AlertRow[];

  constructor({ next, alerts }: AlertMemory) {
    this.#next = Math.max(next, ...alerts.map(({ n }) => n + 1));
    this.#alerts = alerts;
  }

  get memory(): AlertMemory {
    return { next: this.#next, alerts: [...this.#alerts] };
  }

  /** Those that the status tells, the newest, in their order; and how many there are beside them. */
  get told(): { readonly alerts: AlertRow[]; readonly more: number } {
    const alerts = this.#alerts.slice(-MAX_ALERTS);
    return { alerts, more: this.#alerts.length - alerts.length };
  }

  /**
   * The same again is one alert with a higher count, and a number of its own: who acknowledged the one before has not seen it.
   * @param at seconds since the epoch @returns its number; null where there is no room for another
   */
  raise({ kind, text }: Alert, at: number): number | null {
    const before = this.#alerts.find((one) => one.kind === kind && one.text === text);
    if (before === undefined && this.#alerts.length >= MAX_KEPT - 1) return null;
    return this.#keep({ kind, text }, at, 1);
  }

  /** There were so many that nobody kept. */
  refused(times: number, at: number): number {
    return this.#keep({ kind: UNTOLD_KIND, text: UNTOLD_TEXT }, at, times);
  }

  #keep({ kind, text }: Alert, at: number, times: number): number {
    const n = this.#next++;
    const before = this.#alerts.find((one) => one.kind === kind && one.text === text);
    const count = (before?.count ?? 0) + times;
    this.#alerts = [
      ...this.#alerts.filter((one) => one !== before),
      { n, kind, text, at: Math.max(0, Math.floor(at)), count },
    ];
    return n;
  }

  /** P-4.8 @returns whether there were any */
  acknowledge(from: number, upto: number): boolean {
    const left = this.#alerts.filter(({ n }) => n < from || n > upto);
    const some = left.length < this.#alerts.length;
    this.#alerts = left;
    return some;
  }
}
