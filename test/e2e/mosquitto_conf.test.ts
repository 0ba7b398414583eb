import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MqttClient } from 'mqtt';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { BrokerProcess } from '../../broker/mosquitto/broker_process.js';
import { findDynamicSecurity, followRegister } from '../../broker/mosquitto/dynamic_security.js';
import { findMosquitto, INSTALL_MOSQUITTO } from '../../broker/mosquitto/executable.js';
import { Mosquitto } from '../../broker/mosquitto/mosquitto.js';
import type { Register } from '../../broker/revocation/register.js';
import { putOnList, takeOffLists } from '../../broker/revocation/revoke.js';
import { topics } from '../../shared/control/topics.js';
import type { Credential } from '../../shared/identity/bundle.js';
import { MAX_MESSAGE_BYTES } from '../../shared/limits.js';
import type { ControlLink } from '../../shared/mqtt/control_link.js';
import { connectMember, withTls } from '../support/broker_client.js';
import { ownPort } from '../support/own_port.js';
import { requirement } from '../support/requirement.js';
import { temporaryFolder } from '../support/store_fixture.js';
import { TestFleet } from '../support/test_fleet.js';

const logger = pino({ level: 'silent' });
const program = findMosquitto() ?? '';
const withMosquitto = requirement('mosquitto', program !== '', INSTALL_MOSQUITTO);

let fleet: TestFleet;
let device: Credential;
let operator: Credential;
const clients: MqttClient[] = [];

beforeAll(async () => {
  fleet = await TestFleet.create();
  device = await fleet.enroll('cam-1');
  operator = await fleet.credential('operator');
});
afterAll(() => fleet.remove());
afterEach(() => {
  for (const client of clients.splice(0)) client.end(true);
});

async function member(credential: Credential, port: number, clientId?: string): Promise<MqttClient> {
  const client = await connectMember(credential, port, clientId === undefined ? {} : { clientId });
  clients.push(client);
  return client;
}

/** A device's status reaches the operator, and is there for one who comes later. */
async function expectWell(port: number): Promise<void> {
  const text = `well ${performance.now()}`;
  const sender = await member(device, port);
  await sender.publishAsync(topics.status(fleet.prefix, 'cam-1'), text, { qos: 1, retain: true });
  const receiver = await member(operator, port);
  const seen: string[] = [];
  receiver.on('message', (_, payload) => seen.push(String(payload)));
  await receiver.subscribeAsync(`${fleet.prefix}/status/+`, { qos: 1 });
  await vi.waitFor(() => expect(seen).toContain(text));
}

/** What the comments of mosquitto.conf say to put in /etc/chunkmesh, for the user that Mosquitto becomes. */
async function installExample(root: string, port: number): Promise<string> {
  const etc = join(root, 'etc');
  const lib = join(root, 'lib');
  await mkdir(join(etc, 'broker'), { recursive: true });
  await mkdir(lib);
  for (const name of ['ca.crt', 'broker/server.crt', 'broker/server.key', 'broker/acl', 'broker/ca.crl']) {
    await copyFile(join(fleet.folder, name), join(etc, name));
  }
  await copyFile(join(fleet.folder, 'broker/dynamic-security.json'), join(lib, 'dynamic-security.json'));
  const example = await readFile(new URL('../../mosquitto.conf', import.meta.url), 'utf8');
  const rewritten = example
    .replaceAll('/etc/chunkmesh', etc)
    .replaceAll('/var/lib/mosquitto', lib)
    .replace(/^plugin .*$/m, `plugin ${findDynamicSecurity()}`)
    .replace('listener 8883 0.0.0.0', `listener ${port} 127.0.0.1`);
  await writeFile(join(etc, 'mosquitto.conf'), rewritten);
  if (process.getuid?.() === 0) {
    const uid = Number(execFileSync('id', ['-u', 'mosquitto'], { encoding: 'utf8' }));
    const all = await readdir(root, { recursive: true });
    for (const name of ['', ...all]) await chown(join(root, name), uid, -1);
  }
  return join(etc, 'mosquitto.conf');
}

withMosquitto('the mosquitto.conf at the root', () => {
  it('starts as it is, lets members in and nobody else, and bounds them', async () => {
    const root = await mkdtemp(join(tmpdir(), 'chunkmesh-conf-'));
    const port = await ownPort();
    const conf = await installExample(root, port);
    const broker = BrokerProcess.spawn(program, ['-c', conf], logger);
    try {
      expect(await broker.ready('127.0.0.1', port), broker.output).toBe(true);
      await expectWell(port);

      const foreign = await TestFleet.create();
      const impostor = await foreign.enroll('cam-1');
      await foreign.remove();
      await expect(member(withTls(impostor, { ca: device.ca }), port)).rejects.toThrow();

      const receiver = await member(operator, port);
      const seen: number[] = [];
      receiver.on('message', (_, payload, packet) => packet.retain || seen.push(payload.length));
      await receiver.subscribeAsync(`${fleet.prefix}/status/+`, { qos: 1 });
      const sender = await member(device, port);
      const status = topics.status(fleet.prefix, 'cam-1');
      for (const bytes of [MAX_MESSAGE_BYTES + 1, MAX_MESSAGE_BYTES]) {
        await sender.publishAsync(status, Buffer.alloc(bytes), { qos: 1 });
      }
      await vi.waitFor(() => expect(seen).toEqual([MAX_MESSAGE_BYTES]));
    } finally {
      await broker.close();
      await rm(root, { recursive: true, force: true });
    }
  });
});

withMosquitto('P-14.9 the mosquitto.conf at the root', () => {
  it('has who is revoked cut at once by the operator, and denied; after its files came, refused at the handshake', async () => {
    const root = await mkdtemp(join(tmpdir(), 'chunkmesh-conf-'));
    const port = await ownPort();
    const conf = await installExample(root, port);
    const broker = BrokerProcess.spawn(program, ['-c', conf], logger);
    const url = `mqtts://localhost:${port}`;
    const published = (link: ControlLink, register: Register) => followRegister(link, fleet.folder, register);
    const options = { fleetFolder: fleet.folder, credential: operator, broker: url, published };
    const say = async (credential: Credential, text: string): Promise<MqttClient> => {
      const client = await member(credential, port);
      await client.publishAsync(topics.status(fleet.prefix, credential.identity.id), text, { qos: 1 });
      return client;
    };
    try {
      expect(await broker.ready('127.0.0.1', port), broker.output).toBe(true);
      const stolen = await fleet.enroll('stolen');
      const odd = await fleet.enroll('odd');
      const copy = async (name: string): Promise<void> => copyFile(join(fleet.folder, name), join(root, 'etc', name));
      await copy('broker/acl');
      await broker.hangUp();
      // Not the operator, whose verbs connect by the same id.
      const receiver = await member(await fleet.credential('auditor'), port);
      const seen: string[] = [];
      receiver.on('message', (_, payload) => seen.push(String(payload)));
      await receiver.subscribeAsync(`${fleet.prefix}/status/+`, { qos: 1 });
      const [cut, isolated, stays] = [
        await say(stolen, 'stolen 1'),
        await say(odd, 'odd 1'),
        await say(device, 'cam 1'),
      ];
      await vi.waitFor(() => expect(seen).toEqual(expect.arrayContaining(['stolen 1', 'odd 1', 'cam 1'])));

      await putOnList(options, 'stolen', 'revoked', 'stolen');
      await putOnList(options, 'odd', 'quarantined', 'odd');
      await vi.waitFor(() =>
        expect([cut.connected, isolated.connected, stays.connected]).toEqual([false, false, true]),
      );
      await say(stolen, 'stolen 2');
      const quiet = await say(odd, 'odd 2');
      const told: string[] = [];
      quiet.on('message', (topic) => told.push(topic));
      await quiet.subscribeAsync(topics.revoked(fleet.prefix), { qos: 1 });
      await expect(quiet.subscribeAsync(topics.have(fleet.prefix, '+', 0, '+'))).rejects.toThrow();
      await say(device, 'cam 2');
      await vi.waitFor(() => expect(seen).toEqual(expect.arrayContaining(['odd 2', 'cam 2'])));
      await vi.waitFor(() => expect(told).toEqual([topics.revoked(fleet.prefix)]));
      expect(seen).not.toContain('stolen 2');

      for (const name of ['broker/acl', 'broker/ca.crl']) await copy(name);
      await broker.hangUp();
      await expect(member(stolen, port)).rejects.toThrow();
      await takeOffLists(options, 'odd');
      await copy('broker/acl');
      await broker.hangUp();
      await say(odd, 'odd 3');
      await vi.waitFor(() => expect(seen).toContain('odd 3'));
    } finally {
      await broker.close();
      await rm(root, { recursive: true, force: true });
    }
  });
});

withMosquitto('Mosquitto', () => {
  const start = (port = 0): Promise<Mosquitto> =>
    Mosquitto.start({ fleetDir: fleet.folder, host: '127.0.0.1', port, logger });

  it('runs on a fleet folder, takes members enrolled since on reload, and ends', async () => {
    const broker = await start();
    const { port } = broker.address;
    try {
      await expectWell(port);
      const late = await fleet.enroll('late');
      await broker.reload();
      const receiver = await member(operator, port);
      const seen: string[] = [];
      receiver.on('message', (topic) => seen.push(topic));
      await receiver.subscribeAsync(`${fleet.prefix}/status/+`, { qos: 1 });
      const sender = await member(late, port);
      await vi.waitFor(async () => {
        await sender.publishAsync(topics.status(fleet.prefix, 'late'), 'x', { qos: 1 });
        expect(seen).toContain(topics.status(fleet.prefix, 'late'));
      });
    } finally {
      await broker.close();
    }
    await expect(member(device, port)).rejects.toThrow();
  });

  it('gives a client that calls itself by another id its own (P-2.5)', async () => {
    const broker = await start();
    try {
      const victim = await member(operator, broker.address.port);
      let lost = false;
      victim.once('close', () => {
        lost = true;
      });
      await member(device, broker.address.port, 'operator');
      await victim.subscribeAsync(`${fleet.prefix}/status/+`, { qos: 1 });
      expect(lost).toBe(false);
    } finally {
      await broker.close();
    }
  });

  it('says E_BROKER_START and why where the port is taken, or its certificate is damaged', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await expect(start(port)).rejects.toMatchObject({ code: 'E_BROKER_START', message: /in use/ });
    server.close();
    const damaged = await TestFleet.create('damaged');
    const path = join(damaged.folder, 'broker/server.crt');
    await chmod(path, 0o600);
    await writeFile(path, 'nonsense');
    const options = { fleetDir: damaged.folder, host: '127.0.0.1', port: 0, logger };
    await expect(Mosquitto.start(options)).rejects.toMatchObject({ code: 'E_BROKER_START' });
    await damaged.remove();
  });

  it('leaves no folder behind', async () => {
    // Not where the brokers of other tests come and go.
    const place = await temporaryFolder();
    vi.stubEnv('TMPDIR', place);
    onTestFinished(() => void vi.unstubAllEnvs());
    const broker = await start();
    expect(await readdir(place)).toHaveLength(1);
    await broker.close();
    await broker.close();
    expect(await readdir(place)).toEqual([]);
  });
});
