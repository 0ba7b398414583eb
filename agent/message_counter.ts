import { z } from 'zod';
import { EpochCounter, MAX_EPOCH, type MessageCounter, nextEpoch } from '../shared/control/counter.js';
import { asError, type ChunkmeshError } from '../shared/errors.js';
import type { FleetClock } from './clock.js';
import type { Store } from './io/store/store.js';

/** The number of a device's messages, which outlives its process: the epoch is a state document of the store (P-3.8). */

const EPOCH_DOCUMENT = 'epoch';
const schema = z.object({ epoch: z.int().min(1).max(MAX_EPOCH) });

export type EpochKeeper = Pick<Store, 'readState' | 'writeState'>;

/**
 * The epoch of this start, on the disk before it is used. Never throws: a device whose disk is full is to go on, and a number that comes
 * twice harms nobody but who said it.
 * @param warn is told where the epoch could not be read or written
 */
export async function openCounter(
  store: EpochKeeper,
  clock: FleetClock,
  warn: (error: ChunkmeshError) => void,
): Promise<MessageCounter> {
  const warned = (error: unknown): void => warn(asError(error, 'the number of messages'));
  const remember = (epoch: number): Promise<void> => store.writeState(EPOCH_DOCUMENT, { epoch }).catch(warned);
  const last = await store.readState(EPOCH_DOCUMENT, schema).catch((error: unknown) => void warned(error));
  const epoch = nextEpoch(last?.epoch, clock.believed ? clock.now() : Number.NaN);
  await remember(epoch);
  return new EpochCounter(epoch, (next) => void remember(next));
}
