import { describe, expect, it } from 'vitest';
import { Mesh, MIB, sha256Of } from './support/mesh.js';

/** One rollout after another on devices that stay up. */

describe('a fleet that stays up', () => {
  it('takes a new version, the same bytes under another, and an older one again', async () => {
    const mesh = await Mesh.create();
    const { url: broker } = await mesh.broker();
    const [first, second] = [await mesh.artifact('first.img', 2 * MIB), await mesh.artifact('second.img', 2 * MIB)];
    await mesh.seed(broker, first, second);
    const devices = [await mesh.device('cam-1', { broker }), await mesh.device('cam-2', { broker })];
    const course = [
      ['1.0.0', first],
      ['1.0.1', first],
      ['1.1.0', second],
      ['1.1.1', second],
      ['1.2.0', first],
    ] as const;
    for (const [version, artifact] of course) {
      const complete = devices.map((device) => device.event('complete', (event) => event.version === version));
      await mesh.publish(artifact, broker, version);
      for (const { path } of await Promise.all(complete)) {
        expect(String(path).endsWith(`/ready/firmware/${version}`)).toBe(true);
        expect(await sha256Of(String(path))).toBe(artifact.sha256);
      }
    }
  });

  it('P-5.6: an agent that was killed is served again by a seed that still believes in its old session', async () => {
    const mesh = await Mesh.create();
    const { url: broker } = await mesh.broker();
    const artifact = await mesh.artifact('firmware.img', 30 * MIB);
    await mesh.seed(broker, artifact);
    const device = await mesh.device('cam-1', { broker });
    await mesh.publish(artifact, broker);
    await device.event('progress', (event) => Number(event.held) > 0);
    await device.kill();
    const { path } = await mesh.agent('cam-1', { broker }).event('complete');
    expect(await sha256Of(String(path))).toBe(artifact.sha256);
  });
});
