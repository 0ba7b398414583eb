/** Which devices did what they should not, and how often, for whoever operates this one. Pure. */

/**
 * - `wrong-bytes`: a chunk or an index that is not what its hash says (P-10.4).
 * - `false-have`: it rejected, as not held, a chunk that it had said it holds (P-7.8).
 * - `stalled`: it owed what it was asked for, and sent next to nothing for 5 s.
 * - `slow`: another, asked later, had to bring what it owed (P-10.4).
 * - `unreachable`: it agreed on a session of which no path opened (P-7.2).
 * - `idle`: its session brought nothing of what is missing here, and made room for another (P-10.3).
 * - `flood`: it said more than its share (P-3.7, P-7.9).
 * - `protocol`: it broke the protocol inside a session or in a message that it signed.
 */
export const MISBEHAVIOURS = [
  'wrong-bytes',
  'false-have',
  'stalled',
  'slow',
  'unreachable',
  'idle',
  'flood',
  'protocol',
] as const;

export type Misbehaviour = (typeof MISBEHAVIOURS)[number];

/** Each is up to eight time series at whoever collects them, of every device of the fleet. More than a device has peers in a rollout. */
export const MAX_MISBEHAVING = 64;

export interface MisbehaviourCount {
  readonly device: string;
  readonly kind: Misbehaviour;
  readonly count: number;
}

export class MisbehaviourBook {
  /** The one of whom nothing came for longest first. */
  readonly #devices = new Map<string, Map<Misbehaviour, number>>();

  add(device: string, kind: Misbehaviour): void {
    const counts = this.#devices.get(device) ?? new Map<Misbehaviour, number>();
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    this.#devices.delete(device);
    this.#devices.set(device, counts);
    const quietest = this.#devices.keys().next();
    if (this.#devices.size > MAX_MISBEHAVING && !quietest.done) this.#devices.delete(quietest.value);
  }

  all(): MisbehaviourCount[] {
    return [...this.#devices].flatMap(([device, counts]) =>
      [...counts].map(([kind, count]) => ({ device, kind, count })),
    );
  }
}
