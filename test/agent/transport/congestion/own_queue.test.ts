import { expect, it } from 'vitest';
import { OwnQueue } from '../../../../agent/transport/congestion/own_queue.js';
import { sampleOf } from './samples.js';

const at = (now: number, delivered: number) => sampleOf({ now, delivered });

/** One in which 10 bytes a millisecond came over the first cycle, without a queue. */
function settled(): OwnQueue {
  const queue = new OwnQueue();
  queue.onNone(at(1000, 10_000));
  queue.begin(at(1000, 10_000));
  return queue;
}

it('takes a queue for its own once where as much came as before, and believes what came', () => {
  const queue = settled();
  expect(queue.rateToDrainAt(at(1100, 10_970), 10.5)).toBeCloseTo(9.7, 9);
  queue.begin(at(1100, 10_970));
  expect(queue.rateToDrainAt(at(1200, 11_940), 9.8)).toBeNull();
  expect(queue.rateToDrainAt(at(1200, 11_940), 9.8)).toBeCloseTo(9.7, 9);
});

it('takes it for its own again after a cycle without one, and after it was that of others', () => {
  const queue = settled();
  expect(queue.rateToDrainAt(at(1100, 11_000), 10)).toBe(10);
  queue.onNone(at(1100, 11_000));
  expect(queue.rateToDrainAt(at(1100, 11_000), 10)).toBe(10);
  queue.forget();
  expect(queue.rateToDrainAt(at(1100, 11_000), 10)).toBe(10);
});

it('takes it for that of others where less came than before', () => {
  expect(settled().rateToDrainAt(at(1100, 10_959), 10)).toBeNull();
  expect(settled().rateToDrainAt(at(1000, 10_000), 10)).toBeNull();
});

it('asks of the first cycle less than was believed: what a startup showed is inexact', () => {
  expect(new OwnQueue().rateToDrainAt(at(100, 801), 10)).toBeCloseTo(8.01, 9);
  expect(new OwnQueue().rateToDrainAt(at(100, 799), 10)).toBeNull();
  expect(new OwnQueue().rateToDrainAt(at(0, 0), 10)).toBeNull();
});
