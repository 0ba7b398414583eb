import { createHash } from 'node:crypto';
import { beforeEach, expect, it, vi } from 'vitest';
import { mayPublish, shardsOf, topics } from '../../../shared/control/topics.js';
import { ARTIFACT, PREFIX, who } from '../../support/topics_tried.js';

vi.mock('node:crypto', async (original) => {
  const real = await original<typeof import('node:crypto')>();
  return { ...real, createHash: vi.fn((algorithm: string) => real.createHash(algorithm)) };
});

beforeEach(() => {
  vi.mocked(createHash).mockClear();
});

/** Every message that is opened asks whether its signer may publish there. */
it.each([
  ['signal', 0, topics.signal(PREFIX, 'north', 'cam-2', 'cam-1')],
  ['status', 0, topics.status(PREFIX, 'cam-1')],
  ['have', 0, topics.have(PREFIX, ARTIFACT, 0, 'cam-1')],
])('deciding about a %s takes %i hashes', (_name, hashes, topic) => {
  expect(mayPublish(PREFIX, who('device'), topic)).toBe(true);
  expect(createHash).toHaveBeenCalledTimes(hashes);
});

it('P-2.4: the shards of a device take one hash, not one for each count', () => {
  expect(shardsOf('cam-1').length).toBeGreaterThan(1);
  expect(createHash).toHaveBeenCalledTimes(1);
});
