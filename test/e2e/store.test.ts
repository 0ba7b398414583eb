import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { flip } from '../support/file_damage.js';
import { Mesh, MIB, sha256Of } from './support/mesh.js';

/** What becomes of a store with time: it fills, and it rots. */

const SIZE = 2 * MIB;
/** Two and a half of them. */
const QUOTA = ['--store-quota', '5250000'];

const versionsIn = async (store: string): Promise<string[]> => (await readdir(join(store, 'ready/firmware'))).sort();

describe('a store with a quota', () => {
  it('has the versions that fit, the newest ones', async () => {
    const mesh = await Mesh.create();
    const { url: broker } = await mesh.broker();
    const artifacts = [];
    for (let i = 0; i < 4; i++) artifacts.push(await mesh.artifact(`image-${i}`, SIZE));
    await mesh.seed(broker, ...artifacts);
    const device = await mesh.device('cam-1', { broker, more: QUOTA });
    for (const [i, artifact] of artifacts.entries()) {
      const complete = device.event('complete', ({ version }) => version === `${i}`);
      await mesh.publish(artifact, broker, `${i}`);
      expect(await sha256Of(String((await complete).path))).toBe(artifact.sha256);
    }
    expect(await versionsIn(mesh.storeOf('cam-1'))).toEqual(['2', '3']);
    expect((await readdir(join(mesh.storeOf('cam-1'), 'artifacts'))).length).toBe(2);
    expect(device.stderr).toContain('artifact removed for the room of another');
    expect(device.warnings).toEqual([]);
    expect((await device.stop()).status).toBe(0);
  });

  it('blocks a rollout for which nothing may go with E_STORE_QUOTA, and goes on by itself once there is room', async () => {
    const mesh = await Mesh.create();
    const { url: broker } = await mesh.broker();
    const [first, second] = [await mesh.artifact('first', SIZE), await mesh.artifact('second', 2 * SIZE)];
    await mesh.seed(broker, first, second);
    const device = await mesh.device('cam-1', { broker, more: QUOTA });
    await mesh.publish(first, broker, '1');
    const { path } = await device.event('complete');
    await mesh.publish(second, broker, '2');
    const warning = await device.warning('E_STORE_QUOTA');
    expect(warning.message).toContain('the quota is 5250000');
    expect(warning.message).toContain('firmware 1');
    expect(warning.remedy).toContain('storeQuota');
    await device.event('progress', ({ state, error }) => state === 'blocked' && error === 'E_STORE_QUOTA');
    // What the device runs is not taken from it.
    expect(await sha256Of(String(path))).toBe(first.sha256);
    await rm(String(path));
    const done = await device.event('complete', ({ version }) => version === '2');
    expect(done).toMatchObject({ state: 'complete', error: '' });
    expect(device.warnings.map(({ code }) => code)).toEqual(['E_STORE_QUOTA']);
  });
});

describe('P-9.8: a file that rotted where it was handed over', () => {
  it('is found though nobody asks for it, told with E_STORE_ROT, and mended by peers, with no seed there', async () => {
    const mesh = await Mesh.create();
    const { url: broker } = await mesh.broker();
    const artifact = await mesh.artifact('image', 4 * MIB);
    const seed = await mesh.seed(broker, artifact);
    // Three seconds, as days.
    const more = ['--recheck-days', '0.000035', '--recheck-rate', '20M'];
    const [device, other] = [
      await mesh.device('cam-1', { broker, more }),
      await mesh.device('cam-2', { broker, more: ['--recheck-days', '0'] }),
    ];
    await mesh.publish(artifact, broker);
    const [done] = await Promise.all([device.event('complete'), other.event('complete')]);
    await seed.stop();
    const path = String(done.path);
    const before = await stat(path);
    const from = device.events.length;
    await flip(path, 2 * MIB);
    const warning = await device.warning('E_STORE_ROT', from);
    expect(warning.message).toMatch(new RegExp(`^${path}: chunk \\d+ is not what it was$`));
    await device.event('complete', () => true, from);
    expect((await readFile(path)).equals(artifact.bytes)).toBe(true);
    // A file of its own, put in the place of the one that rotted.
    expect((await stat(path)).ino).not.toBe(before.ino);
    expect(new Set(device.warnings.map(({ code }) => code))).toEqual(new Set(['E_STORE_ROT']));
    expect(other.warnings).toEqual([]);
    await device.stop();
    const saved = JSON.parse(await readFile(join(mesh.storeOf('cam-1'), 'state/recheck.json'), 'utf8'));
    expect(Object.keys(saved)).toHaveLength(1);
  });
});
