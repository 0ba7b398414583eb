import { cp, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { adopt } from '../../../broker/trust/adopt.js';
import { TrustRepository } from '../../../broker/trust/repository.js';
import type { Files } from '../../../shared/trust/bundle.js';
import { temporaryFolder } from '../../support/store_fixture.js';
import { DAY, TestTrust } from '../../support/test_trust.js';

/** What a fleet's folder remembers of what was published, and learns of what was not published from it. */

const NOW = 1_800_000_000;

async function copyOf({ folder }: TestTrust): Promise<TrustRepository> {
  const copy = await temporaryFolder();
  await cp(folder, copy, { recursive: true });
  return TrustRepository.open(copy);
}

const numberOf = async (repository: TrustRepository): Promise<number> => (await repository.current()).timestampVersion;
const bundleOf = async (repository: TrustRepository, group: string): Promise<Files> =>
  repository.bundleFiles(await repository.current(), group);

async function names(repository: TrustRepository, group: string): Promise<string[]> {
  const { error, rollouts } = await repository.verify(await repository.current(), group, NOW);
  if (error !== undefined) throw error;
  return rollouts.map(({ name, version }) => `${name} ${version}`);
}

describe('the folder', () => {
  it('knows nothing of a group before its first publish', async () => {
    const { repository } = await TestTrust.create(NOW);
    expect(await names(repository, 'cams')).toEqual([]);
  });

  it('remembers the number that was spent and what was published, for each group, its keys in files of its owner’s', async () => {
    const trust = await TestTrust.create(NOW);
    await trust.publish('cams', { name: 'a', version: '1' }, NOW);
    await trust.publish('other', { name: 'b', version: '1' }, NOW);
    const again = await TrustRepository.open(trust.folder);
    expect(await numberOf(again)).toBe(await numberOf(trust.repository));
    expect([await names(again, 'cams'), await names(again, 'other')]).toEqual([['a 1'], ['b 1']]);
    const keys = join(trust.folder, 'trust/keys');
    for (const file of await readdir(keys)) expect((await stat(join(keys, file))).mode & 0o077, file).toBe(0);
  });

  it('refuses to go on from a file it cannot read: a number would be used twice (P-12.5)', async () => {
    const trust = await TestTrust.create(NOW);
    await trust.publish('cams', { name: 'a', version: '1' }, NOW);
    for (const text of ['', '{}', '{"signed":{"version":-1},"signatures":[]}']) {
      await writeFile(join(trust.repository.metadata.path, 'timestamp.json'), text);
      const publishing = trust.publish('cams', { name: 'a', version: '2' }, NOW);
      await expect(publishing).rejects.toMatchObject({ name: 'ChunkmeshError' });
    }
  });

  it('says where it cannot write, and counts as before', async () => {
    const trust = await TestTrust.create(NOW);
    const { repository } = trust;
    const { snapshotVersion } = await repository.current();
    const inTheWay = join(repository.metadata.path, `${snapshotVersion + 1}.snapshot.json`);
    await mkdir(join(inTheWay, 'x'), { recursive: true });
    const before = await numberOf(repository);
    const publishing = trust.publish('cams', { name: 'a', version: '1' }, NOW);
    await expect(publishing).rejects.toMatchObject({ code: 'E_STORE_IO' });
    expect(await numberOf(repository)).toBe(before);
    await rm(inTheWay, { recursive: true });
    await trust.publish('cams', { name: 'a', version: '1' }, NOW);
    expect(await names(repository, 'cams')).toEqual(['a 1']);
  });
});

describe('adopt', () => {
  it('takes over what another folder made since, and goes on above its number', async () => {
    const trust = await TestTrust.create(NOW);
    await trust.publish('cams', { name: 'a', version: '1' }, NOW);
    const old = await copyOf(trust);
    await trust.publish('cams', { name: 'b', version: '1' }, NOW);
    expect(await adopt(old, await bundleOf(trust.repository, 'cams'), 'cams')).toBe(true);
    expect(await numberOf(old)).toBe(await numberOf(trust.repository));
    expect(await names(old, 'cams')).toEqual(['a 1', 'b 1']);
    expect(await adopt(old, await bundleOf(trust.repository, 'cams'), 'cams')).toBe(false);
  });

  it('takes over what is expired: a folder of before would go on with numbers that devices have seen', async () => {
    const trust = await TestTrust.create(NOW - 200 * DAY);
    const old = await copyOf(trust);
    await trust.publish('cams', { name: 'a', version: '1' }, NOW - 190 * DAY, { shards: 1 }, 1);
    expect(await adopt(old, await bundleOf(trust.repository, 'cams'), 'cams')).toBe(true);
    expect(await numberOf(old)).toBe(await numberOf(trust.repository));
  });

  it('takes over one of the same number that is another, and nothing that is older', async () => {
    const trust = await TestTrust.create(NOW);
    await trust.publish('cams', { name: 'a', version: '1' }, NOW);
    const older = await bundleOf(trust.repository, 'cams');
    const fork = await copyOf(trust);
    await trust.publish('cams', { name: 'b', version: '1' }, NOW);
    expect(await adopt(trust.repository, older, 'cams')).toBe(false);
    expect(await names(trust.repository, 'cams')).toEqual(['a 1', 'b 1']);
    for (let i = 0; i < 2; i++) await fork.seal(await fork.current(), new Map(), NOW, 30);
    expect(await numberOf(fork)).toBe(await numberOf(trust.repository));
    expect(await adopt(trust.repository, await bundleOf(fork, 'cams'), 'cams')).toBe(true);
    expect(await names(trust.repository, 'cams')).toEqual(['a 1']);
  });

  it('takes over nothing that its root’s keys did not sign', async () => {
    const [trust, foreign] = [await TestTrust.create(NOW), await TestTrust.create(NOW)];
    for (const version of ['1', '2', '3']) await foreign.publish('cams', { name: 'a', version }, NOW);
    const before = await readdir(trust.repository.metadata.path);
    expect(await adopt(trust.repository, await bundleOf(foreign.repository, 'cams'), 'cams')).toBe(false);
    expect(await readdir(trust.repository.metadata.path)).toEqual(before);
  });

  it('fills in the files of a group that its snapshot names and it has not', async () => {
    const trust = await TestTrust.create(NOW);
    const old = await copyOf(trust);
    await trust.publish('cams', { name: 'a', version: '1' }, NOW);
    const ofCams = await bundleOf(trust.repository, 'cams');
    await trust.publish('other', { name: 'b', version: '1' }, NOW);
    // From a broker that has both: first the newer one, which has nothing of the other group.
    expect(await adopt(old, await bundleOf(trust.repository, 'other'), 'other')).toBe(true);
    await expect(names(old, 'cams')).rejects.toMatchObject({ name: 'ChunkmeshError' });
    expect(await adopt(old, ofCams, 'cams')).toBe(false);
    expect([await names(old, 'cams'), await names(old, 'other')]).toEqual([['a 1'], ['b 1']]);
  });

  it('fills in nothing that is other than its snapshot says', async () => {
    const trust = await TestTrust.create(NOW);
    const old = await copyOf(trust);
    await trust.publish('cams', { name: 'a', version: '1' }, NOW);
    const ofCams = new Map(await bundleOf(trust.repository, 'cams'));
    await trust.publish('other', { name: 'b', version: '1' }, NOW);
    await adopt(old, await bundleOf(trust.repository, 'other'), 'other');
    const before = await readdir(old.metadata.path);
    const fork = await TestTrust.create(NOW);
    await fork.publish('cams', { name: 'a', version: '1' }, NOW);
    for (const [file, bytes] of await bundleOf(fork.repository, 'cams'))
      if (!before.includes(file)) ofCams.set(file, bytes);
    expect(await adopt(old, ofCams, 'cams')).toBe(false);
    expect(await readdir(old.metadata.path)).toEqual(before);
  });
});
