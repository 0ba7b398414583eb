import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { chunkmesh, refused } from '../support/command.js';
import { Mesh, MIB } from './support/mesh.js';

/** What an operator changes of an agent that runs: the file of --config, and SIGUSR2. */

const PATIENCE = { timeout: 15_000 };

it('an agent takes a metered link, and leaves it, by its file and SIGUSR2; a mistake there is told and changes nothing', async () => {
  const mesh = await Mesh.create();
  const broker = await mesh.broker();
  const artifact = await mesh.artifact('firmware.img', 2 * MIB);
  await mesh.publish(artifact, broker.url);
  await mesh.seed(broker.url, artifact);
  await mesh.enroll('cam-1');
  const file = join(mesh.root, 'agent.json');
  const common = { bundle: mesh.fleet.bundlePath('cam-1'), store: 'store-cam-1', broker: broker.url };
  const settings = { ...common, listen: '127.0.0.1:0', statusIntervalMs: 50, joinWindowMs: 50 };
  const write = (limits: object): Promise<void> => writeFile(file, JSON.stringify({ ...settings, ...limits }));

  await write({ metered: 'urgent' });
  const agent = mesh.run('cam-1', 'agent', '--config', file);
  // Who tells of a network that came up may be early.
  await agent.event('online');
  await agent.event('progress', ({ state }) => state === 'paused');
  const told = async (): Promise<string> => {
    const { stdout } = await chunkmesh(['status', '--fleet', mesh.folder, '--broker', broker.url]);
    return stdout;
  };
  await vi.waitFor(async () => expect(await told()).toMatch(/cam-1 .* metered: urgent .* paused /), PATIENCE);

  for (const [wrong, what] of [
    [{ metered: 'on' }, 'metered: '],
    [{ metered: 'off', hours: '22-06' }, 'hours: '],
    [{ metered: 'off', upRate: 0 }, 'upRate: not a rate from 1k to 4G'],
  ] as const) {
    await write(wrong);
    agent.signal('SIGUSR2');
    await vi.waitFor(() => expect(agent.stderr).toContain(`${file}: ${what}`), PATIENCE);
  }
  expect(
    agent.events.filter(({ event, state }) => event === 'progress' && state !== 'paused' && state !== 'waiting'),
  ).toEqual([]);

  await write({ metered: 'fetch', downRate: '20M' });
  agent.signal('SIGUSR2');
  expect(await agent.event('complete')).toMatchObject({ fromSeed: artifact.size });
  await vi.waitFor(async () => expect(await told()).toMatch(/cam-1 .* metered: fetch .* complete /), PATIENCE);
  await write({});
  agent.signal('SIGUSR2');
  await vi.waitFor(async () => expect(await told()).toMatch(/cam-1 .* online .* complete /), PATIENCE);
  expect((await agent.stop()).status).toBe(0);
});

it('a seed that is told that its link is metered says why it does not start', async () => {
  const mesh = await Mesh.create();
  await mesh.enroll('depot', { role: 'seed' });
  const args = ['agent', '--bundle', mesh.fleet.bundlePath('depot'), '--store', mesh.storeOf('depot')];
  expect(await refused([...args, '--metered', 'fetch', '--log-level', 'silent'])).toMatchObject({
    ...{ code: 'E_CONFIG', exit: 2 },
    message: expect.stringContaining('a seed is there to serve'),
  });
  expect(await refused([...args, '--metered', 'on'])).toMatchObject({ code: 'E_ARGUMENT', exit: 2 });
});
