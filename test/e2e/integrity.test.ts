import { copyFile, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { indexFile } from '../../shared/artifact_file.js';
import { type Command, chunkmesh } from '../support/command.js';
import { flip } from '../support/file_damage.js';
import { loopDevice, withLoopDevice } from '../support/loop_device.js';
import { type Artifact, Mesh, MIB } from './support/mesh.js';

/** P-15.5 to P-15.7 with real processes: what is installed rots, is told, and is mended. */

const SIZE = 4 * MIB;
/** Two seconds, as hours. */
const OFTEN = ['--integrity-hours', '0.00055', '--recheck-rate', '40M'];

interface Row {
  readonly name: string;
  readonly version?: string;
  readonly state: string;
  readonly ranges?: readonly (readonly [number, number])[];
  readonly repaired?: number;
}

/** What an operator is told of the device. */
async function told(mesh: Mesh, broker: string, device = 'cam-1'): Promise<Row | undefined> {
  const { stdout } = await chunkmesh(['status', '--fleet', mesh.folder, '--broker', broker, '--json']);
  const { devices } = JSON.parse(stdout) as { devices: { device: string; integrity?: Row[] }[] };
  return devices.find((row) => row.device === device)?.integrity?.[0];
}

/** The chunk that the byte is in, as [from, length]. */
async function chunkAt({ path }: Artifact, at: number): Promise<[number, number]> {
  const index = await indexFile(path);
  for (let i = 0; i < index.chunkCount; i++) {
    const [from, length] = [index.chunkOffset(i), index.chunkLength(i)];
    if (at < from + length) return [from, length];
  }
  throw new Error(`${at} is past the end`);
}

const rightIn = async ({ bytes }: Artifact, path: string): Promise<boolean> => (await readFile(path)).equals(bytes);

const state = (command: Command, wanted: string, from = 0) =>
  command.event('integrity', (event) => event.state === wanted, from);

describe('P-15.5: what is installed', () => {
  it('is told as it is: another version, right, rotten with the ranges, and still so after a restart', async () => {
    const mesh = await Mesh.create();
    const { url: broker } = await mesh.broker();
    const [first, second] = [await mesh.artifact('one', SIZE), await mesh.artifact('two', SIZE)];
    await mesh.seed(broker, first, second);
    const installed = join(mesh.root, 'slot.img');
    await copyFile(first.path, installed);
    const more = [...OFTEN, '--installed', `firmware=${installed}`];
    const device = await mesh.device('cam-1', { broker, more });
    await mesh.publish(first, broker, '1.0.0');
    expect(await state(device, 'ok')).toMatchObject({ name: 'firmware', version: '1.0.0' });
    await mesh.publish(second, broker, '2.0.0');
    expect(await state(device, 'other', device.events.length)).toMatchObject({ version: '1.0.0' });
    await copyFile(second.path, installed);
    const right = await state(device, 'ok', device.events.length);
    expect(right).toMatchObject({ version: '2.0.0' });
    for (const at of [0, 3 * MIB]) await flip(installed, at);
    const ranges = [await chunkAt(second, 0), await chunkAt(second, 3 * MIB)];
    expect(await state(device, 'mismatch')).toMatchObject({ version: '2.0.0', ranges });
    await vi.waitFor(async () => expect(await told(mesh, broker)).toMatchObject({ state: 'mismatch', ranges }), 10_000);
    const table = await chunkmesh(['status', '--fleet', mesh.folder, '--broker', broker]);
    expect(table.stdout).toMatch(/^MISMATCH cam-1 firmware 2\.0\.0: \d+ bytes at 0 and elsewhere \(/m);
    expect(device.warnings.map(({ code }) => code)).toEqual(['E_INTEGRITY']);
    await device.kill();
    const again = mesh.agent('cam-1', { broker, more: ['--installed', `firmware=${installed}`] });
    await again.event('online');
    await vi.waitFor(async () => expect(await told(mesh, broker)).toMatchObject({ state: 'mismatch', ranges }), 10_000);
    expect((await again.stop()).status).toBe(0);
    // The one before is not there by the name that it was installed under.
    expect(await readdir(join(mesh.storeOf('cam-1'), 'installed'))).toHaveLength(1);
  });

  it('that is cut short, or is not there, is told', async () => {
    const mesh = await Mesh.create();
    const { url: broker } = await mesh.broker();
    const artifact = await mesh.artifact('one', SIZE);
    await mesh.seed(broker, artifact);
    const installed = join(mesh.root, 'slot.img');
    await copyFile(artifact.path, installed);
    const device = await mesh.device('cam-1', { broker, more: [...OFTEN, '--installed', `firmware=${installed}`] });
    await mesh.publish(artifact, broker);
    await state(device, 'ok');
    await truncate(installed, SIZE - 1);
    const [from, length] = await chunkAt(artifact, SIZE - 1);
    expect(await state(device, 'mismatch')).toMatchObject({ ranges: [[from, length]] });
    await rm(installed);
    expect(await state(device, 'unreadable')).toMatchObject({ version: '1.0.0' });
    await copyFile(artifact.path, installed);
    await state(device, 'ok', device.events.length);
  });
});

describe('P-15.7: what rotted', () => {
  it('is mended in place from peers, with the store empty and no seed there', async () => {
    const mesh = await Mesh.create();
    const { url: broker } = await mesh.broker();
    const artifact = await mesh.artifact('one', SIZE);
    const seed = await mesh.seed(broker, artifact);
    const installed = join(mesh.root, 'slot.img');
    const more = [...OFTEN, '--installed', `firmware=${installed}`, '--repair', 'installed'];
    const [device, peer] = [await mesh.device('cam-1', { broker, more }), await mesh.device('cam-2', { broker })];
    await mesh.publish(artifact, broker);
    const [done] = await Promise.all([device.event('complete'), peer.event('complete')]);
    await copyFile(String(done.path), installed);
    await state(device, 'ok');
    await Promise.all([device.stop(), seed.stop()]);
    const store = mesh.storeOf('cam-1');
    for (const folder of ['ready', 'artifacts']) await rm(join(store, folder), { recursive: true });
    for (const at of [5, MIB, 2 * MIB]) await flip(installed, at);
    const again = mesh.agent('cam-1', { broker, more });
    expect(await state(again, 'mismatch')).toMatchObject({ version: '1.0.0' });
    const right = await state(again, 'ok');
    expect(right).toMatchObject({ version: '1.0.0', repaired: 3 });
    expect((await readFile(installed)).equals(artifact.bytes)).toBe(true);
    // What was right came from where it is installed, and of the peer three chunks.
    const { fromDisk, fromPeers } = (await again.event('complete')) as { fromDisk?: number; fromPeers?: number };
    expect(fromPeers).toBeGreaterThan(0);
    expect(fromPeers).toBeLessThan(SIZE / 2);
    expect(fromDisk).toBe(SIZE - Number(fromPeers));
    expect(again.events.some(({ event, where }) => event === 'repaired' && where === 'installed')).toBe(true);
    await vi.waitFor(async () => expect(await told(mesh, broker)).toMatchObject({ state: 'ok', repaired: 3 }), 10_000);
  });

  it('is mended though the agent is killed again and again meanwhile', async () => {
    const mesh = await Mesh.create();
    const { url: broker } = await mesh.broker();
    const artifact = await mesh.artifact('one', SIZE);
    await mesh.seed(broker, artifact);
    const installed = join(mesh.root, 'slot.img');
    await copyFile(artifact.path, installed);
    const more = [...OFTEN, '--installed', `firmware=${installed}`, '--repair', 'installed'];
    let device = await mesh.device('cam-1', { broker, more });
    await mesh.publish(artifact, broker);
    await Promise.all([state(device, 'ok'), device.event('complete')]);
    await writeFile(installed, Buffer.alloc(SIZE));
    for (const wait of [0, 50, 150, 400]) {
      await state(device, 'mismatch');
      await delay(wait);
      await device.kill();
      device = mesh.agent('cam-1', { broker, more });
      if (await rightIn(artifact, installed)) break;
    }
    await state(device, 'ok');
    expect((await readFile(installed)).equals(artifact.bytes)).toBe(true);
    expect(device.warnings.filter(({ code }) => code !== 'E_INTEGRITY')).toEqual([]);
  });

  it('is not mended where nobody said so, and what lies in the store never is', async () => {
    const mesh = await Mesh.create();
    const { url: broker } = await mesh.broker();
    const artifact = await mesh.artifact('one', SIZE);
    await mesh.seed(broker, artifact);
    const installed = join(mesh.root, 'slot.img');
    await copyFile(artifact.path, installed);
    const ready = join(mesh.storeOf('cam-2'), 'ready/firmware/1.0.0');
    const [device, inside] = [
      await mesh.device('cam-1', { broker, more: [...OFTEN, '--installed', `firmware=${installed}`] }),
      await mesh.device('cam-2', {
        broker,
        more: [...OFTEN, '--recheck-days', '0', '--installed', `firmware=${ready}`, '--repair', 'installed'],
      }),
    ];
    await mesh.publish(artifact, broker);
    await Promise.all([state(device, 'ok'), state(inside, 'ok')]);
    await Promise.all([flip(installed, MIB), flip(ready, MIB)]);
    await Promise.all([state(device, 'mismatch'), state(inside, 'mismatch')]);
    expect((await inside.warning('E_REPAIR')).message).toContain('lies in the store');
    await state(device, 'mismatch', device.events.length);
    expect((await readFile(installed)).equals(artifact.bytes)).toBe(false);
  });
});

withLoopDevice('P-15.5, P-15.7: a block device', () => {
  it('is told as it is, and mended, padding left as it is', async () => {
    const mesh = await Mesh.create();
    const { url: broker } = await mesh.broker();
    const artifact = await mesh.artifact('one', SIZE);
    await mesh.seed(broker, artifact);
    const image = join(mesh.root, 'disk');
    await writeFile(image, Buffer.concat([artifact.bytes, Buffer.alloc(MIB, 7)]));
    const device = loopDevice(image);
    await flip(device, 2 * MIB);
    const agent = await mesh.device('cam-1', {
      broker,
      more: [...OFTEN, '--installed', `firmware=${device}`, '--repair', 'installed'],
    });
    await mesh.publish(artifact, broker);
    expect(await state(agent, 'mismatch')).toMatchObject({ ranges: [await chunkAt(artifact, 2 * MIB)] });
    expect(await state(agent, 'ok')).toMatchObject({ repaired: 1 });
    const bytes = await readFile(device);
    expect(bytes.subarray(0, SIZE).equals(artifact.bytes)).toBe(true);
    expect(bytes.subarray(SIZE).equals(Buffer.alloc(MIB, 7))).toBe(true);
  });
});
