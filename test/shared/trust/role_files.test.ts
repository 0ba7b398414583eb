import { describe, expect, it } from 'vitest';
import { ForgedFleet } from '../../support/forged_trust.js';

/** Files that are signed well and are not what a role's file is (P-12.5). */

type Json = Record<string, unknown>;

function fleet(): ForgedFleet {
  const made = new ForgedFleet();
  made.publish('firmware', '1');
  return made;
}

function refusedRoot(edit: (signed: Json) => void): string | undefined {
  const made = fleet();
  made.addRoot(made.keys, { edit });
  const { error, rollouts, state } = made.verify();
  expect(rollouts).toEqual([]);
  expect(state).toEqual(made.state);
  return error?.code;
}

describe('what a role’s file has', () => {
  const inRoot: [string, (signed: Json) => void][] = [
    [
      'threshold 0',
      (signed) => Object.assign((signed.roles as Record<string, Json>).targets as Json, { threshold: 0 }),
    ],
    [
      'threshold -1',
      (signed) => Object.assign((signed.roles as Record<string, Json>).targets as Json, { threshold: -1 }),
    ],
    ['threshold true', (s) => Object.assign((s.roles as Record<string, Json>).targets as Json, { threshold: true })],
    ['threshold null', (s) => Object.assign((s.roles as Record<string, Json>).targets as Json, { threshold: null })],
    ['threshold of text', (s) => Object.assign((s.roles as Record<string, Json>).targets as Json, { threshold: '1' })],
    ['no threshold', (signed) => delete ((signed.roles as Record<string, Json>).targets as Json).threshold],
    ['no snapshot role', (signed) => delete (signed.roles as Json).snapshot],
    ['no roles', (signed) => Object.assign(signed, { roles: {} })],
    ['no keys', (signed) => delete signed.keys],
    ['no consistent snapshot', (signed) => Object.assign(signed, { consistent_snapshot: false })],
    [
      '65 keys',
      (s) => Object.assign(s, { keys: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`${i}`, {}])) }),
    ],
    [
      'an RSA key',
      (signed) =>
        Object.assign(signed.keys as Json, {
          k: { keytype: 'rsa', scheme: 'rsassa-pss-sha256', keyval: { public: 'x' } },
        }),
    ],
  ];
  for (const [name, edit] of inRoot) {
    it(`P-12.5: root is refused with ${name}`, () => {
      expect(refusedRoot(edit)).toBe('E_TRUST_MALFORMED');
    });
  }

  it('P-12.5: a threshold is a whole number: 1.5 as text of a file', () => {
    const made = fleet();
    const second = Buffer.from(made.addRoot()).toString('utf8').replace('"threshold":1', '"threshold":0.5');
    const files = made.files();
    files.set('2.root.json', new Uint8Array(Buffer.from(second)));
    expect(made.verify(files).error?.code).toBe('E_TRUST_MALFORMED');
  });

  const elsewhere: [string, string, (signed: Json) => void][] = [
    ['timestamp', 'no meta', (signed) => delete signed.meta],
    ['timestamp', 'meta of nothing', (signed) => Object.assign(signed, { meta: {} })],
    ['timestamp', 'another file', (signed) => Object.assign(signed, { meta: { 'targets.json': { version: 1 } } })],
    [
      'timestamp',
      'a snapshot of version 0',
      (signed) => Object.assign(signed, { meta: { 'snapshot.json': { version: 0 } } }),
    ],
    ['timestamp', 'two files', (signed) => Object.assign(signed.meta as Json, { 'x.json': { version: 1 } })],
    ['snapshot', 'no meta', (signed) => delete signed.meta],
    ['snapshot', 'meta of an array', (signed) => Object.assign(signed, { meta: [] })],
    [
      'snapshot',
      'a file that is none',
      (signed) => Object.assign(signed.meta as Json, { '../x.json': { version: 1 } }),
    ],
    [
      'snapshot',
      'a negative length',
      (s) => Object.assign((s.meta as Record<string, Json>)['targets.json'] as Json, { length: -1 }),
    ],
    [
      'snapshot',
      'a hash that is none',
      (s) => Object.assign((s.meta as Record<string, Json>)['targets.json'] as Json, { hashes: { sha256: 'xx' } }),
    ],
    [
      'snapshot',
      'half a hash',
      (s) => Object.assign((s.meta as Record<string, Json>)['targets.json'] as Json, { hashes: { sha256: 'ab' } }),
    ],
    [
      'snapshot',
      '2,049 files',
      (s) =>
        Object.assign(s, {
          meta: Object.fromEntries(Array.from({ length: 2049 }, (_, i) => [`r${i}.json`, { version: 1 }])),
        }),
    ],
    ['targets', 'no targets', (signed) => delete signed.targets],
    ['targets', 'targets of null', (signed) => Object.assign(signed, { targets: null })],
    ['targets', 'a target of null', (signed) => Object.assign(signed, { targets: { x: null } })],
    ['targets', 'delegations of null', (signed) => Object.assign(signed, { delegations: null })],
    [
      'targets',
      'succinct roles',
      (s) =>
        Object.assign(s.delegations as Json, {
          succinct_roles: { keyids: [], threshold: 1, bit_length: 8, name_prefix: 'b' },
        }),
    ],
    [
      'targets',
      'a role twice',
      (s) => (s.delegations as { roles: Json[] }).roles.push({ ...(s.delegations as { roles: Json[] }).roles[0] }),
    ],
    [
      'director',
      'paths and prefixes',
      (s) => Object.assign((s.delegations as { roles: Json[] }).roles[0] as Json, { path_hash_prefixes: ['00'] }),
    ],
    [
      'director',
      'terminating of 1',
      (s) => Object.assign((s.delegations as { roles: Json[] }).roles[0] as Json, { terminating: 1 }),
    ],
    ['director', 'roles of an object', (s) => Object.assign(s.delegations as Json, { roles: {} })],
    [
      'director',
      'a prefix that is none',
      (s) =>
        Object.assign((s.delegations as { roles: Json[] }).roles[0] as Json, {
          paths: undefined,
          path_hash_prefixes: ['zz'],
        }),
    ],
    [
      'director-cameras',
      'a target of fractions',
      (s) => Object.assign(s, { targets: { x: { length: '1', hashes: {} } } }),
    ],
    ['director-cameras', 'no hashes', (s) => Object.assign(s, { targets: { x: { length: 1 } } })],
    [
      'director-cameras',
      'a path of spaces',
      (s) => Object.assign(s, { targets: { 'a b': { length: 1, hashes: {} } } }),
    ],
    [
      'director-cameras',
      'a path of 257',
      (s) => Object.assign(s, { targets: { ['a'.repeat(257)]: { length: 1, hashes: {} } } }),
    ],
  ];
  for (const [role, name, edit] of elsewhere) {
    it(`P-12.5: ${role} is refused with ${name}`, () => {
      const made = fleet();
      // `undefined` is no JSON: such fields go away before they are signed.
      made.forge[role] = {
        edit: (signed) => {
          edit(signed);
          for (const one of (signed.delegations as { roles?: Json[] } | null | undefined)?.roles ?? []) {
            if (one.paths === undefined) delete one.paths;
          }
        },
      };
      if (name === 'roles of an object') made.forge[role] = { edit: (s) => edit(s) };
      const { error, rollouts } = made.verify();
      expect(error?.code).toBe('E_TRUST_MALFORMED');
      expect(rollouts).toEqual([]);
    });
  }
});
