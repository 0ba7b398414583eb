import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join as joinPath } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { join } from '../../agent/enrolment/join.js';
import { keyOfFile } from '../../agent/enrolment/key_file.js';
import { readTokens } from '../../broker/enrolment/token_file.js';
import { readFleetFile } from '../../broker/fleet/fleet_file.js';
import { BrokerProcess } from '../../broker/mosquitto/broker_process.js';
import { findMosquitto, INSTALL_MOSQUITTO } from '../../broker/mosquitto/executable.js';
import { freePort } from '../../broker/mosquitto/free_port.js';
import { mosquittoConf } from '../../broker/policy/mosquitto_conf.js';
import { sealEnvelope } from '../../shared/control/envelope.js';
import { encodeMessage } from '../../shared/control/messages.js';
import { topics } from '../../shared/control/topics.js';
import { readToken } from '../../shared/enrolment/token.js';
import { loadCredential } from '../../shared/identity/bundle.js';
import { makeRequest } from '../../shared/identity/request.js';
import { ControlLink } from '../../shared/mqtt/control_link.js';
import { COMMAND, type Command, chunkmesh, refusal } from '../support/command.js';
import { requirement } from '../support/requirement.js';
import { Mesh, sha256Of } from './support/mesh.js';

/** Devices that enroll themselves, and renew what they have, against brokers and registrars that are processes of their own (P-13). */

const now = (): number => Date.now() / 1000;
const logger = pino({ level: 'silent' });
const withMosquitto = requirement('mosquitto', findMosquitto() !== null, INSTALL_MOSQUITTO);

class Hall {
  readonly mesh: Mesh;
  readonly url: string;
  readonly registrarFlags: readonly string[];

  constructor(mesh: Mesh, url: string, ...registrarFlags: string[]) {
    this.mesh = mesh;
    this.url = url;
    this.registrarFlags = registrarFlags;
  }

  static async embedded(): Promise<Hall> {
    const mesh = await Mesh.create();
    return new Hall(mesh, (await mesh.broker()).url);
  }

  /** A mosquitto that somebody else runs: it reads the fleet's own access list, when it is told to. */
  static async mosquitto(): Promise<Hall> {
    const mesh = await Mesh.create();
    const [host, port] = ['127.0.0.1', await freePort('127.0.0.1')];
    const pidFile = joinPath(mesh.root, 'mosquitto.pid');
    const conf = mosquittoConf({
      ...{ fleetDir: mesh.folder, aclFile: joinPath(mesh.folder, 'broker/acl'), host, port },
      ...(process.getuid?.() === 0 && { user: 'root' }),
    });
    const confFile = joinPath(mesh.root, 'mosquitto.conf');
    await writeFile(confFile, `pid_file ${pidFile}\n${conf}`);
    const broker = BrokerProcess.spawn(findMosquitto() ?? '', ['-c', confFile], logger);
    onTestFinished(() => broker.close());
    expect(await broker.ready(host, port), broker.output).toBe(true);
    return new Hall(mesh, `mqtts://127.0.0.1:${port}`, '--reload-pid', pidFile);
  }

  async registrar(...more: string[]): Promise<Command> {
    const flags = [...['--fleet', this.mesh.folder, '--broker', this.url], ...this.registrarFlags, ...more];
    const registrar = this.mesh.run('registrar', 'registrar', ...flags);
    await registrar.event('online');
    return registrar;
  }

  async tokens(...flags: string[]): Promise<string[]> {
    const { status, stdout, stderr } = await chunkmesh(['token', '--fleet', this.mesh.folder, ...flags]);
    expect(status, stderr).toBe(0);
    return stdout.trim().split('\n');
  }

  bundleOf(id: string): string {
    return joinPath(this.mesh.root, 'home', id, `${id}.json`);
  }

  /** As `chunkmesh join` does, in this process. */
  async join(device: string, token: string, timeoutMs = 60_000): Promise<string> {
    const bundle = this.bundleOf(device);
    await mkdir(joinPath(bundle, '..'), { recursive: true });
    await join({ device, token, bundle, timeoutMs, broker: this.url, now });
    return bundle;
  }

  async member(id: string) {
    return (await readFleetFile(this.mesh.folder)).roster.filter((row) => row.id === id);
  }
}

async function twentyJoin(hall: Hall): Promise<void> {
  const tokens = await hall.tokens('--count', '20', '--site', 'hall-2', '--group', 'cameras');
  expect(new Set(tokens).size).toBe(20);
  const registrar = await hall.registrar();
  const before = performance.now();
  await Promise.all(tokens.map((token, i) => hall.join(`cam-${i}`, token)));
  const seconds = (performance.now() - before) / 1000;
  expect(seconds).toBeLessThan(30);
  for (let i = 0; i < 20; i++) {
    const { identity, tls } = await loadCredential(hall.bundleOf(`cam-${i}`), now());
    expect(identity).toEqual({ fleet: 'plant', id: `cam-${i}`, role: 'device', site: 'hall-2', groups: ['cameras'] });
    expect((await stat(hall.bundleOf(`cam-${i}`))).mode & 0o777).toBe(0o600);
    // The key was made there, and the fleet has it nowhere.
    const secret = tls.exportKey().split('\n')[1] ?? '';
    expect(await readFile(hall.mesh.fleet.bundlePath(`cam-${i}`), 'utf8')).not.toContain(secret);
  }
  expect(registrar.events.filter(({ event }) => event === 'joined')).toHaveLength(20);
  expect(await readdir(joinPath(hall.mesh.folder, 'devices'))).toHaveLength(20);
}

async function tokenIsUsedOnce(hall: Hall): Promise<void> {
  const [token = ''] = await hall.tokens('--device', 'cam-1');
  const registrar = await hall.registrar();
  await expect(hall.join('cam-2', token)).rejects.toMatchObject({ code: 'E_TOKEN_DEVICE' });
  await hall.join('cam-1', token);
  const file = joinPath(hall.mesh.root, 'token');
  await writeFile(file, token, { mode: 0o600 });
  const bundle = joinPath(hall.mesh.root, 'thief.json');
  const thief = await chunkmesh(['join', 'cam-1', '--token', file, '--bundle', bundle, '--broker', hall.url]);
  expect(thief.status).toBe(3);
  expect(refusal(thief.stderr).code).toBe('E_TOKEN_USED');
  await registrar.event('refused', ({ code }) => code === 'E_TOKEN_USED');
  expect(await hall.member('cam-1')).toHaveLength(1);
}

/** A device that asks, and is away before it hears. */
async function askAndLeave(hall: Hall, id: string, token: string): Promise<void> {
  await mkdir(joinPath(hall.bundleOf(id), '..'), { recursive: true });
  const key = await keyOfFile(hall.bundleOf(id).replace('.json', '.key'));
  const { credential } = readToken(token, now());
  const link = new ControlLink(credential, { broker: hall.url });
  const topic = topics.enroll(credential.prefix, credential.identity.id);
  const ask = encodeMessage({ t: 'enroll', at: Math.floor(now()), csr: makeRequest(id, key) });
  await link.publishConfirmed(topic, sealEnvelope(topic, ask, credential), { qos: 1, retain: false }, 10_000);
  await link.close();
}

async function answerIsLost(hall: Hall): Promise<void> {
  const [token = ''] = await hall.tokens();
  const registrar = await hall.registrar();
  await askAndLeave(hall, 'cam-1', token);
  await registrar.event('joined', ({ device, again }) => device === 'cam-1' && again === undefined);
  const [row] = await hall.member('cam-1');
  const credential = await loadCredential(await hall.join('cam-1', token), now());
  await registrar.event('joined', ({ again }) => again === true);
  expect(await hall.member('cam-1')).toEqual([row]);
  expect(credential.notAfter).toBe(row?.notAfter);
}

describe.each([
  ['the embedded broker', describe, () => Hall.embedded()],
  ['mosquitto', withMosquitto, () => Hall.mosquitto()],
] as const)('P-13.10 over %s', (name, describeIt, make) => {
  describeIt(name, () => {
    it('twenty devices join at once, each with its token and a key of its own', async () => twentyJoin(await make()));
    it('a token is used once, and by the device that it is for', async () => tokenIsUsedOnce(await make()));
    it('an answer that was lost is given again', async () => answerIsLost(await make()));
  });
});

describe('P-13.10 join', () => {
  it('makes a device that fetches, and a seed that serves, of nothing but tokens', async () => {
    const hall = await Hall.embedded();
    await hall.registrar();
    const [device = '', seed = ''] = [...(await hall.tokens()), ...(await hall.tokens('--role', 'seed'))];
    const artifact = await hall.mesh.artifact('firmware.img', 300_000);
    const broker = hall.url;
    hall.mesh.agent('depot', { broker, bundle: await hall.join('depot', seed), seeds: [artifact.path] });
    const agent = hall.mesh.agent('cam-1', { broker, bundle: await hall.join('cam-1', device) });
    await agent.event('online');
    await hall.mesh.publish(artifact, broker);
    expect(await sha256Of(String((await agent.event('complete')).path))).toBe(artifact.sha256);
  });

  it('reads the token from stdin or the environment, and refuses one that others can read', async () => {
    const hall = await Hall.embedded();
    await hall.registrar();
    const [one = '', two = '', three = ''] = await hall.tokens('--count', '3');
    const args = (id: string, ...more: string[]): string[] => [
      ...['join', id, '--bundle', joinPath(hall.mesh.root, `${id}.json`), '--broker', hall.url, ...more],
    ];
    expect((await chunkmesh(args('cam-1'), { env: { CHUNKMESH_TOKEN: one } })).status).toBe(0);
    const typed = [process.execPath, COMMAND, ...args('cam-2', '--token', '-')].join(' ');
    const piped = await chunkmesh(['-c', `echo ${two} | ${typed}`], { program: 'bash' });
    expect(piped.status, piped.stderr).toBe(0);
    const file = joinPath(hall.mesh.root, 'token');
    await writeFile(file, three, { mode: 0o644 });
    expect(refusal((await chunkmesh(args('cam-3', '--token', file))).stderr).code).toBe('E_KEY_FILE_MODE');
    expect(refusal((await chunkmesh(args('cam-3'))).stderr).code).toBe('E_ARGUMENT');
    const there = await chunkmesh(args('cam-1'), { env: { CHUNKMESH_TOKEN: three } });
    expect(refusal(there.stderr).code).toBe('E_ARGUMENT');
  });

  it('takes a device whose clock says 1970: it is at least the day on which its token was made', async () => {
    const hall = await Hall.embedded();
    await hall.registrar();
    const [token = ''] = await hall.tokens();
    const bundle = joinPath(hall.mesh.root, 'cam-1.json');
    await join({ device: 'cam-1', token, bundle, timeoutMs: 60_000, broker: hall.url, now: () => 0 });
    expect((await loadCredential(bundle, now())).identity.id).toBe('cam-1');
  });

  it('tells who waits in vain that no registrar is there', async () => {
    const hall = await Hall.embedded();
    const [token = ''] = await hall.tokens();
    await expect(hall.join('cam-1', token, 1500)).rejects.toMatchObject({ code: 'E_TIMEOUT' });
  });

  it('ends well after a registrar was killed at any moment between the mark and the answer', async () => {
    const hall = await Hall.embedded();
    const tokens = await hall.tokens('--count', '4');
    for (const [i, token] of tokens.entries()) {
      const id = `cam-${i}`;
      const doomed = await hall.registrar();
      const joining = hall.join(id, token);
      await vi.waitFor(
        async () => expect((await readTokens(hall.mesh.folder)).filter(({ used }) => used)).toHaveLength(i + 1),
        { timeout: 20_000, interval: 1 },
      );
      await delay(i);
      await doomed.kill();
      const next = await hall.registrar();
      const { identity } = await loadCredential(await joining, now());
      expect(identity.id).toBe(id);
      await next.stop();
      expect(await hall.member(id)).toHaveLength(1);
    }
    expect(new Set((await readTokens(hall.mesh.folder)).map(({ used }) => used?.device)).size).toBe(4);
  });
});

/** A member whose certificate is at the end of its life. */
async function nearlyEnded(hall: Hall, id: string, leftSeconds: number): Promise<void> {
  const notBefore = new Date(Date.now() - 1_000_000);
  await hall.mesh.fleet.enroll(id, { validity: { notBefore, notAfter: new Date(Date.now() + leftSeconds * 1000) } });
}

describe('P-13.12 renewal', () => {
  it('comes to an agent that runs, into its bundle, and its next connection is by the new certificate', async () => {
    const hall = await Hall.embedded();
    await nearlyEnded(hall, 'cam-1', 60);
    const bundle = hall.mesh.fleet.bundlePath('cam-1');
    const old = await loadCredential(bundle, now());
    await hall.registrar('--days', '30');
    const agent = hall.mesh.agent('cam-1', { broker: hall.url });
    await agent.warning('E_CERT_ENDING');
    await vi.waitFor(() => expect(agent.stderr).toContain('certificate renewed'), { timeout: 60_000 });
    const renewed = await loadCredential(bundle, now() + 1_000_000);
    expect(renewed.identity).toEqual(old.identity);
    expect(renewed.key.publicKey).toEqual(old.key.publicKey);
    expect(agent.events.filter(({ event }) => event === 'offline')).toEqual([]);
    // The old one is not in the roster any more: whoever is connected by it has to come again.
    const [row] = await hall.member('cam-1');
    expect(row?.before).toHaveLength(1);
    const file = await readFleetFile(hall.mesh.folder);
    const roster = file.roster.map(({ before: _, ...member }) => member);
    await writeFile(joinPath(hall.mesh.folder, 'fleet.json'), JSON.stringify({ ...file, roster }));
    const seen = agent.events.length;
    await agent.event('offline');
    await agent.event('online', () => true, seen);
  });
});
