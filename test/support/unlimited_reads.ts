import type { ReadBudget } from '../../agent/transfer/serving.js';

export const UNLIMITED_READS: ReadBudget = { isSpent: false, spend: () => {} };
