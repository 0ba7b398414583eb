import { expect, it } from 'vitest';
import { EXIT } from '../../shared/errors.js';
import { Mesh, MIB, sha256Of } from './support/mesh.js';

it('a second agent on one store is refused with E_STORE_LOCKED, and the first goes on', async () => {
  const mesh = await Mesh.create();
  const broker = await mesh.broker();
  const artifact = await mesh.artifact('firmware.img', 4 * MIB);
  const store = mesh.storeOf('shared');
  const first = await mesh.device('cam-1', { broker: broker.url, store });
  await first.event('online');
  const second = await mesh.device('cam-2', { broker: broker.url, store });
  expect(await second.ended).toMatchObject({ status: EXIT.world, signal: null });
  expect(second.failure).toMatchObject({ code: 'E_STORE_LOCKED', message: expect.stringContaining(store) });
  expect(second.failure.remedy).toContain('store of its own');
  expect(second.events).toEqual([]);

  await mesh.publish(artifact, broker.url);
  await mesh.seed(broker.url, artifact);
  const done = await first.event('complete');
  expect(await sha256Of(String(done.path))).toBe(artifact.sha256);
  // The lock goes with the process, however that ends.
  await first.kill();
  const third = mesh.agent('cam-2', { broker: broker.url, store });
  await third.event('complete');
});
