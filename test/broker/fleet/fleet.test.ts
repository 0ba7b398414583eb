import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Fleet } from '../../../broker/fleet/fleet.js';
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
    for (const name of [
      'ca.key',
      'broker/server.key',
      'publisher.json',
      'operator.json',
      'auditor.json',
      'registrar.json',
    ]) {
      expect(await modeOf(join(fleet.folder, name)), name).toBe(0o600);
    }
    const publisher = await loadCredential(join(fleet.folder, 'publisher.json'), seconds());
    for (const role of Fleet.bundles) {
      const credential = await loadCredential(fleet.bundlePath(role), seconds());
      expect(credential.identity).toEqual({ fleet: 'acme', id: role, role, site: 'default', groups: [] });
      expect(credential.broker).toBe('mqtts://broker.example:1884');
      expect(credential.publishers).toEqual([publisher.key.publicKey]);
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
    const { identity, publishers, notAfter } = await loadCredential(path, seconds());
    expect(identity).toEqual({ fleet: 'acme', id: 'cam-1', role: 'seed', site: 'north', groups: ['a', 'b'] });
    expect(publishers).toHaveLength(1);
    expect(Math.abs(notAfter - seconds() - 7 * 86_400)).toBeLessThan(60);
    const { roster } = await Fleet.open(fleet.folder);
    expect(roster.map(({ id }) => id)).toEqual([...Fleet.bundles, 'cam-1']);
    expect(roster.at(-1)).toMatchObject({ role: 'seed', site: 'north', groups: ['a', 'b'], notAfter });
  });

  it('pins a second publisher in later bundles', async () => {
    const fleet = await Fleet.init(join(root, 'f'), { fleet: 'acme' });
    const second = await loadCredential(await fleet.enroll('night', { role: 'publisher', groups: [] }), seconds());
    const device = await loadCredential(await fleet.enroll('cam-1'), seconds());
    expect(device.publishers).toHaveLength(2);
    expect(device.publishers[1]).toEqual(second.key.publicKey);
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

  it('pins the key of a renewed publisher instead of its old one', async () => {
    const fleet = await Fleet.init(join(root, 'f'), { fleet: 'acme' });
    const { key } = await loadCredential(await fleet.enroll('publisher', { renew: true }), seconds());
    const { publishers } = await loadCredential(await fleet.enroll('cam-1'), seconds());
    expect(publishers).toEqual([key.publicKey]);
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
