import { once } from 'node:events';
import { Agent } from 'chunkmesh/agent';
import { expect, it, onTestFinished } from 'vitest';
import { connectMember } from '../support/broker_client.js';
import { Mesh, MIB, sha256Of } from './support/mesh.js';

it('an Agent of the package on a connected mqtt client completes a rollout and leaves the client connected', async () => {
  const mesh = await Mesh.create();
  const broker = await mesh.broker();
  const artifact = await mesh.artifact('firmware.img', 4 * MIB);
  await mesh.publish(artifact, broker.url);
  await mesh.seed(broker.url, artifact);
  const client = await connectMember(await mesh.enroll('cam-1'), broker.port);
  onTestFinished(() => void client.end(true));
  // A topic of the table that the agent has no use for.
  const ownTopic = `${mesh.prefix}/have/${'0'.repeat(64)}/0`;
  await client.subscribeAsync(`${ownTopic}/+`);

  const agent = new Agent({
    credential: mesh.fleet.bundlePath('cam-1'),
    store: mesh.storeOf('cam-1'),
    mqtt: client,
    listen: { host: '127.0.0.1' },
  });
  const completed = once(agent, 'complete');
  await agent.start();
  const [done] = await completed;
  expect(done).toMatchObject({ name: 'firmware', version: '1.0.0', size: artifact.size });
  expect(await sha256Of(done.path)).toBe(artifact.sha256);
  expect(agent.status().rollouts[0]).toMatchObject({ state: 'complete', fromSeed: artifact.size });
  await agent.stop();

  expect(client.connected).toBe(true);
  // Nothing of the agent's is left on it, and what is the caller's own still works.
  const seen: string[] = [];
  client.on('message', (topic) => void seen.push(topic));
  const own = new Promise<void>((resolve) => void client.once('message', () => resolve()));
  await mesh.publish(artifact, broker.url, '1.0.1');
  const other = await connectMember(await mesh.enroll('cam-2'), broker.port);
  onTestFinished(() => void other.end(true));
  await other.publishAsync(`${ownTopic}/cam-2`, 'hello', { qos: 1 });
  await own;
  expect(seen).toEqual([`${ownTopic}/cam-2`]);
  expect(client.connected).toBe(true);
});
