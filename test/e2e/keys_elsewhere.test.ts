import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BrokerProcess } from '../../broker/mosquitto/broker_process.js';
import { findMosquitto, INSTALL_MOSQUITTO } from '../../broker/mosquitto/executable.js';
import { mosquittoConf } from '../../broker/policy/mosquitto_conf.js';
import { loadCredential, type WholeBundle } from '../../shared/identity/bundle.js';
import { connectMember } from '../support/broker_client.js';
import { Command } from '../support/command.js';
import { ownPort } from '../support/own_port.js';
import { requirement } from '../support/requirement.js';
import { type TlsIdentity, tlsIdentity } from '../support/tls_identity.js';
import { Mesh, MIB, sha256Of } from './support/mesh.js';

/** P-13.2, P-13.4: keys that systemd gives to a service, and TLS of a fleet's own PKI. */

const program = findMosquitto() ?? '';

async function bundleOf(mesh: Mesh, id: string): Promise<WholeBundle> {
  return JSON.parse(await readFile(mesh.fleet.bundlePath(id), 'utf8')) as WholeBundle;
}

/** As systemd makes it for LoadCredential=: the files are root's, the group's bits those of an ACL's mask. */
async function credentials(mesh: Mesh, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = join(mesh.root, 'credentials');
  await mkdir(folder, { mode: 0o700 });
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(folder, name), text);
    await chmod(join(folder, name), 0o440);
  }
  await chmod(folder, 0o550);
  onTestFinished(() => chmod(folder, 0o700));
  return folder;
}

function agent(mesh: Mesh, bundle: string, broker: string, env: Readonly<Record<string, string>> = {}): Command {
  const flags = [
    '--store',
    mesh.storeOf('cam-1'),
    '--broker',
    broker,
    '--listen',
    '127.0.0.1:0',
    '--join-window',
    '50',
  ];
  const command = new Command(['agent', '--bundle', bundle, ...flags, '--json', '--until-stdin-ends'], { env });
  onTestFinished(() => command.kill().then(() => {}));
  return command;
}

describe('systemd credentials', () => {
  it('P-13.2 are a device’s bundle, its key beside it, or both in one', async () => {
    const mesh = await Mesh.create();
    const { url: broker } = await mesh.broker();
    const artifact = await mesh.artifact('firmware.img', MIB);
    await mesh.seed(broker, artifact);
    await mesh.enroll('cam-1');
    await mesh.publish(artifact, broker);
    const { key, ...rest } = await bundleOf(mesh, 'cam-1');
    const CREDENTIALS_DIRECTORY = await credentials(mesh, {
      'cam-1.json': JSON.stringify({ ...rest, key }),
      'split.json': JSON.stringify({ ...rest, key: { credential: 'mesh.key' } }),
      'mesh.key': key,
    });
    for (const bundle of ['credential:cam-1.json', 'credential:split.json']) {
      const device = agent(mesh, bundle, broker, { CREDENTIALS_DIRECTORY });
      expect(await sha256Of(String((await device.event('complete')).path))).toBe(artifact.sha256);
      expect((await device.stop()).status).toBe(0);
    }
    // By a file of settings too, whose folder is nowhere near.
    const config = join(mesh.root, 'agent.json');
    await writeFile(
      config,
      JSON.stringify({ bundle: 'credential:cam-1.json', store: 'store', broker, listen: '127.0.0.1:0' }),
    );
    const device = new Command(['agent', '--config', config, '--json', '--until-stdin-ends'], {
      env: { CREDENTIALS_DIRECTORY },
    });
    await device.event('online');
    expect((await device.stop()).status).toBe(0);
  });

  it('P-13.2 that are not there end the agent, which says what the unit needs', async () => {
    const mesh = await Mesh.create();
    await mesh.enroll('cam-1');
    const ends = async (bundle: string, env: Readonly<Record<string, string>>): Promise<[string, string]> => {
      const command = agent(mesh, bundle, 'mqtts://127.0.0.1:1', env);
      const { status, stderr } = await command.ended;
      expect(status).not.toBe(0);
      return [command.failure.code, stderr];
    };
    const [code, said] = await ends('credential:cam-1.json', { CREDENTIALS_DIRECTORY: '' });
    expect(code).toBe('E_KEY_REFERENCE');
    expect(said).toContain('LoadCredential=cam-1.json');
    const folder = { CREDENTIALS_DIRECTORY: mesh.fleet.folder };
    expect((await ends('credential:../fleet/devices/cam-1.json', folder))[0]).toBe('E_KEY_REFERENCE');
    expect((await ends('credential:absent.json', folder))[0]).toBe('E_FILE_UNREADABLE');
  });
});

/** A Mosquitto whose listener believes the fleet's own PKI too, as docs/OPERATIONS.md has it. */
async function startMosquitto(mesh: Mesh, pki: TlsIdentity): Promise<string> {
  const conf = join(mesh.root, 'conf');
  await mkdir(join(conf, 'broker'), { recursive: true });
  for (const name of ['broker/server.crt', 'broker/server.key', 'broker/acl']) {
    await copyFile(join(mesh.folder, name), join(conf, name));
  }
  await writeFile(join(conf, 'ca.crt'), `${await readFile(join(mesh.folder, 'ca.crt'), 'utf8')}\n${pki.ca}`);
  const port = await ownPort();
  const about = { fleetDir: conf, aclFile: join(conf, 'broker/acl'), host: '127.0.0.1', port };
  const user = process.getuid?.() === 0 ? { user: 'root' } : {};
  await writeFile(join(conf, 'mosquitto.conf'), mosquittoConf({ ...about, ...user }));
  const broker = BrokerProcess.spawn(program, ['-c', join(conf, 'mosquitto.conf')], pino({ level: 'silent' }));
  onTestFinished(() => broker.close());
  expect(await broker.ready('127.0.0.1', port), broker.output).toBe(true);
  return `mqtts://127.0.0.1:${port}`;
}

requirement(
  'mosquitto',
  program !== '',
  INSTALL_MOSQUITTO,
)('TLS of a fleet’s own PKI', () => {
  it('P-13.4 opens the broker for a device that signs by its mesh certificate, under the rules of its own id', async () => {
    const mesh = await Mesh.create();
    const artifact = await mesh.artifact('firmware.img', MIB);
    const pki = await tlsIdentity(['cam-1']);
    await mesh.enroll('cam-1');
    await mesh.enroll('seed', { role: 'seed' });
    const broker = await startMosquitto(mesh, pki);
    mesh.agent('seed', { broker, seeds: [artifact.path] });
    await mesh.publish(artifact, broker);
    const path = mesh.fleet.bundlePath('cam-1');
    const bundle = await bundleOf(mesh, 'cam-1');
    await writeFile(join(mesh.folder, 'devices/tls.key'), pki.key, { mode: 0o600 });
    await writeFile(join(mesh.folder, 'devices/tls.crt'), pki.certificate);
    const tls = { certificate: { file: 'tls.crt' }, key: { file: 'tls.key' } };
    await writeFile(path, JSON.stringify({ ...bundle, tls }), { mode: 0o600 });
    const device = agent(mesh, path, broker);
    expect(await sha256Of(String((await device.event('complete')).path))).toBe(artifact.sha256);
    expect(device.warnings).toEqual([]);
    expect((await device.stop()).status).toBe(0);
    // What the broker knows it by is its own id, whoever issued the certificate.
    const client = await connectMember(await loadCredential(path), Number(new URL(broker).port), {
      protocolVersion: 5,
    });
    const denied = client.publishAsync(`${mesh.prefix}/status/seed`, 'x', { qos: 1 });
    await expect(denied).rejects.toThrow(/not authorized/i);
    await client.endAsync(true);
  });

  it('P-13.4 is refused by a device whose certificate there names another', async () => {
    const mesh = await Mesh.create();
    await mesh.enroll('cam-1');
    const { certificate, key } = await tlsIdentity(['cam-2']);
    const path = mesh.fleet.bundlePath('cam-1');
    await writeFile(path, JSON.stringify({ ...(await bundleOf(mesh, 'cam-1')), tls: { certificate, key } }), {
      mode: 0o600,
    });
    const device = agent(mesh, path, 'mqtts://127.0.0.1:1');
    expect((await device.ended).status).toBe(2);
    expect(device.failure).toMatchObject({
      code: 'E_BUNDLE',
      message: expect.stringContaining('another CN than cam-1'),
    });
  });
});
