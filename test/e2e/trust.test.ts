import { copyFile, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Command } from '../support/command.js';
import { Mesh, MIB, sha256Of } from './support/mesh.js';

/** The keys of a fleet in other places than its folder, by the commands that people type. */

interface Shown {
  readonly current: readonly { readonly role: string; readonly keys: readonly { role: string; keys: string[] }[] }[];
}

class Ceremony {
  readonly #mesh: Mesh;
  /** Where the keys are: another machine. */
  readonly vault: string;

  constructor(mesh: Mesh) {
    this.#mesh = mesh;
    this.vault = join(mesh.root, 'vault');
  }

  async run(...args: string[]): Promise<Record<string, unknown>> {
    const { status, stdout, stderr } = await new Command(['trust', ...args, '--json']).ended;
    expect(status, `${args.join(' ')}\n${stderr}`).toBe(0);
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  async fleet(command: string, ...args: string[]): Promise<Record<string, unknown>> {
    return this.run(command, ...args, '--fleet', this.#mesh.folder);
  }

  async keyOf(role: string): Promise<string> {
    const { current } = (await this.fleet('show')) as unknown as Shown;
    return current[0]?.keys.find((line) => line.role === role)?.keys[0] ?? '';
  }

  async makeKey(name: string): Promise<string> {
    await mkdir(this.vault, { recursive: true });
    const path = join(this.vault, name);
    await this.run('key', path);
    return path;
  }

  /** What is staged goes to the vault, is signed there by those keys, and comes back. */
  async carry(...keys: string[]): Promise<void> {
    const staged = join(this.#mesh.folder, 'trust/staged');
    for (const file of await readdir(staged)) {
      const carried = join(this.vault, file);
      await copyFile(join(staged, file), carried);
      await this.run('sign', carried, ...keys.flatMap((key) => ['--key', key]));
      await copyFile(carried, join(staged, file));
      await rm(carried);
    }
  }

  async forget(name: string): Promise<void> {
    await rm(join(this.#mesh.folder, 'trust/keys', name));
  }
}

describe('keys that are not in the folder', () => {
  it('P-12.2: a release waits for as many people as are to sign, then goes to the devices', async () => {
    const mesh = await Mesh.create();
    const ceremony = new Ceremony(mesh);
    const [ada, bob] = [await ceremony.makeKey('ada.key'), await ceremony.makeKey('bob.key')];
    await ceremony.fleet('add-key', `${ada}.pub`, '--role', 'release');
    await ceremony.fleet('add-key', `${bob}.pub`, '--role', 'release');
    await ceremony.fleet('rotate', '--role', 'release', '--old', await ceremony.keyOf('release'));
    await ceremony.fleet('threshold', '2', '--role', 'release');
    await ceremony.carry(ada, bob);
    const { url } = await mesh.broker();
    await ceremony.fleet('refresh', '--broker', url);
    await ceremony.forget('release-1.key');
    await ceremony.fleet('verify');

    const artifact = await mesh.artifact('firmware.img', MIB);
    await mesh.seed(url, artifact);
    const device = await mesh.device('cam-1', { broker: url });
    await expect(mesh.publish(artifact, url)).rejects.toMatchObject({ code: 'E_TRUST_SIGNATURE' });
    await ceremony.carry(ada);
    await expect(mesh.publish(artifact, url)).rejects.toMatchObject({ code: 'E_TRUST_SIGNATURE' });
    await ceremony.carry(bob);
    await mesh.publish(artifact, url);
    const done = await device.event('complete');
    expect(await sha256Of(String(done.path))).toBe(artifact.sha256);
  });

  it('P-12.1: a device follows rotations of every key, online, after a restart, and from its first root', async () => {
    const mesh = await Mesh.create();
    const ceremony = new Ceremony(mesh);
    const { url } = await mesh.broker();
    const artifacts = await Promise.all([1, 2, 3].map((n) => mesh.artifact(`firmware-${n}.img`, MIB)));
    const [first, second, third] = artifacts;
    if (first === undefined || second === undefined || third === undefined) throw new Error('no artifacts');
    await mesh.seed(url, ...artifacts);
    await mesh.enroll('late');
    const device = await mesh.device('cam-1', { broker: url });
    await mesh.publish(first, url, '1');
    await device.event('complete', ({ version }) => version === '1');
    for (const role of ['root', 'release', 'director', 'snapshot', 'timestamp']) {
      await ceremony.fleet('rotate', '--role', role);
      await ceremony.forget(`${role}-1.key`);
    }
    await mesh.publish(second, url, '2');
    await device.event('complete', ({ version }) => version === '2');
    await device.stop();

    const again = mesh.agent('cam-1', { broker: url });
    const late = mesh.agent('late', { broker: url });
    await mesh.publish(third, url, '3');
    for (const one of [again, late]) {
      const done = await one.event('complete', ({ version }) => version === '3');
      expect(await sha256Of(String(done.path))).toBe(third.sha256);
    }
  });
});

describe('what was published', () => {
  it('P-12.2: is withdrawn and retired: no device begins it, who has it keeps it, nobody else goes without', async () => {
    const mesh = await Mesh.create();
    const { url } = await mesh.broker();
    const [firmware, model] = await Promise.all([mesh.artifact('firmware.img', MIB), mesh.artifact('model.onnx', MIB)]);
    await mesh.seed(url, firmware, model);
    const device = await mesh.device('cam-1', { broker: url });
    await mesh.publish(firmware, url);
    await mesh.publish(model, url, '7', { name: 'model' });
    const done = await device.event('complete', ({ name }) => name === 'firmware');

    const run = (...args: string[]) => new Command([...args, '--fleet', mesh.folder, '--json']).ended;
    const early = await run('trust', 'retire', 'firmware', '1.0.0');
    expect([early.status, early.stderr]).toEqual([2, expect.stringContaining('withdraw it')]);
    const other = await run('withdraw', 'firmwares', '--broker', url);
    expect([other.status, other.stderr]).toEqual([2, expect.stringContaining('no rollout called firmwares')]);
    const { status, stdout } = await run('withdraw', 'firmware', '--broker', url);
    expect([status, JSON.parse(stdout)]).toEqual([
      0,
      { name: 'firmware', group: 'default', timestamp: expect.any(Number) },
    ]);
    expect((await run('trust', 'retire', 'firmware', '1.0.0')).status).toBe(0);
    expect((await run('trust', 'refresh', '--broker', url)).status).toBe(0);

    const late = await mesh.device('late', { broker: url });
    await late.event('complete', ({ name }) => name === 'model');
    expect(late.events.filter(({ event, name }) => event === 'rollout' && name === 'firmware')).toEqual([]);
    expect(await sha256Of(String(done.path))).toBe(firmware.sha256);
    await device.event('complete', ({ name }) => name === 'model');
    expect(device.warnings).toEqual([]);
  });
});
