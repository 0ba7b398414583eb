import { readFile } from 'node:fs/promises';
import { expect, it, vi } from 'vitest';
import { chunkmesh } from '../support/command.js';
import { Nginx, withNginx } from '../support/nginx.js';
import { Mesh, MIB, sha256Of } from './support/mesh.js';

/** An ordinary nginx beside the fleet, or in the place of every seed. */

const PATIENCE = { timeout: 40_000 };

withNginx('P-11 with nginx', () => {
  it('a fleet without a seed takes a rollout from it: they have most of it from each other, and status says who used it', async () => {
    const mesh = await Mesh.create();
    const { url: broker } = await mesh.broker();
    const artifact = await mesh.artifact('firmware.img', 6 * MIB);
    const server = await Nginx.start();
    await server.put('firmware.img', artifact.bytes);
    const ids = ['cam-1', 'cam-2', 'cam-3', 'cam-4'];
    const devices = [];
    for (const id of ids) {
      await mesh.enroll(id);
      devices.push(mesh.run(id, ...agentArgs(mesh, id, broker), '--http-after', '1'));
    }
    await Promise.all(devices.map((device) => device.event('online')));

    const about = ['--name', 'firmware', '--version', '1.0.0', '--fleet', mesh.folder, '--broker', broker];
    const args = ['--url', `${server.origin}/firmware.img`, '--index', server.pathOf('firmware.img.cmix')];
    const { stdout } = await chunkmesh(['publish', artifact.path, ...about, ...args, '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ urls: [`${server.origin}/firmware.img`], notes: [] });

    const done = await Promise.all(devices.map((device) => device.event('complete')));
    for (const { path } of done) expect(await sha256Of(String(path))).toBe(artifact.sha256);
    const sum = (key: string): number => done.reduce((total, one) => total + Number(one[key] ?? 0), 0);
    expect(sum('fromHttp') + sum('fromPeers')).toBe(4 * artifact.size);
    expect(sum('fromHttp')).toBeGreaterThanOrEqual(artifact.size);
    // 1.1 to 1.9 copies here. Such a small one is nearly over when they have met; test/sim/http_egress.test.ts has the bound.
    expect(sum('fromHttp')).toBeLessThan(3.5 * artifact.size);
    expect(await server.bytesServed('firmware.img')).toBeGreaterThanOrEqual(artifact.size);

    await vi.waitFor(async () => {
      const { stdout: table } = await chunkmesh(['status', '--fleet', mesh.folder, '--broker', broker]);
      expect(table).toMatch(/http/);
      for (const id of ids) expect(table).toMatch(new RegExp(`${id} .* complete `));
      expect(table).toMatch(/ [0-9.]+ [kM]B +- /);
    }, PATIENCE);
    expect((await readFile(server.pathOf('firmware.img.cmix'))).subarray(0, 4).toString()).toBe('CMIX');
  });

  it('a fleet with a seed leaves the server alone', async () => {
    const mesh = await Mesh.create();
    const { url: broker } = await mesh.broker();
    const artifact = await mesh.artifact('firmware.img', 4 * MIB);
    const server = await Nginx.start();
    await server.put('firmware.img', artifact.bytes);
    await mesh.seed(broker, artifact);
    const device = await mesh.device('cam-1', { broker });
    await device.event('online');
    const about = ['--name', 'firmware', '--version', '1.0.0', '--fleet', mesh.folder, '--broker', broker];
    await chunkmesh(['publish', artifact.path, ...about, '--url', `${server.origin}/firmware.img`]);
    expect(await device.event('complete')).toMatchObject({ fromSeed: artifact.size });
    expect(await server.served()).toEqual([]);
  });

  it('goes on where the last seed has gone', async () => {
    const mesh = await Mesh.create();
    const { url: broker } = await mesh.broker();
    const artifact = await mesh.artifact('firmware.img', 16 * MIB);
    const server = await Nginx.start();
    await server.put('firmware.img', artifact.bytes);
    const seed = await mesh.seed(broker, artifact);
    await mesh.enroll('cam-1');
    const device = mesh.run('cam-1', ...agentArgs(mesh, 'cam-1', broker), '--http-after', '1', '--down-rate', '4M');
    await device.event('online');
    const about = ['--name', 'firmware', '--version', '1.0.0', '--fleet', mesh.folder, '--broker', broker];
    await chunkmesh(['publish', artifact.path, ...about, '--url', `${server.origin}/firmware.img`]);
    await device.event('progress', ({ fromSeed }) => Number(fromSeed) > 0);
    await seed.kill();
    const { fromSeed, fromHttp, path } = await device.event('complete');
    expect(await sha256Of(String(path))).toBe(artifact.sha256);
    expect(Number(fromSeed) + Number(fromHttp)).toBe(artifact.size);
    expect(Number(fromHttp)).toBeGreaterThan(0);
  });
});

function agentArgs(mesh: Mesh, id: string, broker: string): string[] {
  return [
    ...['agent', '--bundle', mesh.fleet.bundlePath(id), '--store', mesh.storeOf(id), '--broker', broker],
    ...['--listen', '127.0.0.1:0', '--status-interval', '50', '--join-window', '50'],
  ];
}
