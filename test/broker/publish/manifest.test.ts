import { describe, expect, it } from 'vitest';
import { type ManifestChange, newer, nextManifest, shardCount } from '../../../broker/publish/manifest.js';
import type { Rollout } from '../../../shared/control/messages.js';
import { coded } from '../../support/store_fixture.js';

const rollout = (name: string, version = '1.0.0'): Rollout => ({
  name,
  version,
  artifact: new Uint8Array(32),
  size: 10,
  chunks: 1,
  shards: 1,
});
const change = (over: Partial<ManifestChange> = {}): ManifestChange => ({
  fleet: 'acme',
  group: 'cams',
  rollout: rollout('firmware'),
  highestSeq: 0,
  now: 1000.9,
  expiresDays: 30,
  ...over,
});

describe('nextManifest (P-4.1)', () => {
  it('starts a group at 1, and expires in so many days', () => {
    expect(nextManifest(undefined, change())).toEqual({
      t: 'trust',
      v: 1,
      fleet: 'acme',
      group: 'cams',
      seq: 1,
      at: 1000,
      expires: 1000 + 30 * 86_400,
      rollouts: [rollout('firmware')],
    });
  });

  it('replaces the rollout of that name and keeps the others', () => {
    const first = nextManifest(undefined, change({ rollout: rollout('model') }));
    const second = nextManifest(first, change());
    const third = nextManifest(second, change({ rollout: rollout('firmware', '2.0.0') }));
    expect(third.seq).toBe(3);
    expect(third.rollouts.map(({ name, version }) => `${name} ${version}`)).toEqual(['model 1.0.0', 'firmware 2.0.0']);
  });

  it('never goes below the highest number used, whatever the broker retained (P-4.3)', () => {
    const base = nextManifest(undefined, change());
    expect(nextManifest(base, change({ highestSeq: 9 })).seq).toBe(10);
    expect(nextManifest({ ...base, seq: 12 }, change({ highestSeq: 9 })).seq).toBe(13);
  });

  it('takes 16 rollouts and refuses one more', () => {
    let base = nextManifest(undefined, change({ rollout: rollout('r-1') }));
    for (let i = 2; i <= 16; i++) base = nextManifest(base, change({ rollout: rollout(`r-${i}`) }));
    expect(base.rollouts).toHaveLength(16);
    expect(() => nextManifest(base, change({ rollout: rollout('r-17') }))).toThrow(coded('E_ARGUMENT') as Error);
    expect(nextManifest(base, change({ rollout: rollout('r-16', '2.0.0') })).rollouts).toHaveLength(16);
  });
});

describe('newer', () => {
  const a = nextManifest(undefined, change());
  const b = { ...a, seq: 7 };
  it('is the one of the higher number, or the one that is there', () => {
    expect(newer(a, b)).toBe(b);
    expect(newer(b, a)).toBe(b);
    expect(newer(undefined, a)).toBe(a);
    expect(newer(a, undefined)).toBe(a);
    expect(newer(undefined, undefined)).toBeUndefined();
  });
});

describe('shardCount (P-2.4, P-10.9)', () => {
  it.each([
    [0, 1],
    [32, 1],
    [33, 2],
    [65, 4],
    [1000, 32],
    [1_000_000, 32_768],
    [10_000_000, 32_768],
  ])('of %d devices is %d', (devices, shards) => {
    expect(shardCount(devices)).toBe(shards);
  });
});
