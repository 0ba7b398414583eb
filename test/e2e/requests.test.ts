import { execFileSync, spawnSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { EmbeddedBroker } from '../../broker/embedded/embedded_broker.js';
import { Enrolment } from '../../broker/enrolment/enrolment.js';
import { fingerprintOf, readFleetFile, writeFleetFile } from '../../broker/fleet/fleet_file.js';
import { ProbeClient } from '../../broker/policy/probe_client.js';
import { type Credential, loadCredential } from '../../shared/identity/bundle.js';
import { makeRequest, toPem } from '../../shared/identity/request.js';
import { withTls } from '../support/broker_client.js';
import { chunkmesh } from '../support/command.js';
import { requirement } from '../support/requirement.js';
import { Mesh } from './support/mesh.js';

/** Keys that stay where they were made, and certificates that follow one another, with processes and a broker that run. */

const now = (): number => Date.now() / 1000;
const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
const withOpenssl = requirement('openssl', hasOpenssl, 'apt-get install openssl');

async function done(...args: string[]): Promise<Record<string, unknown>> {
  const { status, stdout, stderr } = await chunkmesh([...args, '--json']);
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout) as Record<string, unknown>;
}

describe('P-13.6 a device enrolled by its request', () => {
  it('runs with the bundle that it was given and the key that it made, in whatever role it was given', async () => {
    const mesh = await Mesh.create();
    const home = join(mesh.root, 'home');
    await mkdir(home);
    const [key, csr] = [join(home, 'cam-1.key'), join(mesh.root, 'cam-1.csr')];
    const { fingerprint } = await done('request', 'cam-1', '--key', key, '--out', csr);
    const enroll = [
      'enroll',
      '--csr',
      csr,
      '--fleet',
      mesh.folder,
      '--role',
      'seed',
      '--fingerprint',
      String(fingerprint),
    ];
    const { bundle, role, key: enrolled } = await done(...enroll);
    expect([role, enrolled]).toEqual(['seed', fingerprint]);
    const text = await readFile(String(bundle), 'utf8');
    expect(text).not.toContain('PRIVATE KEY');
    await writeFile(join(home, 'cam-1.json'), text, { mode: 0o600 });
    const { url } = await mesh.broker();
    await mesh.agent('cam-1', { broker: url, bundle: join(home, 'cam-1.json') }).event('online');
    // The same request again makes no second member, and the same key again keeps it.
    expect((await chunkmesh(enroll)).status).toBe(2);
    expect(await done('request', 'cam-1', '--key', key, '--out', csr)).toMatchObject({ fingerprint });
    await done(...enroll, '--renew');
  });
});

withOpenssl('P-13.5 a request of another tool', () => {
  it('is taken, as a publisher’s too', async () => {
    const mesh = await Mesh.create();
    const [key, csr] = [join(mesh.root, 'night.key'), join(mesh.root, 'night.csr')];
    execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', key]);
    execFileSync('openssl', ['req', '-new', '-key', key, '-subj', '/O=acme/CN=night', '-out', csr]);
    const { bundle } = await done('enroll', '--csr', csr, '--fleet', mesh.folder, '--role', 'publisher');
    await writeFile(join(mesh.root, 'night.json'), await readFile(String(bundle)), { mode: 0o600 });
    const credential = await loadCredential(join(mesh.root, 'night.json'), now());
    expect(credential.identity).toMatchObject({ id: 'night', role: 'publisher' });
    const artifact = await mesh.artifact('firmware.img', 100_000);
    const { url } = await mesh.broker();
    await mesh.enroll('cam-1');
    const agent = mesh.agent('cam-1', { broker: url });
    await agent.event('online');
    await mesh.publish(artifact, url);
    await agent.event('rollout');
  });
});

describe('P-13.12 the embedded broker', () => {
  it('lets in the renewed certificate and the one before it, and that one no more once the roster has it not', async () => {
    const mesh = await Mesh.create();
    const logger = pino({ level: 'silent' });
    const broker = await EmbeddedBroker.start({ fleetDir: mesh.folder, host: '127.0.0.1', port: 0, logger });
    onTestFinished(() => broker.close());
    const url = `mqtts://localhost:${broker.address.port}`;
    const knock = async (credential: Credential): Promise<string> => {
      const client = await ProbeClient.connect(credential, url).catch(() => null);
      await client?.close();
      return client === null ? 'refused' : 'let in';
    };
    const validity = { notBefore: new Date(Date.now() - 900_000), notAfter: new Date(Date.now() + 600_000) };
    const old = await mesh.enroll('cam-1', { validity });
    const enrolment = new Enrolment({ fleet: mesh.fleet, now, renewDays: 1 });
    const signer = old.verifier.verify(old.certificateDer, now());
    const asker = { signer, fingerprint: fingerprintOf(old.certificateDer) };
    const { certificate } = await enrolment.answer(asker, makeRequest('cam-1', old.key));
    const renewed = withTls(old, { certificate: toPem('CERTIFICATE', certificate) });
    expect([await knock(old), await knock(renewed)]).toEqual(['let in', 'let in']);
    const file = await readFleetFile(mesh.folder);
    const roster = file.roster.map(({ before: _, ...member }) => member);
    await writeFleetFile(mesh.folder, { ...file, roster });
    expect([await knock(old), await knock(renewed)]).toEqual(['refused', 'let in']);
  });
});

describe('P-13.12 an agent that makes a new key each time', () => {
  it('has its bundle name the new one, and goes on with it after a restart', async () => {
    const mesh = await Mesh.create();
    const validity = { notBefore: new Date(Date.now() - 1_000_000), notAfter: new Date(Date.now() + 100_000) };
    await mesh.fleet.enroll('cam-1', { validity });
    const bundle = join(mesh.root, 'cam-1.json');
    await writeFile(bundle, await readFile(mesh.fleet.bundlePath('cam-1')), { mode: 0o600 });
    const old = await loadCredential(bundle, now());
    const { url } = await mesh.broker();
    const registrar = mesh.run('registrar', 'registrar', '--fleet', mesh.folder, '--broker', url, '--days', '30');
    await registrar.event('online');
    const agent = mesh.agent('cam-1', { broker: url, bundle, more: ['--renew', 'new-key'] });
    await registrar.event('renewed');
    await vi.waitFor(() => expect(agent.stderr).toContain('certificate renewed'), { timeout: 20_000 });
    const renewed = await loadCredential(bundle, now());
    expect(renewed.key.publicKey).not.toEqual(old.key.publicKey);
    expect(await readFile(mesh.fleet.bundlePath('cam-1'), 'utf8')).not.toContain('PRIVATE KEY');
    await agent.stop();
    await mesh.agent('cam-1', { broker: url, bundle }).event('online');
  });
});
