import type { HoldOptions } from '../../agent/transfer/held_back.js';

/** A device whose owner holds nothing back. */
export const NO_HOLD: HoldOptions = {
  covers: () => false,
  isSetAside: async () => false,
  async *files() {},
};
