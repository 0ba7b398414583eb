import { expect, it } from 'vitest';
import { TurnBudget } from '../../../agent/io/turn_budget.js';

it('is spent by whoever spends, and whole again in the next turn', async () => {
  const budget = new TurnBudget(100);
  budget.spend(60);
  expect(budget.isSpent).toBe(false);
  budget.spend(60);
  expect(budget.isSpent).toBe(true);
  await Promise.resolve();
  expect(budget.isSpent).toBe(true);
  await new Promise(setImmediate);
  expect(budget.isSpent).toBe(false);
  budget.spend(100);
  expect(budget.isSpent).toBe(true);
});
