import { describe, expect, it } from 'vitest';
import type { SigningKey } from '../../../shared/crypto/signature.js';
import { packBundle } from '../../../shared/trust/bundle.js';
import { verifyBundle } from '../../../shared/trust/verify.js';
import {
  DAY,
  ForgedFleet,
  type ForgedRole,
  GROUP,
  keyIdOf,
  keysJson,
  NOW,
  newKeys,
  signedBy,
} from '../../support/forged_trust.js';

/** Root's chain (TUF 5.3), thresholds, and one key under several names. */

const MAX_PACKED = 131_072;

function fleet(count = 1, threshold = 1): ForgedFleet {
  const made = new ForgedFleet(count, threshold);
  made.publish('firmware', '1');
  return made;
}

/** A role with one of its keys replaced, the threshold as it was. */
function replaced(made: ForgedFleet, role: ForgedRole, at: number): ForgedFleet['keys'] {
  const { keys, threshold } = made.keys[role];
  const next = keys.map((key, i) => (i === at % keys.length ? (newKeys(1)[0] as SigningKey) : key));
  return { ...made.keys, [role]: { keys: next, threshold } };
}

describe('root rotation (TUF 5.3)', () => {
  it('P-12.5: is followed across 50 versions, two of three keys each, one changed each time, in one bundle', async ({
    annotate,
  }) => {
    const made = fleet(3, 2);
    for (let i = 1; i < 50; i++) {
      // Of the keys before, only those that stay: two, the threshold.
      const before = made.keys.root.keys;
      const keys = replaced(made, 'root', i);
      const stay = before.filter((key) => keys.root.keys.includes(key));
      made.addRoot(keys, { signers: [...stay, ...keys.root.keys.filter((key) => !stay.includes(key))] });
    }
    const files = made.files();
    const { rootVersion, error, rollouts, state } = made.verify(files);
    expect(error).toBeUndefined();
    expect(rootVersion).toBe(50);
    expect(rollouts).toHaveLength(1);
    expect(made.verify(files, state).error).toBeUndefined();
    const packed = packBundle(files).length;
    await annotate(`a bundle of 50 roots, of three keys each, has ${packed} bytes`);
    expect(packed).toBeLessThan(MAX_PACKED);
  });

  it('P-12.5: the keys of every role may have changed since the device was there last', () => {
    const made = fleet(3, 2);
    const { state } = made.verify();
    const roles = ['root', 'release', 'snapshot', 'timestamp'] as const;
    for (let i = 0; i < 12; i++) made.addRoot(replaced(made, roles[i % 4] ?? 'root', i));
    made.next('targets', 'director', 'director-cameras');
    // Years later: its root, timestamp and snapshot are all long expired.
    const years = NOW + 5 * 365 * DAY;
    for (const role of ['timestamp', 'snapshot', 'targets', 'director', 'director-cameras']) {
      made.forge[role] = { version: 9, expires: years + DAY };
    }
    for (const file of made.files().keys()) {
      const bin = /^1\.(release-..)\.json$/.exec(file)?.[1];
      if (bin) made.forge[bin] = { expires: years + DAY };
    }
    made.addRoot(made.keys, { expires: years + DAY });
    const verdict = verifyBundle(state, made.files(), GROUP, () => years);
    expect(verdict.error).toBeUndefined();
    expect(verdict.rootVersion).toBe(14);
    expect(verdict.rollouts).toHaveLength(1);
  });

  it('P-12.5: a version may not be skipped, repeated or renamed', () => {
    for (const missing of [2, 3]) {
      const made = fleet();
      for (let i = 0; i < 3; i++) made.addRoot(replaced(made, 'timestamp', 0));
      const files = made.files();
      files.delete(`${missing}.root.json`);
      const { rootVersion, error } = made.verify(files);
      expect(rootVersion).toBe(missing - 1);
      expect(error?.code).toBe('E_TRUST_SIGNATURE');
      files.set(`${missing}.root.json`, files.get(`${missing + 1}.root.json`) ?? new Uint8Array());
      expect(made.verify(files).error?.code).toBe('E_TRUST_MISMATCH');
      files.set(`${missing}.root.json`, files.get(`${missing - 1}.root.json`) ?? new Uint8Array());
      expect(made.verify(files).error?.code).toBe('E_TRUST_MISMATCH');
    }
  });

  it('P-12.5: a root signed by only the new, or only the old keys is refused, and the one before stays', () => {
    for (const by of ['new', 'old', 'nobody', 'strangers'] as const) {
      const made = fleet(3, 2);
      const old = made.keys.root.keys;
      const keys = { ...made.keys, root: { keys: newKeys(3), threshold: 2 } };
      const signers = { new: keys.root.keys, old, nobody: [], strangers: newKeys(3) }[by];
      made.addRoot(keys, { signers });
      const { error, state, rollouts } = made.verify();
      expect(error?.code, by).toBe('E_TRUST_SIGNATURE');
      expect(state, by).toEqual(made.state);
      expect(rollouts, by).toEqual([]);
    }
  });

  it('P-12.5: roots before the one that is refused are kept', () => {
    const made = fleet(3, 2);
    made.addRoot(replaced(made, 'root', 0));
    made.addRoot(replaced(made, 'root', 1));
    made.addRoot(replaced(made, 'root', 2), { signers: made.keys.root.keys.slice(0, 1) });
    const { error, rootVersion, state } = made.verify();
    expect(error?.code).toBe('E_TRUST_SIGNATURE');
    expect(rootVersion).toBe(3);
    expect(state).toEqual({ root: Buffer.from(made.roots[2] ?? []).toString('utf8') });
  });

  it('P-12.5: an intermediate root may be expired, the last one not', () => {
    const made = fleet();
    made.addRoot(made.keys, { expires: NOW - 100 * DAY });
    made.addRoot(made.keys);
    expect(made.verify().error).toBeUndefined();
    made.addRoot(made.keys, { expires: NOW - 1 });
    expect(made.verify().error?.code).toBe('E_TRUST_EXPIRED');
  });

  it('P-12.5: a device past the bundle’s roots needs none of them', () => {
    const made = fleet();
    for (let i = 0; i < 5; i++) made.addRoot(replaced(made, 'root', 0));
    const { state } = made.verify();
    const files = made.files();
    for (let i = 1; i < 6; i++) files.delete(`${i}.root.json`);
    expect(made.verify(files, state).error).toBeUndefined();
    // One that never saw them is not told anything by the last.
    expect(made.verify(files).rootVersion).toBe(1);
  });

  it('P-12.5: keys that a rotation put away count no more, of any role', () => {
    for (const [role, file] of [
      ['release', 'targets'],
      ['snapshot', 'snapshot'],
      ['timestamp', 'timestamp'],
    ] as const) {
      const made = fleet();
      const old = made.keys[role].keys;
      made.addRoot(replaced(made, role, 0));
      made.forge[file] = { signers: old };
      expect(made.verify().error?.code, role).toBe('E_TRUST_SIGNATURE');
    }
  });
});

describe('key compromise below threshold (TUF 1.5.2)', () => {
  it('P-12.5: m - 1 of n keys sign nothing, m do, of root and release', () => {
    for (const [count, threshold] of [
      [2, 2],
      [3, 2],
      [5, 3],
    ] as const) {
      const made = fleet(count, threshold);
      const { root, release } = made.keys;
      for (const role of ['targets', 'bin'] as const) {
        const forged = fleet(count, threshold);
        const bin = [...forged.files().keys()].find((file) => file.startsWith('1.release-'))?.slice(2, -5) ?? '';
        const file = role === 'bin' ? bin : role;
        forged.forge[file] = { signers: forged.keys.release.keys.slice(0, threshold) };
        expect(forged.verify().rollouts).toHaveLength(1);
        forged.forge[file] = { signers: forged.keys.release.keys.slice(0, threshold - 1) };
        const { error, refused, rollouts } = forged.verify();
        expect((error ?? refused[0])?.code).toBe('E_TRUST_SIGNATURE');
        expect(rollouts).toEqual([]);
      }
      expect(release.keys).toHaveLength(count);
      made.addRoot(made.keys, { signers: root.keys.slice(-threshold) });
      expect(made.verify().rootVersion).toBe(2);
      made.addRoot(made.keys, { signers: root.keys.slice(-threshold + 1) });
      const { error, rootVersion } = made.verify();
      expect(error?.code).toBe('E_TRUST_SIGNATURE');
      expect(rootVersion).toBe(2);
    }
  });

  it('P-12.5: and of the online roles, where they have a threshold', () => {
    for (const role of ['snapshot', 'timestamp', 'director'] as const) {
      const made = new ForgedFleet();
      made.keys = { ...made.keys, [role]: { keys: newKeys(3), threshold: 2 } };
      made.roots.length = 0;
      made.addRoot();
      made.publish('firmware', '1');
      made.forge[role] = { signers: made.keys[role].keys.slice(1) };
      expect(made.verify().error, role).toBeUndefined();
      made.forge[role] = { signers: [...made.keys[role].keys.slice(2), ...newKeys(2)] };
      expect(made.verify().error?.code, role).toBe('E_TRUST_SIGNATURE');
    }
  });

  it('P-12.5: one signature said twice is one, or none', () => {
    const made = fleet(3, 2);
    const [first] = made.keys.release.keys;
    made.forge.targets = {
      signers: first ? [first] : [],
      tamper: (doc) => doc.signatures.push(...doc.signatures),
    };
    expect(made.verify().error?.code).toMatch(/MALFORMED|SIGNATURE/);
    // Under the id of another key of the role.
    made.forge.targets = {
      signers: first ? [first] : [],
      tamper: (doc) =>
        doc.signatures.push({ ...doc.signatures[0], keyid: keyIdOf(made.keys.release.keys[1] as SigningKey) }),
    };
    expect(made.verify().error?.code).toBe('E_TRUST_SIGNATURE');
  });
});

describe('the root that is trusted first', () => {
  it('P-12.5: is refused where it does not verify itself', () => {
    const made = fleet(3, 2);
    const doc = JSON.parse(made.state.root);
    const bad = [
      '',
      '{}',
      'null',
      made.state.root.slice(1),
      made.state.root.replace('"threshold":2', '"threshold":1'),
      JSON.stringify({ ...doc, signatures: doc.signatures.slice(0, 1) }),
      JSON.stringify(signedBy({ ...doc.signed, keys: keysJson([]) }, made.keys.root.keys)),
    ];
    for (const root of bad) {
      expect(() => verifyBundle({ root }, made.files(), GROUP, () => NOW)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^E_TRUST_/) }),
      );
    }
  });

  it('P-12.5: what is kept of timestamp and snapshot, damaged, bars nothing', () => {
    const made = fleet();
    const { state } = made.verify();
    for (const text of ['', '{', 'null', state.timestamp?.slice(5) ?? '']) {
      expect(made.verify(made.files(), { ...state, timestamp: text }).error).toBeUndefined();
      expect(made.verify(made.files(), { ...state, snapshot: text }).error).toBeUndefined();
    }
  });
});
