import { expect, it } from 'vitest';
import { OwnQueue } from '../../../../agent/transport/congestion/own_queue.js';
import { sampleOf } from './samples.js';

const at = (now: number, delivered: number, appLimited = false) => sampleOf({ now, delivered, appLimited });

it('takes a queue for its own once where nearly all of the rate came, and believes what came', () => {
  const queue = new OwnQueue();
  queue.begin(at(1000, 5000));
  expect(queue.rateToDrainAt(at(1100, 5980), 10)).toBeCloseTo(9.8, 9);
  queue.begin(at(1100, 5980));
  expect(queue.rateToDrainAt(at(1200, 6960), 9.8)).toBeNull();
  expect(queue.rateToDrainAt(at(1200, 6960), 9.8)).toBeCloseTo(9.8, 9);
});

it('takes it for its own again after a cycle without one', () => {
  const queue = new OwnQueue();
  expect(queue.rateToDrainAt(at(100, 1000), 10)).toBe(10);
  queue.gone();
  expect(queue.rateToDrainAt(at(100, 1000), 10)).toBe(10);
});

it('takes it for that of others where less came, where little was sent, and where nothing is known', () => {
  const queue = new OwnQueue();
  expect(queue.rateToDrainAt(at(100, 899), 10)).toBeNull();
  expect(queue.rateToDrainAt(at(100, 1000, true), 10)).toBeNull();
  expect(queue.rateToDrainAt(at(0, 0), 10)).toBeNull();
});
