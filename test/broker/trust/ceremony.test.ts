import type { Key } from '@tufjs/models';
import { describe, expect, it } from 'vitest';
import { changeKeys, initTrust, keysNow, ONLINE_DAYS, stage } from '../../../broker/trust/ceremony.js';
import {
  type KeyedRole,
  makeTarget,
  makeTargetList,
  type SigningKeyLike,
} from '../../../broker/trust/metadata_edits.js';
import { releaseArtifact, releasedArtifact } from '../../../broker/trust/schedule.js';
import { ids, NOW, OfflineFleet, ONLINE, put } from '../../support/offline_fleet.js';
import { testIndex } from '../../support/test_trust.js';

/** Ceremonies (P-12.8): keys of every role, changed and signed elsewhere. */

describe('P-12.8: a fleet whose keys are elsewhere', () => {
  it('begins once two of three have signed root and targets, one by one', async () => {
    const { fleet, keys } = await OfflineFleet.create(3, 2);
    const waiting = await fleet.begin(keys);
    expect(waiting.map(({ file, signatures, threshold }) => [file, signatures, threshold])).toEqual([
      ['1.root.json', 0, 2],
      ['1.targets.json', 0, 2],
    ]);
    await expect(fleet.repository.root()).rejects.toMatchObject({ code: 'E_TRUST_SIGNATURE' });
    for (const [role, file] of [
      ['root', 'root'],
      ['release', 'targets'],
    ] as const) {
      const [one = '', two = ''] = ids(keys, role);
      await fleet.signBy(one, file);
      expect((await fleet.promote()).find((row) => row.role === file)?.signatures).toBe(1);
      await fleet.signBy(one, file);
      expect((await fleet.promote()).find((row) => row.role === file)?.signatures).toBe(1);
      expect(await fleet.repository.metadata.list()).toEqual([]);
      await fleet.signBy(two, file);
    }
    expect(await fleet.promote()).toEqual([]);
    expect(await fleet.staged()).toEqual([]);
    expect((await fleet.repository.metadata.list()).map(({ file }) => file).sort()).toEqual([
      '1.director.json',
      '1.root.json',
      '1.snapshot.json',
      '1.targets.json',
      'timestamp.json',
    ]);
  });

  it('is not begun twice, also while it waits', async () => {
    const { fleet, keys } = await OfflineFleet.create(1, 1);
    await fleet.begin(keys);
    await expect(initTrust(fleet.repository, NOW)).rejects.toMatchObject({ code: 'E_FLEET_EXISTS' });
    await fleet.signAll();
    await fleet.promote();
    await expect(initTrust(fleet.repository, NOW)).rejects.toMatchObject({ code: 'E_FLEET_EXISTS' });
  });

  it('signs by keys that mean nothing to it, to no avail', async () => {
    const { fleet, keys } = await OfflineFleet.create(1, 1);
    await fleet.begin(keys);
    const [stranger] = fleet.elsewhere(1);
    await fleet.signBy(stranger?.keyID ?? '');
    await fleet.signBy(ids(keys, 'release')[0] ?? '');
    expect((await fleet.promote()).map(({ role }) => role)).toEqual(['root']);
  });

  it('publishes an artifact that two of three sign, and one more that waits in the same bin', async () => {
    const { fleet, keys, state } = await OfflineFleet.ready();
    await fleet.publish('firmware', '1');
    expect((await fleet.verify(state)).names).toEqual(['firmware 1']);
    // Two in one bin, one after the other, neither signed yet.
    const { binOf } = await import('../../../shared/trust/names.js');
    const versions = Array.from({ length: 2000 }, (_, i) => `v${i}`);
    const bin = binOf('artifacts/model/v0');
    const [a = '', b = ''] = versions.filter((version) => binOf(`artifacts/model/${version}`) === bin);
    const release = async (version: string, seed: number) =>
      releaseArtifact(
        fleet.repository,
        await fleet.repository.current(),
        { name: 'model', version, index: testIndex(seed) },
        NOW,
      );
    await expect(release(a, 1)).rejects.toMatchObject({ code: 'E_TRUST_SIGNATURE' });
    await fleet.signBy(ids(keys, 'release')[0] ?? '');
    // Asked for again, what was signed meanwhile stays.
    await expect(release(a, 1)).rejects.toMatchObject({ message: expect.stringContaining('1 of 2') });
    await expect(release(b, 2)).rejects.toMatchObject({ message: expect.stringContaining('0 of 2') });
    await fleet.signAll();
    expect(await fleet.promote()).toEqual([]);
    for (const version of [a, b]) await fleet.schedule('model', version);
    expect((await fleet.verify(state)).names).toEqual(['firmware 1', `model ${b}`]);
    expect(await releasedArtifact(fleet.repository, await fleet.repository.current(), 'model', a)).toBeDefined();
  });
});

describe('P-12.8: what has outgrown its limits', () => {
  it('is refused before anything of it is written', async () => {
    const { fleet, state } = await OfflineFleet.ready(1, 1);
    await fleet.publish('firmware', '1');
    const { repository } = fleet;
    const files = (await repository.metadata.list()).map(({ file }) => file);
    const sites = Array.from({ length: 64 }, (_, i) => `${i}`.padStart(64, 's'));
    const bin = Array.from({ length: 60 }, (_, i) =>
      makeTarget(`artifacts/model/${i}`, 1, '00'.repeat(32), { artifact: '00'.repeat(32), chunks: 1, sites }),
    );
    const metadata = makeTargetList(bin, { version: 1, expires: NOW + 1000 });
    const { release } = await keysNow(repository, await repository.current());
    await expect(stage(repository, 'release-00', metadata, release)).rejects.toMatchObject({
      code: 'E_TRUST_MALFORMED',
    });
    const seal = repository.seal(await repository.current(), new Map([['release-00', metadata]]), NOW, ONLINE_DAYS);
    await expect(seal).rejects.toMatchObject({ code: 'E_TRUST_MALFORMED' });
    expect(await fleet.staged()).toEqual([]);
    expect((await repository.metadata.list()).map(({ file }) => file)).toEqual(files);
    expect((await fleet.verify(state)).names).toEqual(['firmware 1']);
  });
});

describe('P-12.8: keys of every role', () => {
  it('are added and rotated, thresholds change, and devices follow', async () => {
    const { fleet, keys, state } = await OfflineFleet.ready(2, 1);
    await fleet.publish('firmware', '1');
    let device = (await fleet.verify(state)).state;
    let now = keys;
    const change = async (role: KeyedRole, list: readonly Key[], threshold: number): Promise<void> => {
      await changeKeys(fleet.repository, put(role, list, threshold), NOW);
      await fleet.signAll();
      expect(await fleet.promote(), role).toEqual([]);
      now = put(role, list, threshold)(now);
      for (const from of [device, state]) {
        const verdict = await fleet.verify(from);
        expect([verdict.code, verdict.names], role).toEqual([undefined, ['firmware 1']]);
        if (from === device) device = verdict.state;
      }
    };
    for (const role of ['root', 'release'] as const) {
      await change(role, [...now[role].keys, ...fleet.elsewhere(1)], 2);
      await change(role, [...now[role].keys.slice(1), ...fleet.elsewhere(1)], 3);
      await change(role, fleet.elsewhere(2), 1);
    }
    for (const role of ONLINE) await change(role, [await fleet.repository.keys.create(role)], 1);
    // The director's keys are for targets to name.
    expect((await fleet.verify(state)).root).toBe(9);
    await fleet.publish('firmware', '2');
    expect((await fleet.verify(device)).names).toEqual(['firmware 2']);
  });

  it('that are too few, too many, or there twice are refused, and nothing is staged', async () => {
    const { fleet, keys } = await OfflineFleet.ready(1, 1);
    const bad: [readonly Key[], number][] = [
      [keys.root.keys, 2],
      [keys.root.keys, 0],
      [keys.root.keys, 1.5],
      [keys.root.keys, Number.NaN],
      [[], 1],
      [[...keys.root.keys, ...keys.root.keys], 1],
      [fleet.elsewhere(17), 1],
    ];
    for (const role of ['root', 'release', ...ONLINE] as const) {
      for (const [list, threshold] of bad) {
        await expect(changeKeys(fleet.repository, put(role, list, threshold), NOW)).rejects.toMatchObject({
          code: 'E_ARGUMENT',
        });
      }
    }
    expect(await fleet.staged()).toEqual([]);
    const most = fleet.elsewhere(16);
    await changeKeys(fleet.repository, put('root', most, 16), NOW);
    for (const { keyID } of [...keys.root.keys, ...most]) await fleet.signBy(keyID);
    expect(await fleet.promote()).toEqual([]);
  });

  it('are promoted all or not at all: a root that lacks one signature holds targets back', async () => {
    const { fleet, keys, state } = await OfflineFleet.ready();
    await fleet.publish('firmware', '1');
    const files = (await fleet.repository.metadata.list()).map(({ file }) => file);
    await changeKeys(fleet.repository, put('release', fleet.elsewhere(3), 2), NOW);
    const [one = '', two = ''] = ids(keys, 'root');
    const others = [...ids(keys, 'root'), ...ids(keys, 'release')];
    for (const id of fleet.offline.keys()) if (!others.includes(id)) await fleet.signBy(id);
    await fleet.signBy(one);
    expect((await fleet.promote()).map(({ role }) => role)).toEqual(['root', 'root']);
    expect((await fleet.repository.metadata.list()).map(({ file }) => file)).toEqual(files);
    expect((await fleet.verify(state)).names).toEqual(['firmware 1']);
    await fleet.signBy(two);
    expect(await fleet.promote()).toEqual([]);
    expect(await fleet.verify(state)).toMatchObject({ names: ['firmware 1'], root: 2 });
  });

  it('a second change goes on from one that waits', async () => {
    const { fleet, state } = await OfflineFleet.ready();
    const [root, release] = [fleet.elsewhere(2), fleet.elsewhere(2)];
    await changeKeys(fleet.repository, put('root', root, 2), NOW);
    await fleet.signAll();
    await changeKeys(fleet.repository, put('release', release, 2), NOW);
    // What was signed before does not count for what stands there now.
    expect((await fleet.promote()).find(({ role }) => role === 'root')?.signatures).toBe(0);
    await fleet.signAll();
    expect(await fleet.promote()).toEqual([]);
    const { root: version } = await fleet.verify(state);
    expect(version).toBe(2);
    const { metadata } = await fleet.repository.root();
    expect(metadata.signed.roles.root?.keyIDs).toEqual(root.map(({ keyID }) => keyID));
    expect(metadata.signed.roles.targets?.keyIDs).toEqual(release.map(({ keyID }) => keyID));
  });

  it('a rotation waits while others publish; what they published is under the new keys then', async () => {
    const { fleet, keys, state } = await OfflineFleet.ready(1, 1);
    await fleet.publish('firmware', '1');
    const key = fleet.offline.get(ids(keys, 'release')[0] ?? '') as SigningKeyLike;
    const [next] = fleet.elsewhere(1);
    await changeKeys(fleet.repository, put('release', next ? [next] : [], 1), NOW);
    const before = await fleet.staged();
    // Nothing is released meanwhile in this folder; in another one, where the change does not lie, it is: in the bin that waits too.
    fleet.repository.keys.add(key);
    const elsewhere = new Map<string, Buffer>();
    const release = async (name: string, version: string) =>
      releaseArtifact(fleet.repository, await fleet.repository.current(), { name, version, index: testIndex(50) }, NOW);
    await expect(release('model', '7')).rejects.toMatchObject({ code: 'E_TRUST_SIGNATURE' });
    await fleet.schedule('firmware', '1');
    for (const file of before) elsewhere.set(file, await fleet.repository.staged.bytes(file));
    for (const file of before) await fleet.repository.staged.remove(file);
    for (const [name, version] of [
      ['model', '7'],
      ['firmware', '1'],
    ] as const) {
      const current = await fleet.repository.current();
      const bin = await release(name, version);
      if (bin === null) throw new Error('nothing new');
      await fleet.repository.seal(current, new Map([[bin.role, bin.metadata]]), NOW, ONLINE_DAYS);
      await fleet.schedule(name, version);
    }
    expect(await fleet.verify(state)).toMatchObject({ names: ['firmware 1', 'model 7'], root: 1 });
    for (const [file, bytes] of elsewhere) await fleet.repository.staged.writeBytes(file, bytes);
    await fleet.reopen();
    await fleet.signAll();
    // The bins have changed since: they are staged once more, and wait.
    const waiting = await fleet.promote();
    expect(waiting.map(({ role }) => role).every((role) => role.startsWith('release-'))).toBe(true);
    expect(waiting).toHaveLength(2);
    expect((await fleet.staged()).length).toBe(before.length + 1);
    await fleet.signAll();
    expect(await fleet.promote()).toEqual([]);
    const verdict = await fleet.verify(state);
    expect(verdict).toMatchObject({ names: ['firmware 1', 'model 7'], root: 2, code: undefined });
    const got = await releasedArtifact(fleet.repository, await fleet.repository.current(), 'firmware', '1');
    expect(got?.length).toBe(1050);
  });

  it('an artifact that waits is not lost by a rotation of release', async () => {
    const { fleet, state } = await OfflineFleet.ready(1, 1);
    const release = async () =>
      releaseArtifact(
        fleet.repository,
        await fleet.repository.current(),
        { name: 'model', version: '7', index: testIndex(9) },
        NOW,
      );
    await expect(release()).rejects.toMatchObject({ code: 'E_TRUST_SIGNATURE' });
    await changeKeys(fleet.repository, put('release', fleet.elsewhere(1), 1), NOW);
    await fleet.signAll();
    expect(await fleet.promote()).toEqual([]);
    await fleet.schedule('model', '7');
    expect(await fleet.verify(state)).toMatchObject({ names: ['model 7'], root: 2 });
  });

  it('an online key that is not here leaves all as it was', async () => {
    const { fleet, state } = await OfflineFleet.ready(1, 1);
    await fleet.publish('firmware', '1');
    for (const role of ONLINE) {
      const files = (await fleet.repository.metadata.list()).map(({ file }) => file);
      await changeKeys(fleet.repository, put(role, fleet.elsewhere(1), 1), NOW).catch(() => undefined);
      await fleet.signAll();
      await expect(fleet.promote(), role).rejects.toMatchObject({ code: 'E_TRUST_SIGNATURE' });
      expect((await fleet.repository.metadata.list()).map(({ file }) => file)).toEqual(files);
      expect((await fleet.verify(state)).names).toEqual(['firmware 1']);
      for (const file of await fleet.staged()) await fleet.repository.staged.remove(file);
    }
  });
});
