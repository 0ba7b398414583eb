import type { BarRule } from './bars.js';
import type { Contender } from './rounds.js';

/** A bench: who takes part, and what must come out. */
export interface Subject {
  readonly name: string;
  readonly contenders: readonly Contender[];
  readonly rules: readonly BarRule[];
  /** What a reader of the figures must know. */
  readonly notes?: readonly string[];
}
