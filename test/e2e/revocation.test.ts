import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { findMosquitto, INSTALL_MOSQUITTO } from '../../broker/mosquitto/executable.js';
import { Command } from '../support/command.js';
import { requirement } from '../support/requirement.js';
import { Mesh, MIB } from './support/mesh.js';

/** The operator's verbs against devices that run, on both brokers (P-14): what becomes of them, not how fast. */

const later = { timeout: 30_000, interval: 50 };

class Fleet {
  readonly mesh: Mesh;
  readonly url: string;

  private constructor(mesh: Mesh, url: string) {
    this.mesh = mesh;
    this.url = url;
  }

  static async start(kind: 'embedded' | 'mosquitto'): Promise<Fleet> {
    const mesh = await Mesh.create();
    await mesh.enroll('seed', { role: 'seed' });
    for (const id of ['cam-1', 'cam-2']) await mesh.enroll(id);
    const flags = ['--fleet', mesh.folder, '--host', '127.0.0.1', '--port', '0', '--kind', kind];
    const running = mesh.run('broker', 'broker', ...flags);
    // Killed, it would leave its mosquitto behind.
    onTestFinished(async () => void (await running.stop()));
    const { broker } = await running.event('listening');
    return new Fleet(mesh, String(broker));
  }

  agent(id: string, more: readonly string[] = [], seeds: readonly string[] = []): Command {
    return this.mesh.agent(id, { broker: this.url, more, seeds });
  }

  /** An operator's verb, to its end. */
  async say(...args: string[]): Promise<Record<string, unknown>> {
    const command = new Command([...args, '--fleet', this.mesh.folder, '--broker', this.url, '--json']);
    command.endInput();
    const { status, stdout, stderr } = await command.ended;
    expect(status, stderr).toBe(0);
    return JSON.parse(stdout);
  }

  async refuses(...args: string[]): Promise<string> {
    const command = new Command([...args, '--fleet', this.mesh.folder, '--broker', this.url, '--json']);
    command.endInput();
    const { status, stderr } = await command.ended;
    expect(status).not.toBe(0);
    return JSON.parse(stderr.trim().split('\n').at(-1) ?? '').error.code;
  }

  /** What devices last said of themselves. */
  async devices(): Promise<Record<string, { online: boolean; peers: number; standing?: string }>> {
    const { devices } = (await this.say('status')) as { devices: { device: string; online: boolean; peers: number }[] };
    return Object.fromEntries(devices.map((row) => [row.device, row]));
  }
}

const warned = (command: Command, code: string): boolean =>
  command.events.some((event) => event.event === 'warning' && event.code === code);

/** A seed and cam-1, which fetches so slowly that it is at it until something ends that. */
async function fetching(kind: 'embedded' | 'mosquitto') {
  const fleet = await Fleet.start(kind);
  const artifact = await fleet.mesh.artifact('image', 2 * MIB);
  const seed = fleet.agent('seed', [], [artifact.path]);
  const cam = fleet.agent('cam-1', ['--down-rate', '20k']);
  await Promise.all([seed.event('online'), cam.event('online')]);
  await fleet.mesh.publish(artifact, fleet.url);
  await vi.waitFor(async () => expect((await fleet.devices()).seed?.peers).toBe(1), later);
  return { fleet, artifact, seed, cam };
}

const scenes = (kind: 'embedded' | 'mosquitto'): void => {
  it('P-14.6 revoke: the device is cut, its session closed, its return refused; others go on, and one enrolled anew', async () => {
    const { fleet, artifact, seed, cam } = await fetching(kind);
    expect(await fleet.say('revoke', 'cam-1', '--reason', 'stolen')).toMatchObject({ standing: 'revoked', version: 2 });
    await cam.event('offline');
    await vi.waitFor(async () => expect((await fleet.devices()).seed?.peers).toBe(0), later);
    await vi.waitFor(() => expect(warned(cam, 'E_BROKER_REFUSED')).toBe(true), later);
    expect(cam.events.some(({ event }) => event === 'complete')).toBe(false);
    const other = fleet.agent('cam-2');
    await other.event('complete');
    expect(warned(seed, 'E_INTERNAL')).toBe(false);
    expect(await fleet.say('revoke', 'cam-1', '--reason', 'stolen')).toMatchObject({ version: 3 });
    const { entries } = await fleet.say('revoked');
    expect(entries).toMatchObject([{ device: 'cam-1', list: 'revoked', by: 'operator', reason: 'stolen' }]);

    await cam.kill();
    await fleet.mesh.fleet.enroll('cam-1', { renew: true });
    const renewed = fleet.agent('cam-1');
    const { path } = await renewed.event('complete');
    expect(await readFile(String(path))).toEqual(artifact.bytes);
  });

  it('P-14.7 quarantine: it stays connected and meets nobody; restore: it goes on', async () => {
    const { fleet, cam } = await fetching(kind);
    await fleet.say('quarantine', 'cam-1', '--reason', 'odd');
    await vi.waitFor(() => expect(warned(cam, 'E_REVOKED')).toBe(true), later);
    await vi.waitFor(async () => {
      const { seed, 'cam-1': device } = await fleet.devices();
      expect([seed?.peers, device]).toMatchObject([0, { online: true, standing: 'quarantined' }]);
    }, later);
    await fleet.say('restore', 'cam-1');
    await vi.waitFor(async () => expect((await fleet.devices()).seed?.peers).toBe(1), later);
  });

  it('P-14.8 wipe: nothing is left, the operator is told so, and the agent says why it ends', async () => {
    const fleet = await Fleet.start(kind);
    const artifact = await fleet.mesh.artifact('image', MIB);
    fleet.agent('seed', [], [artifact.path]);
    const cam = fleet.agent('cam-1');
    await fleet.mesh.publish(artifact, fleet.url);
    const { path } = await cam.event('complete');
    expect(await fleet.say('wipe', 'cam-1')).toMatchObject({ standing: 'wiped', wiped: true });
    const { status, stderr } = await cam.ended;
    expect([status, stderr]).toEqual([3, expect.stringContaining('E_WIPED')]);
    for (const gone of [String(path), fleet.mesh.fleet.bundlePath('cam-1')]) expect(existsSync(gone)).toBe(false);
    expect(existsSync(join(fleet.mesh.storeOf('cam-1'), 'state/trust.json'))).toBe(false);
    expect(await fleet.say('revoke', 'cam-1', '--reason', 'wiped')).toMatchObject({ standing: 'revoked' });
  });

  it('P-14.3 a device that was off the net, and one that is wiped while it is', async () => {
    const fleet = await Fleet.start(kind);
    expect(await fleet.refuses('wipe', 'cam-1', '--timeout', '0')).toBe('E_TIMEOUT');
    expect(await fleet.refuses('revoke', 'cam-9', '--reason', 'x')).toBe('E_DEVICE_UNKNOWN');
    const cam = fleet.agent('cam-1');
    expect(await cam.ended).toMatchObject({ status: 3 });
    const { devices } = (await fleet.say('status')) as { devices: { device: string; wiped?: boolean }[] };
    expect(devices.find(({ device }) => device === 'cam-1')).toMatchObject({ wiped: true });
  });
};

describe('revocation on the embedded broker', () => scenes('embedded'));
requirement(
  'mosquitto',
  findMosquitto() !== null,
  INSTALL_MOSQUITTO,
)('revocation on mosquitto', () => scenes('mosquitto'));

describe('P-14.2 a broker that restarts', () => {
  it('retains the list again, and refuses who is on it', async () => {
    const fleet = await Fleet.start('embedded');
    const command = new Command([
      'revoke',
      'cam-1',
      '--reason',
      'x',
      '--fleet',
      fleet.mesh.folder,
      '--broker',
      'mqtts://127.0.0.1:1',
    ]);
    command.endInput();
    // It could not be said to any broker; the one that runs on the folder does it all the same.
    expect(await command.ended).toMatchObject({ status: 4 });
    const cam = fleet.agent('cam-1');
    await vi.waitFor(() => expect(warned(cam, 'E_BROKER_REFUSED')).toBe(true), later);
    const { entries } = await fleet.say('revoked', '--publish');
    expect(entries).toHaveLength(1);
  });
});
