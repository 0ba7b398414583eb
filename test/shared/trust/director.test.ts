import { describe, expect, it } from 'vitest';
import { artifactPath, binOf, binRole, binRoleOfArtifact, rolloutPath } from '../../../shared/trust/names.js';
import { artifactOf, delegation, ForgedFleet, GROUP, keysJson, NOW, newKeys } from '../../support/forged_trust.js';

/**
 * Who holds every online key (director, snapshot, timestamp) tries to have a device install what release never signed. All of it is
 * signed well and fits together.
 */

const GOOD = { length: 1001, hashes: artifactOf(1).hashes, custom: artifactOf(1).custom };

function fleet(): ForgedFleet {
  const made = new ForgedFleet();
  made.publish('firmware', '1');
  return made;
}

type Json = Record<string, unknown>;
/** Edits of the director's own file, or of its group's. */
const editing = (change: (signed: Json) => void) => ({ edit: change });
const rolesOf = (signed: Json): Json[] => (signed.delegations as { roles: Json[] }).roles;
const targetsOf = (signed: Json): Json => signed.targets as Json;

function refusal(made: ForgedFleet, group = GROUP): string | undefined {
  const { error, refused, rollouts } = made.verify(made.files(), made.state, group);
  expect(rollouts.filter(({ name }) => name === 'malware')).toEqual([]);
  return (error ?? refused[0])?.code;
}

/** A rollout that the director made up, of what would be `artifactOf(66)`. */
function scheduleMalware(made: ForgedFleet): void {
  const { length, hashes } = artifactOf(66);
  made.rollouts[GROUP] = {
    ...made.rollouts[GROUP],
    [rolloutPath(GROUP, 'malware', '1')]: { length, hashes, custom: { chunkmesh: { shards: 1 } } },
  };
}
const MALWARE = artifactPath('malware', '1');

describe('P-12.7: a director introduces nothing', () => {
  it('by a rollout of what was never released', () => {
    const made = fleet();
    scheduleMalware(made);
    expect(refusal(made)).toBe('E_TRUST_ARTIFACT');
    // What is honest beside it counts.
    expect(made.verify().rollouts).toHaveLength(1);
  });

  it('by a target of its own under artifacts/, in its file or its group’s', () => {
    for (const role of ['director', 'director-cameras']) {
      const made = fleet();
      scheduleMalware(made);
      made.forge[role] = editing((signed) => Object.assign(targetsOf(signed), { [MALWARE]: artifactOf(66) }));
      const { refused, rollouts } = made.verify();
      expect(refused.map(({ code }) => code)).toEqual(Array(role === 'director' ? 1 : 2).fill('E_TRUST_ARTIFACT'));
      expect(rollouts).toHaveLength(1);
    }
  });

  it('by a delegation of its own for artifacts/', () => {
    for (const paths of [['artifacts/*/*'], ['*/*/*'], ['*/malware/*'], ['*/*/*/*', '*/*/*']]) {
      for (const name of ['mine', 'release-mine', 'director-mine', binRoleOfArtifact('malware', '1')]) {
        const made = fleet();
        scheduleMalware(made);
        const { director } = made.keys;
        made.forge.director = editing((signed) =>
          rolesOf(signed).unshift(delegation(name, director, { paths }, false)),
        );
        made.more[name] = {
          signed: { ...made.head(name), targets: { [MALWARE]: artifactOf(66) } },
          signers: director.keys,
        };
        expect(refusal(made), `${name} ${paths}`).toMatch(/E_TRUST_(ARTIFACT|SIGNATURE)/);
      }
    }
  });

  it('by a file of its own keys under the name of a release bin, which it delegated to for its own paths', () => {
    // `release-<bin>` is read for a path of the director's, by the director's keys, before release's delegation is followed.
    const made = new ForgedFleet();
    made.publish('firmware', '1');
    scheduleMalware(made);
    const bin = binRoleOfArtifact('malware', '1');
    const { director } = made.keys;
    made.forge.director = editing((signed) =>
      rolesOf(signed).unshift(delegation(bin, director, { paths: [`rollouts/${GROUP}/*/*`] }, false)),
    );
    made.more[bin] = { signed: { ...made.head(bin), targets: { [MALWARE]: artifactOf(66) } }, signers: director.keys };
    expect(refusal(made)).toBe('E_TRUST_SIGNATURE');
  });

  it('by that, where release’s file for the bin is the one that is read', () => {
    const made = fleet();
    const bin = binRoleOfArtifact('firmware', '1');
    made.forge.director = editing((signed) =>
      rolesOf(signed).unshift(delegation(bin, made.keys.director, { paths: [`rollouts/${GROUP}/*/*`] }, false)),
    );
    expect(refusal(made)).toBe('E_TRUST_SIGNATURE');
  });

  it('by a terminating delegation that keeps release from being asked', () => {
    const made = fleet();
    scheduleMalware(made);
    made.forge.director = editing((signed) =>
      rolesOf(signed).unshift(delegation('mine', made.keys.director, { paths: ['*/*/*/*'] }, true)),
    );
    made.more.mine = {
      signed: { ...made.head('mine'), targets: { [MALWARE]: artifactOf(66), ...made.rollouts[GROUP] } },
      signers: made.keys.director.keys,
    };
    const { rollouts, refused } = made.verify();
    expect(rollouts).toEqual([]);
    expect(refused.map(({ code }) => code)).toEqual(['E_TRUST_ARTIFACT', 'E_TRUST_ARTIFACT']);
  });

  it('by other bytes under a released name: another length, another hash, none', () => {
    const others: Json[] = [
      { length: 1002 },
      { length: 0 },
      { hashes: artifactOf(66).hashes },
      { hashes: {} },
      { hashes: { sha512: '00'.repeat(64) } },
    ];
    for (const other of others) {
      const made = fleet();
      Object.assign(made.rollouts[GROUP]?.[rolloutPath(GROUP, 'firmware', '1')] ?? {}, other);
      expect(refusal(made), JSON.stringify(other)).toBe('E_TRUST_ARTIFACT');
    }
  });

  it('by words of its own about the artifact: what is installed is what release said', () => {
    const made = fleet();
    const rollout = made.rollouts[GROUP]?.[rolloutPath(GROUP, 'firmware', '1')] as Json;
    const { custom } = artifactOf(66);
    rollout.custom = { chunkmesh: { shards: 1, ...(custom.chunkmesh as Json), sites: ['all'] } };
    const [got] = made.verify().rollouts;
    expect(Buffer.from(got?.artifact ?? []).toString('hex')).toBe((GOOD.custom.chunkmesh as Json).artifact);
    expect(got?.audience).toEqual({});
  });

  it('for another group by that group’s paths, nor by a path of another form', () => {
    for (const path of [
      rolloutPath('doors', 'firmware', '1'),
      'rollouts/cameras/firmware/1/1',
      'rollouts/cameras/firmware',
      'rollouts/cameras//1',
      'rollouts/cameras/./1',
      'rollouts/cameras/firmware/.1',
      'rollouts//firmware/1',
      '/rollouts/cameras/firmware/1',
      'Rollouts/cameras/firmware/1',
      'rollouts/*/firmware/1',
      'rollouts/cameras/fi*/1',
      'constructor',
      'rollouts/constructor/toString/valueOf',
    ]) {
      const made = fleet();
      made.rollouts[GROUP] = { [path]: { ...GOOD, custom: { chunkmesh: { shards: 1 } } } };
      expect(refusal(made), path).toBe('E_TRUST_ARTIFACT');
      expect(made.verify().rollouts).toEqual([]);
    }
  });

  it('for a group by a role of another name, or by the group’s own delegations', () => {
    const made = fleet();
    const path = rolloutPath(GROUP, 'firmware', '1');
    const { director } = made.keys;
    made.forge['director-cameras'] = editing((signed) =>
      Object.assign(signed, {
        targets: { [path]: { length: 5, hashes: {} } },
        delegations: { keys: keysJson(director.keys), roles: [delegation('mine', director, { paths: ['*/*/*/*'] })] },
      }),
    );
    made.more.mine = { signed: { ...made.head('mine'), targets: made.rollouts[GROUP] }, signers: director.keys };
    expect(refusal(made)).toBe('E_TRUST_ARTIFACT');
    const other = fleet();
    other.forge.director = editing((signed) => {
      rolesOf(signed).push(delegation('director-mine', director, { paths: ['rollouts/*/*/*'] }));
    });
    other.more['director-mine'] = {
      signed: { ...other.head('x'), targets: other.rollouts[GROUP] },
      signers: newKeys(1),
    };
    expect(other.verify(other.files(), other.state, 'doors').rollouts).toEqual([]);
  });

  it('by patterns that a shell would expand', () => {
    for (const pattern of [
      'rollouts/**',
      'rollouts/**/*/*',
      '{rollouts,artifacts}/*/*/*',
      '{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}/*/*/*',
      '{1..100000000}/*/*/*',
      '!x/*/*/*',
      '#/*/*/*',
      '[a-z]*/*/*/*',
      '@(rollouts)/*/*/*',
      '?ollouts/*/*/*',
      'rollouts/*a*a*a*a*b/*/*',
      '../*/*/*',
      './*/*/*',
      'rollouts//*/*',
      '\\rollouts/*/*/*',
      '',
      '/',
    ]) {
      const made = fleet();
      made.forge.director = editing((signed) =>
        rolesOf(signed).unshift(delegation('mine', made.keys.director, { paths: [pattern] })),
      );
      expect(refusal(made), pattern).toBe('E_TRUST_MALFORMED');
    }
  });

  it('by names that JavaScript’s objects have already', () => {
    for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty', '__defineGetter__', 'valueOf']) {
      const made = fleet();
      made.forge.director = editing((signed) =>
        rolesOf(signed).unshift(delegation(name, made.keys.director, { paths: ['rollouts/*/*/*'] }, false)),
      );
      expect(refusal(made), name).toBe('E_TRUST_MALFORMED');
      if (name === '__proto__') continue;
      const listed = fleet();
      listed.more[name] = { signed: { ...listed.head(name), targets: {} }, signers: listed.keys.director.keys };
      expect(listed.verify().error?.code, name).toMatch(/MALFORMED/);
    }
  });

  it('by delegating to the top roles, or in a circle', () => {
    for (const name of ['root', 'targets', 'snapshot', 'timestamp']) {
      const made = fleet();
      made.forge.director = editing((signed) =>
        rolesOf(signed).unshift(delegation(name, made.keys.director, { paths: ['rollouts/*/*/*'] }, false)),
      );
      expect(refusal(made), name).toBe('E_TRUST_MALFORMED');
    }
    const made = fleet();
    const { director } = made.keys;
    for (const [name, other] of [
      ['one', 'two'],
      ['two', 'one'],
    ] as const) {
      const roles = [delegation(other, director, { paths: ['rollouts/*/*/*'] }, false)];
      const signed = { ...made.head(name), targets: {}, delegations: { keys: keysJson(director.keys), roles } };
      made.more[name] = { signed, signers: director.keys };
    }
    made.forge.director = editing((signed) =>
      rolesOf(signed).unshift(delegation('one', director, { paths: ['rollouts/*/*/*'] }, false)),
    );
    expect(made.verify().rollouts).toHaveLength(1);
  });

  it('by a long way: past so many roles nothing is found', () => {
    const made = fleet();
    const { director } = made.keys;
    for (let i = 0; i < 40; i++) {
      const roles = [delegation(`n${i + 1}`, director, { paths: ['rollouts/*/*/*'] })];
      const signed = { ...made.head('n'), targets: {}, delegations: { keys: keysJson(director.keys), roles } };
      made.more[`n${i}`] = { signed, signers: director.keys };
    }
    made.forge.director = editing((signed) => {
      rolesOf(signed).unshift(delegation('n0', director, { paths: ['rollouts/*/*/*'] }));
    });
    expect(refusal(made)).toBe('E_TRUST_ARTIFACT');
  });

  it('by shards, priorities or addresses past what a rollout has', () => {
    const bad: Json[] = [
      { shards: 3 },
      { shards: 0 },
      { shards: 65_536 },
      { shards: 1, priority: 10 },
      { shards: 1, urgent: false },
      { shards: 1, urls: ['file:///etc/passwd'] },
      { shards: 1, urls: ['https://user:secret@host/x'] },
      { shards: 1, urls: Array(5).fill('https://host/x') },
      {},
    ];
    for (const chunkmesh of bad) {
      const made = fleet();
      Object.assign(made.rollouts[GROUP]?.[rolloutPath(GROUP, 'firmware', '1')] ?? {}, { custom: { chunkmesh } });
      expect(refusal(made), JSON.stringify(chunkmesh)).toBe('E_TRUST_ARTIFACT');
    }
    for (const custom of [null, 5, [], {}, { chunkmesh: null }]) {
      const made = fleet();
      Object.assign(made.rollouts[GROUP]?.[rolloutPath(GROUP, 'firmware', '1')] ?? {}, { custom });
      expect(refusal(made), JSON.stringify(custom)).toBe('E_TRUST_ARTIFACT');
    }
  });
});

describe('P-12.2: a release bin', () => {
  it('has a say for the paths that hash into it alone', () => {
    const made = fleet();
    scheduleMalware(made);
    // Signed by release, in a bin of another path.
    const wrong = binRole(binOf(MALWARE) === '00' ? '01' : '00');
    made.more[wrong] = {
      signed: { ...made.head(wrong), targets: { [MALWARE]: artifactOf(66) } },
      signers: made.keys.release.keys,
    };
    expect(refusal(made)).toBe('E_TRUST_ARTIFACT');
  });

  it('is refused alone where it does not verify: rollouts of other bins count', () => {
    const made = fleet();
    made.publish('model', '7');
    made.forge[binRoleOfArtifact('model', '7')] = { expires: NOW - 1 };
    const { error, refused, rollouts } = made.verify();
    expect(error).toBeUndefined();
    expect(refused.map(({ code }) => code)).toEqual(['E_TRUST_EXPIRED']);
    expect(rollouts.map(({ name }) => name)).toEqual(['firmware']);
  });

  it('says who may have an artifact, within limits', () => {
    const made = new ForgedFleet();
    made.release('firmware', '1', { groups: ['cameras'], sites: ['hall-2'] });
    made.schedule('firmware', '1');
    expect(made.verify().rollouts[0]?.audience).toEqual({ groups: ['cameras'], sites: ['hall-2'] });
    for (const audience of [{ groups: [] }, { groups: ['a/b'] }, { sites: 'all' }, { sites: Array(65).fill('s') }]) {
      const other = new ForgedFleet();
      other.release('firmware', '1', audience);
      other.schedule('firmware', '1');
      expect(refusal(other), JSON.stringify(audience)).toBe('E_TRUST_ARTIFACT');
    }
  });
});
