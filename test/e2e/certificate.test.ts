import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { Authority } from '../../broker/fleet/authority.js';
import { Fleet } from '../../broker/fleet/fleet.js';
import { SigningKey } from '../../shared/crypto/signature.js';
import { ERROR_TABLE, type ErrorCode, EXIT } from '../../shared/errors.js';
import { loadCredential, type WholeBundle } from '../../shared/identity/bundle.js';
import { ControlLink } from '../../shared/mqtt/control_link.js';
import { withTls } from '../support/broker_client.js';
import type { Command } from '../support/command.js';
import { Mesh, MIB, sha256Of } from './support/mesh.js';

/** Certificates that should not be let in: the agent refuses to run with them, and the broker refuses who runs nevertheless. */

const DAY_MS = 86_400_000;
const BROKER_WAIT_MS = 10_000;

let mesh: Mesh;
let broker: { readonly url: string; readonly process: Command };
beforeEach(async () => {
  mesh = await Mesh.create();
  broker = await mesh.broker();
});

const bundleOf = async (path: string): Promise<WholeBundle> => JSON.parse(await readFile(path, 'utf8')) as WholeBundle;

async function writeBundle(name: string, bundle: WholeBundle): Promise<string> {
  const path = join(mesh.root, `${name}.json`);
  await writeFile(path, JSON.stringify(bundle), { mode: 0o600 });
  return path;
}

/** A bundle of this fleet whose certificate ended yesterday. */
async function expiredBundle(id: string): Promise<WholeBundle> {
  const { identity } = await mesh.enroll(id);
  const { folder } = mesh;
  const authority = await Authority.fromPem(await readFile(join(folder, 'ca.key'), 'utf8'), mesh.fleet.ca);
  const key = SigningKey.generate();
  const now = Date.now();
  const validity = { notBefore: new Date(now - 2 * DAY_MS), notAfter: new Date(now - DAY_MS) };
  const certificate = await authority.issueMember(identity, key.publicKey, validity);
  return { ...(await bundleOf(mesh.fleet.bundlePath(id))), certificate, key: key.exportPem() };
}

/** A bundle of another fleet that has a device of the same id. */
async function foreignBundle(id: string, fleet = 'plant'): Promise<WholeBundle> {
  const other = await Fleet.init(join(mesh.root, 'other'), { fleet });
  return bundleOf(await other.enroll(id));
}

async function expectRefusedAtStart(bundle: WholeBundle, code: ErrorCode): Promise<void> {
  const agent = mesh.agent('cam-1', { broker: broker.url, bundle: await writeBundle('bad', bundle) });
  expect(await agent.ended).toMatchObject({ status: ERROR_TABLE[code].exit, signal: null });
  expect(agent.failure).toMatchObject({ code, remedy: expect.stringMatching(/\w/) });
  expect(agent.stderr).not.toContain('PRIVATE KEY');
  expect(agent.events).toEqual([]);
}

/** The broker still takes who belongs, and a rollout still gets through. */
async function expectFleetWell(): Promise<void> {
  const artifact = await mesh.artifact('firmware.img', MIB);
  await mesh.publish(artifact, broker.url);
  await mesh.seed(broker.url, artifact);
  const good = await mesh.device('good', { broker: broker.url });
  const done = await good.event('complete');
  expect(await sha256Of(String(done.path))).toBe(artifact.sha256);
}

/** Straight to the broker, without the agent's own check of its bundle. */
async function connectAnyway(bundle: WholeBundle, honest: string): Promise<unknown> {
  const credential = await loadCredential(mesh.fleet.bundlePath(honest), Date.now() / 1000);
  const { certificate, key } = bundle;
  const link = new ControlLink(withTls(credential, { certificate, key: String(key) }), { broker: broker.url });
  try {
    const [failure] = await once(link, 'failure', { signal: AbortSignal.timeout(BROKER_WAIT_MS) });
    return failure;
  } finally {
    await link.close();
  }
}

describe('a certificate', () => {
  it('that expired ends the agent with E_CERT_EXPIRED, and the broker refuses it (P-3.4)', async () => {
    const bundle = await expiredBundle('cam-1');
    await expectRefusedAtStart(bundle, 'E_CERT_EXPIRED');
    expect(await connectAnyway(bundle, 'cam-1')).toMatchObject({ code: 'E_BROKER_REFUSED' });
    await expectFleetWell();
  });

  it('of another CA under this fleet’s name ends the agent with E_CERT_FOREIGN, and the broker refuses it', async () => {
    await mesh.enroll('cam-1');
    const foreign = await foreignBundle('cam-1');
    await expectRefusedAtStart({ ...foreign, ca: mesh.fleet.ca }, 'E_CERT_FOREIGN');
    expect(await connectAnyway(foreign, 'cam-1')).toMatchObject({ code: 'E_BROKER_REFUSED' });
    await expectFleetWell();
  });

  it('that is no client’s, or not the key’s, ends the agent with a code of its own', async () => {
    await mesh.enroll('cam-1');
    const bundle = await bundleOf(mesh.fleet.bundlePath('cam-1'));
    const server = await readFile(join(mesh.folder, 'broker/server.crt'), 'utf8');
    await expectRefusedAtStart({ ...bundle, certificate: server }, 'E_CERT_INVALID');
    await expectRefusedAtStart({ ...bundle, certificate: 'not a certificate' }, 'E_CERT_INVALID');
    await expectRefusedAtStart({ ...bundle, key: SigningKey.generate().exportPem() }, 'E_BUNDLE');
  });

  it('of another fleet, whole bundle and all, finds no way in: the agent says E_CERT_FOREIGN and tries on', async () => {
    const bundle = await foreignBundle('cam-1', 'elsewhere');
    const agent = mesh.agent('cam-1', { broker: broker.url, bundle: await writeBundle('foreign', bundle) });
    const first = await agent.warning('E_CERT_FOREIGN');
    expect(first.remedy).toContain('not of this fleet');
    await agent.warning('E_CERT_FOREIGN', agent.events.length);
    expect(agent.events.filter(({ event }) => event === 'online')).toEqual([]);
    await expectFleetWell();
    expect(await agent.stop()).toMatchObject({ status: EXIT.done, signal: null });
  });
});
