import type { FleetOptions } from './fleet.js';
import { KINDS, type Malice } from './kinds.js';

/** Fleets of which 40 % are malicious, each kind alone and all of them together. */

/** 8 of 20, the fleet's seed among the honest. */
export const SMALL: FleetOptions = {
  ...{ honest: 11, malicious: 8 },
  // 8.4 s at a device's own rate.
  ...{ chunks: 64, chunkBytes: 16_384, bitsPerSecond: 1e6 },
};

/** More malicious devices than an honest one has places (P-10.3). */
export const LARGE: FleetOptions = { ...SMALL, honest: 29, malicious: 20 };

export interface MaliceScenario {
  readonly name: string;
  readonly malice: readonly Malice[];
}

export const ALL_OF_THEM: MaliceScenario = { name: 'all of them', malice: KINDS };

export const MALICE_SCENARIOS: readonly MaliceScenario[] = [
  ...KINDS.map((kind) => ({ name: kind.name, malice: [kind] })),
  ALL_OF_THEM,
];

/** The bar: honest devices are done within so many times what they take alone. */
export const MOST_TIME = 2;
