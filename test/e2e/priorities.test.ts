import { expect, it } from 'vitest';
import { chunkmesh, type Event } from '../support/command.js';
import { Mesh, MIB, sha256Of } from './support/mesh.js';

/** Two artifacts at once on one device whose link is thin. */

const SIZE = 6 * MIB;
const RATE = ['--down-rate', '1M'];

const cameOf = ({ fromSeed = 0, fromPeers = 0 }: Event): number => Number(fromSeed) + Number(fromPeers);

/** Bytes of the rollout that came over the network, as was told last before the event. */
function cameBefore(events: readonly Event[], until: Event, name: string): number {
  const told = events.slice(0, events.indexOf(until)).filter((one) => one.event === 'progress' && one.name === name);
  return cameOf(told.at(-1) ?? {});
}

it('P-10.12: the one with the higher priority is complete before the other has much more than before, and then the other is too', async () => {
  const mesh = await Mesh.create();
  const { url } = await mesh.broker();
  const [low, high] = [await mesh.artifact('low.img', SIZE), await mesh.artifact('high.img', SIZE)];
  await mesh.publish(low, url);
  await mesh.publish(high, url, '7', { name: 'model', priority: 9 });
  await mesh.seed(url, low, high);
  const device = await mesh.device('cam-1', { broker: url, more: RATE });
  const began = await device.event('progress', (event) => event.name === 'model' && cameOf(event) > 0);
  const first = await device.event('complete');
  expect(first).toMatchObject({ name: 'model', fromSeed: SIZE });
  const [before, after] = [began, first].map((event) => cameBefore(device.events, event, 'firmware'));
  expect((after ?? 0) - (before ?? 0)).toBeLessThan(0.4 * SIZE);

  const flags = ['--fleet', mesh.folder, '--broker', url, '--json'];
  const { stdout } = await chunkmesh(['status', ...flags]);
  const { devices } = JSON.parse(stdout) as { devices: { device: string; rollouts: { name: string }[] }[] };
  const rollouts = devices.find((one) => one.device === 'cam-1')?.rollouts ?? [];
  expect(rollouts.map(({ name }) => name)).toEqual(['model', 'firmware']);

  const second = await device.event('complete', ({ name }) => name === 'firmware');
  expect(second).toMatchObject({ fromSeed: SIZE });
  expect(await Promise.all([first, second].map(({ path }) => sha256Of(String(path))))).toEqual([
    high.sha256,
    low.sha256,
  ]);
  expect(device.warnings).toEqual([]);
});

it('P-10.12: nothing is held up by one that comes first and that nobody has', async () => {
  const mesh = await Mesh.create();
  const { url } = await mesh.broker();
  const [low, high] = [await mesh.artifact('low.img', 2 * MIB), await mesh.artifact('nobody.img', 2 * MIB)];
  await mesh.publish(high, url, '1', { name: 'model', priority: 9 });
  await mesh.publish(low, url, '1', { priority: 0 });
  await mesh.seed(url, low);
  const device = await mesh.device('cam-1', { broker: url, more: RATE });
  expect(await device.event('complete')).toMatchObject({ name: 'firmware', fromSeed: low.size });
});
