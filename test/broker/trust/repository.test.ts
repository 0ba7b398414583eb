import { describe, expect, it } from 'vitest';
import { unpackBundle } from '../../../shared/trust/bundle.js';
import { verifyBundle } from '../../../shared/trust/verify.js';
import { TestTrust } from '../../support/test_trust.js';

const NOW = 1_800_000_000;

describe('a fleet’s metadata', () => {
  it('P-12.7: gives a device what its director scheduled of what release signed', async () => {
    const trust = await TestTrust.create(NOW);
    await trust.publish('cameras', { name: 'firmware', version: '2.4.1' }, NOW);
    await trust.publish('cameras', { name: 'model', version: '7', audience: { sites: ['hall-2'] } }, NOW, {
      shards: 4,
      urgent: true,
      priority: 7,
      urls: ['https://files.example/model'],
    });
    const { repository } = trust;
    const current = await repository.current();
    const bundle = await repository.bundle(current, 'cameras');
    const state = { root: await trust.firstRoot() };
    const verdict = verifyBundle(state, unpackBundle(bundle), 'cameras', () => NOW);
    expect(verdict.error).toBeUndefined();
    expect(verdict.refused).toEqual([]);
    expect(verdict.rollouts.map(({ name, version, size, shards }) => [name, version, size, shards])).toEqual([
      ['firmware', '2.4.1', 1001, 1],
      ['model', '7', 1002, 4],
    ]);
    expect(verdict.rollouts[1]).toMatchObject({ urgent: true, priority: 7, audience: { sites: ['hall-2'] } });
    expect(verdict.signedAt).toBe(NOW);
    // What is kept is enough for the next one, and the same once more is no rollback.
    const again = verifyBundle(verdict.state, unpackBundle(bundle), 'cameras', () => NOW);
    expect(again.error).toBeUndefined();
    expect(again.rollouts).toHaveLength(2);
  });
});
