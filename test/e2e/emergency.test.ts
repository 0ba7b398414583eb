import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Event } from '../support/command.js';
import { Mesh, MIB, sha256Of } from './support/mesh.js';

/** P-10.13: one device that its owner has shut in every way there is, and a rollout that cannot wait for that. */

const RATE = 300_000;
const DAY_HOURS = 24;

/** An hour of the day that is neither this one nor the next, in the device's own time. */
function anotherHour(): string {
  const hour = (ahead: number): string => `${(new Date().getHours() + ahead) % DAY_HOURS}`.padStart(2, '0');
  return `${hour(3)}:00-${hour(4)}:00`;
}

it('an emergency is fetched at once by a device that is held, capped, metered and out of its hours, and nothing else is', async () => {
  const mesh = await Mesh.create();
  const { url: broker } = await mesh.broker();
  const [fix, model] = [await mesh.artifact('fix', 8 * MIB), await mesh.artifact('model', MIB)];
  await mesh.publish(model, broker, '1', { name: 'model' });
  await mesh.publish(fix, broker, '1', { name: 'firmware' });
  await mesh.seed(broker, fix, model);
  await mesh.enroll('cam-1');
  const file = join(mesh.root, 'agent.json');
  const common = { bundle: mesh.fleet.bundlePath('cam-1'), store: 'store-cam-1', broker, downRate: `${RATE}` };
  const settings = { ...common, listen: '127.0.0.1:0', statusIntervalMs: 50, joinWindowMs: 50 };
  const shut = { hours: anotherHour(), hold: 'all', metered: 'urgent' };
  await writeFile(file, JSON.stringify({ ...settings, ...shut }));
  const agent = mesh.run('cam-1', 'agent', '--config', file);
  const rows = (name: string): Event[] =>
    agent.events.filter((event) => event.event === 'progress' && event.name === name);
  for (const name of ['model', 'firmware']) await agent.event('progress', (row) => row.name === name && !!row.hold);

  const before = performance.now();
  await mesh.publish(fix, broker, '1', { name: 'firmware', emergency: true });
  const done = await agent.event('complete');
  const seconds = (performance.now() - before) / 1000;
  expect(done).toMatchObject({ name: 'firmware', fromSeed: fix.size });
  expect(await sha256Of(String(done.path))).toBe(fix.sha256);
  // Its ceiling would have had it take 28 s.
  expect(seconds).toBeLessThan((0.5 * fix.size) / RATE);
  expect(rows('model').filter(({ held, state }) => held !== 0 || (state !== 'paused' && state !== 'waiting'))).toEqual(
    [],
  );
  const artifacts = await readdir(join(mesh.root, 'store-cam-1', 'artifacts'));
  expect(artifacts).toEqual([done.artifact]);

  // Let go of what was held, the device keeps to its ceiling again.
  await writeFile(file, JSON.stringify(settings));
  const opened = performance.now();
  agent.signal('SIGUSR2');
  await agent.event('complete', ({ name }) => name === 'model');
  expect((performance.now() - opened) / 1000).toBeGreaterThan((0.9 * model.size) / RATE);
  expect(agent.warnings).toEqual([]);
});
