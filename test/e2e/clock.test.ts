import { expect, it } from 'vitest';
import { refreshAll } from '../../broker/publish/refresh.js';
import { Command } from '../support/command.js';
import { clockEnvironment, withFaketime } from '../support/faketime.js';
import { Mesh, MIB, sha256Of } from './support/mesh.js';

/** P-12.6: devices whose clock is wrong, and a fleet whose metadata runs out. */

const STATUS = ['--status-interval', '50', '--join-window', '50'];

/** An agent of its own clock; ended with the test by the pipe to its stdin. */
function agentAt(mesh: Mesh, id: string, broker: string, clock?: string): Command {
  const where = ['--bundle', mesh.fleet.bundlePath(id), '--store', mesh.storeOf(id), '--listen', '127.0.0.1:0'];
  const args = ['agent', ...where, '--broker', broker, ...STATUS, '--json', '--until-stdin-ends'];
  return new Command(args, { name: id, ...(clock !== undefined && { env: clockEnvironment(clock) }) });
}

withFaketime('a device whose clock', () => {
  it.each([
    ['says 1970 at boot', '@1970-01-01 00:01:00'],
    ['stood still for two months', '-60d'],
  ])('P-12.6: %s reaches the broker, believes what is signed, and has the update', async (_what, clock) => {
    const mesh = await Mesh.create();
    const { url } = await mesh.broker();
    const artifact = await mesh.artifact('firmware.img', MIB);
    await mesh.seed(url, artifact);
    await mesh.publish(artifact, url);
    await mesh.enroll('cam-1');
    const device = agentAt(mesh, 'cam-1', url, clock);
    const done = await device.event('complete');
    expect(await sha256Of(String(done.path))).toBe(artifact.sha256);
    await device.stop();
  });

  it('P-12.6: is set back does not take again what it saw expired, across a restart, and takes what is signed anew', async () => {
    const mesh = await Mesh.create();
    const { url } = await mesh.broker();
    const artifact = await mesh.artifact('firmware.img', MIB);
    await mesh.seed(url, artifact);
    await mesh.publish(artifact, url);
    await mesh.enroll('cam-1');
    for (const clock of ['+40d', undefined, '-400d']) {
      const device = agentAt(mesh, 'cam-1', url, clock);
      const refused = await device.event('warning', ({ code }) => code === 'E_TRUST_EXPIRED');
      expect(refused.remedy).toMatch(/refresh/);
      expect(device.events.some(({ event }) => event === 'rollout')).toBe(false);
      await device.stop();
    }
    const credential = await mesh.credential('publisher');
    await refreshAll({ credential, fleetFolder: mesh.folder, broker: url, days: 90 });
    const device = agentAt(mesh, 'cam-1', url);
    const done = await device.event('complete');
    expect(await sha256Of(String(done.path))).toBe(artifact.sha256);
    await device.stop();
  });

  it('P-12.6: knows no time takes the certificate of another broker no more for that', async () => {
    const [mesh, other] = [await Mesh.create(), await Mesh.create('other')];
    const { url } = await other.broker();
    await mesh.enroll('cam-1');
    const device = agentAt(mesh, 'cam-1', url, '@1970-01-01 00:01:00');
    const refused = await device.event('warning');
    expect(refused.code).toBe('E_CERT_FOREIGN');
    expect(device.events.some(({ event }) => event === 'online')).toBe(false);
    await device.stop();
  });
});
