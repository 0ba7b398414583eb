import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Fleet } from '../../../broker/fleet/fleet.js';
import { type AllKeys, changeKeys, renew } from '../../../broker/trust/ceremony.js';
import { tufKey } from '../../../broker/trust/metadata_edits.js';
import { TrustRepository } from '../../../broker/trust/repository.js';
import { SigningKey } from '../../../shared/crypto/signature.js';
import { loadCredential } from '../../../shared/identity/bundle.js';

const seconds = (): number => Math.floor(Date.now() / 1000);
const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'chunkmesh-fleet-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe('Fleet.init', () => {
  it('makes a folder with keys that its owner alone can read, and four bundles', async () => {
    const fleet = await Fleet.init(join(root, 'acme'), { fleet: 'acme', hosts: ['broker.example'], port: 1884 });
    expect(fleet.prefix).toBe('chunkmesh/acme');
    expect(await modeOf(fleet.folder)).toBe(0o700);
    const keys = (await readdir(join(fleet.folder, 'trust/keys'))).map((name) => join('trust/keys', name));
    expect(keys).toHaveLength(10);
    const others = ['ca.key', 'broker/server.key', 'publisher.json', 'operator.json', 'auditor.json', 'registrar.json'];
    for (const name of [...others, ...keys]) {
      expect(await modeOf(join(fleet.folder, name)), name).toBe(0o600);
    }
    const pinned = await readFile(join(fleet.folder, 'trust/metadata/1.root.json'), 'utf8');
    for (const role of Fleet.bundles) {
      const credential = await loadCredential(fleet.bundlePath(role), seconds());
      expect(credential.identity).toEqual({ fleet: 'acme', id: role, role, site: 'default', groups: [] });
      expect(credential.broker).toBe('mqtts://broker.example:1884');
      expect(credential.root).toBe(pinned);
    }
    expect(await readdir(root)).toEqual(['acme']);
  });

  it('takes the place of an empty folder and of no other', async () => {
    await mkdir(join(root, 'empty'));
    const { ino } = await stat(join(root, 'empty'));
    await Fleet.init(join(root, 'empty'), { fleet: 'acme' });
    expect(await stat(join(root, 'empty'))).toMatchObject({ ino });
    expect(await modeOf(join(root, 'empty'))).toBe(0o700);
    expect(await readdir(root)).toEqual(['empty']);
    const before = await readFile(join(root, 'empty/fleet.json'), 'utf8');
    await expect(Fleet.init(join(root, 'empty'), { fleet: 'other' })).rejects.toMatchObject({ code: 'E_FLEET_EXISTS' });
    expect(await readFile(join(root, 'empty/fleet.json'), 'utf8')).toBe(before);
    await writeFile(join(root, 'file'), 'x');
    await expect(Fleet.init(join(root, 'file'), { fleet: 'acme' })).rejects.toMatchObject({ code: 'E_FLEET_EXISTS' });
  });

  it.each([
    [{ fleet: 'a.b' }, 'E_ID'],
    [{ fleet: '' }, 'E_ID'],
    [{ fleet: 'a', prefix: 'a//b' }, 'E_TOPIC_PREFIX'],
    [{ fleet: 'a', prefix: 'a/#' }, 'E_TOPIC_PREFIX'],
    [{ fleet: 'a', prefix: '$SYS' }, 'E_TOPIC_PREFIX'],
    [{ fleet: 'a', hosts: ['a b'] }, 'E_ARGUMENT'],
    [{ fleet: 'a', port: 0 }, 'E_ARGUMENT'],
    [{ fleet: 'a', port: 65_536 }, 'E_ARGUMENT'],
  ])('refuses %j with %s and leaves nothing', async (options, code) => {
    await expect(Fleet.init(join(root, 'x'), options)).rejects.toMatchObject({ code });
    expect(await readdir(root)).toEqual([]);
  });

  it.each(['new', 'empty'])('lets one of two at once have the %s folder, whole', async (name) => {
    if (name === 'empty') await mkdir(join(root, name));
    const both = await Promise.allSettled(['a', 'b'].map((fleet) => Fleet.init(join(root, name), { fleet })));
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const { fleet, folder } = await Fleet.open(join(root, name));
    const { identity } = await loadCredential(join(folder, 'auditor.json'), seconds());
    expect(identity.fleet).toBe(fleet);
    expect(await readdir(root)).toEqual([name]);
  });

  it('leaves nothing where it fails half way', async () => {
    await writeFile(join(root, 'file'), '');
    await expect(Fleet.init(join(root, 'file/sub'), { fleet: 'a' })).rejects.toMatchObject({ code: /E_F/ });
    expect(await readdir(root)).toEqual(['file']);
  });
});

describe('Fleet.open', () => {
  it('finds no fleet in an empty folder', async () => {
    await expect(Fleet.open(root)).rejects.toMatchObject({ code: 'E_FLEET_MISSING' });
    await expect(Fleet.open(join(root, 'none'))).rejects.toMatchObject({ code: 'E_FLEET_MISSING' });
  });

  it('refuses a CA key that others can read', async () => {
    const { folder } = await Fleet.init(join(root, 'f'), { fleet: 'a' });
    await chmod(join(folder, 'ca.key'), 0o640);
    await expect(Fleet.open(folder)).rejects.toMatchObject({ code: 'E_KEY_FILE_MODE' });
  });

  it.each(['', '{', '[]', '{"v":2}', '{"v":1,"fleet":"a.b"}'])('refuses a fleet.json of %j', async (text) => {
    const { folder } = await Fleet.init(join(root, 'f'), { fleet: 'a' });
    await writeFile(join(folder, 'fleet.json'), text);
    await expect(Fleet.open(folder)).rejects.toMatchObject({ code: 'E_CONFIG' });
  });
});

describe('Fleet.enroll', () => {
  it('gives a device a bundle and a row of the roster', async () => {
    const fleet = await Fleet.init(join(root, 'f'), { fleet: 'acme' });
    const path = await fleet.enroll('cam-1', { role: 'seed', site: 'north', groups: ['a', 'b', 'a'], days: 7 });
    expect(path).toBe(join(fleet.folder, 'devices/cam-1.json'));
    expect(await modeOf(path)).toBe(0o600);
    const { identity, root: pinned, notAfter } = await loadCredential(path, seconds());
    expect(identity).toEqual({ fleet: 'acme', id: 'cam-1', role: 'seed', site: 'north', groups: ['a', 'b'] });
    expect(pinned).toBe(await readFile(join(fleet.folder, 'trust/metadata/1.root.json'), 'utf8'));
    expect(Math.abs(notAfter - seconds() - 7 * 86_400)).toBeLessThan(60);
    const { roster } = await Fleet.open(fleet.folder);
    expect(roster.map(({ id }) => id)).toEqual([...Fleet.bundles, 'cam-1']);
    expect(roster.at(-1)).toMatchObject({ role: 'seed', site: 'north', groups: ['a', 'b'], notAfter });
  });

  it('P-12.1: pins the newest root that is signed in later bundles, and none that waits for signatures', async () => {
    const fleet = await Fleet.init(join(root, 'f'), { fleet: 'acme' });
    const before = await loadCredential(await fleet.enroll('cam-1'), seconds());
    const repository = await TrustRepository.open(fleet.folder);
    expect(await renew(repository, 'root', seconds())).toEqual([]);
    const after = await loadCredential(await fleet.enroll('cam-2'), seconds());
    expect([before, after].map(({ root: text }) => JSON.parse(text).signed.version)).toEqual([1, 2]);
    const missing = tufKey(SigningKey.generate().publicKey);
    const both = (keys: AllKeys): AllKeys => ({ ...keys, root: { keys: [...keys.root.keys, missing], threshold: 2 } });
    expect(await changeKeys(repository, both, seconds())).not.toEqual([]);
    expect((await loadCredential(await fleet.enroll('cam-3'), seconds())).root).toBe(after.root);
  });

  it.each([
    ['a.b', {}, 'E_ID'],
    ['', {}, 'E_ID'],
    ['../x', {}, 'E_ID'],
    ['x'.repeat(65), {}, 'E_ID'],
    ['ok', { site: 'a/b' }, 'E_ID'],
    ['ok', { groups: ['+'] }, 'E_ID'],
    ['ok', { groups: Array.from({ length: 33 }, (_, i) => `g${i}`) }, 'E_ARGUMENT'],
    ['ok', { days: 0 }, 'E_ARGUMENT'],
    ['ok', { days: 1.5 }, 'E_ARGUMENT'],
    ['auditor', {}, 'E_DEVICE_EXISTS'],
  ])('refuses %j %j with %s', async (id, options, code) => {
    const fleet = await Fleet.init(join(root, 'f'), { fleet: 'acme' });
    const before = await readFile(join(fleet.folder, 'fleet.json'), 'utf8');
    await expect(fleet.enroll(id, options)).rejects.toMatchObject({ code });
    expect(await readFile(join(fleet.folder, 'fleet.json'), 'utf8')).toBe(before);
    expect(await readdir(join(fleet.folder, 'devices'))).toEqual([]);
  });

  it('renews a member: another key, the same place, and only the new certificate in the roster', async () => {
    const fleet = await Fleet.init(join(root, 'f'), { fleet: 'acme' });
    const about = { role: 'seed', site: 'north', groups: ['a'] } as const;
    const before = await loadCredential(await fleet.enroll('depot', { ...about, days: 7 }), seconds());
    const old = fleet.roster.at(-1)?.fingerprint;
    const after = await loadCredential(await fleet.enroll('depot', { renew: true }), seconds());
    expect(after.identity).toEqual(before.identity);
    expect(after.key.publicKey).not.toEqual(before.key.publicKey);
    const { roster } = await Fleet.open(fleet.folder);
    expect(roster.filter(({ id }) => id === 'depot')).toMatchObject([{ ...about, notAfter: after.notAfter }]);
    expect(roster.map(({ fingerprint }) => fingerprint)).not.toContain(old);
    const moved = await loadCredential(await fleet.enroll('depot', { renew: true, groups: ['b'] }), seconds());
    expect(moved.identity).toMatchObject({ role: 'seed', site: 'north', groups: ['b'] });
  });

  it('leaves what devices trust as it is where a publisher is renewed or added', async () => {
    const fleet = await Fleet.init(join(root, 'f'), { fleet: 'acme' });
    const before = await loadCredential(await fleet.enroll('cam-1'), seconds());
    await fleet.enroll('publisher', { renew: true });
    await fleet.enroll('night', { role: 'publisher', groups: [] });
    const after = await loadCredential(await fleet.enroll('cam-2'), seconds());
    expect(after.root).toBe(before.root);
  });

  it('does not renew who is not there', async () => {
    const fleet = await Fleet.init(join(root, 'f'), { fleet: 'acme' });
    await expect(fleet.enroll('cam-1', { renew: true })).rejects.toMatchObject({ code: 'E_ARGUMENT' });
  });

  it('loses none of many at once, and lets one of two equal ones win', async () => {
    const { folder } = await Fleet.init(join(root, 'f'), { fleet: 'acme' });
    const ids = Array.from({ length: 24 }, (_, i) => `cam-${i % 20}`);
    const results = await Promise.allSettled(ids.map(async (id) => (await Fleet.open(folder)).enroll(id)));
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(4);
    const { roster } = await Fleet.open(folder);
    expect(new Set(roster.map(({ id }) => id)).size).toBe(Fleet.bundles.length + 20);
    expect(await readdir(join(folder, 'devices'))).toHaveLength(20);
  });

  it('gets past the lock of a process that was killed', async () => {
    const fleet = await Fleet.init(join(root, 'f'), { fleet: 'acme' });
    await writeFile(join(fleet.folder, '.lock'), '4194303 dead');
    await fleet.enroll('cam-1');
    expect((await readdir(fleet.folder)).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});
