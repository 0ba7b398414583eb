import { describe, expect, it } from 'vitest';
import { fleetOf } from '../../../bench/trust.js';
import { MAX_CERTIFICATE_BYTES, MAX_MESSAGE_BYTES } from '../../../shared/limits.js';
import { packBundle, unpackBundle } from '../../../shared/trust/bundle.js';

/** What is carried is to fit a message (P-2.7, P-12.4), the envelope and the signer's certificate around it. */

const ROOM = MAX_MESSAGE_BYTES - MAX_CERTIFICATE_BYTES - 1024;

describe('P-12.4: a bundle fits a message', () => {
  for (const [what, shape, least] of [
    ['of 16 rollouts among a thousand artifacts, two of three keys', { artifacts: 1000, rollouts: 16, keys: 3 }, 0],
    ['and of 50 roots', { artifacts: 1000, rollouts: 16, keys: 3, roots: 50 }, 50],
    ['and of a hundred groups', { artifacts: 1000, rollouts: 16, keys: 3, roots: 50, groups: 100 }, 50],
  ] as const) {
    it(what, async ({ annotate }) => {
      const fleet = fleetOf(shape);
      const packed = packBundle(fleet.bundle());
      await annotate(`${packed.length} bytes`);
      expect(packed.length).toBeLessThan(ROOM);
      const { error, refused, rollouts, rootVersion } = fleet.verify(unpackBundle(packed));
      expect([error, refused]).toEqual([undefined, []]);
      expect(rollouts).toHaveLength(16);
      expect(rootVersion).toBeGreaterThanOrEqual(least);
    });
  }
});
