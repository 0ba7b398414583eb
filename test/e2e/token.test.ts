import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Authority, validFor } from '../../broker/fleet/authority.js';
import type { Identity } from '../../shared/control/topics.js';
import { verifySignature } from '../../shared/crypto/signature.js';
import { openKey } from '../../shared/identity/keys/open_key.js';
import { Command } from '../support/command.js';
import { codeOf } from '../support/members.js';
import { loadSoftHsm, PIN, SoftHsm, withSoftHsm } from '../support/soft_hsm.js';
import { Mesh, MIB, sha256Of } from './support/mesh.js';

/** P-13.3 with a real PKCS#11 module. */

const MESSAGE = new TextEncoder().encode('who may say what');
let token: SoftHsm;

beforeEach(async () => {
  token = await SoftHsm.create();
});
afterEach(() => token.remove());

/** A bundle whose mesh key is in the token; TLS is opened by what enrolment wrote. @returns its path */
async function moveToToken(mesh: Mesh, identity: Identity): Promise<string> {
  token.generate(identity.id);
  const key = openKey(token.uri(identity.id), '/');
  const [caKey, caCertificate] = await Promise.all(
    ['ca.key', 'ca.crt'].map((name) => readFile(join(mesh.folder, name), 'utf8')),
  );
  const authority = await Authority.fromPem(caKey ?? '', caCertificate ?? '');
  const certificate = await authority.issueMember(identity, key.publicKey, validFor(Date.now(), 30));
  key.close();
  const path = mesh.fleet.bundlePath(identity.id);
  const before = JSON.parse(await readFile(path, 'utf8'));
  const { certificate: tlsCertificate, key: tlsKey } = before;
  const bundle = {
    ...{ ...before, certificate, key: { pkcs11: token.uri(identity.id) } },
    tls: { certificate: tlsCertificate, key: tlsKey },
  };
  await writeFile(path, JSON.stringify(bundle), { mode: 0o600 });
  return path;
}

withSoftHsm('a key in a token', () => {
  it('signs, and what it signs verifies', () => {
    token.generate('cam-1');
    for (const uri of [token.uri('cam-1'), token.uri('cam-1').replace('object=cam-1', 'id=cam-1')]) {
      const key = openKey(uri, '/');
      expect(verifySignature(key.sign(MESSAGE), MESSAGE, key.publicKey)).toBe(true);
      key.close();
    }
  });

  it('is not given out, and one that may be is refused', () => {
    token.generate('kept');
    token.generate('loose', { extractable: true });
    expect(codeOf(() => openKey(token.uri('kept'), '/').close())).toBe('accepted');
    expect(codeOf(() => openKey(token.uri('loose'), '/'))).toBe('E_KEY_REFERENCE');
    expect(codeOf(() => openKey(token.uri('absent'), '/'))).toBe('E_KEY_REFERENCE');
  });

  it('is opened by a PIN from a variable; a wrong one is E_KEY_PIN', () => {
    token.generate('cam-1');
    process.env.CHUNKMESH_TEST_PIN = PIN;
    expect(codeOf(() => openKey(token.uri('cam-1', 'env:CHUNKMESH_TEST_PIN'), '/').close())).toBe('accepted');
    process.env.CHUNKMESH_TEST_PIN = 'pin-wrong';
    expect(codeOf(() => openKey(token.uri('cam-1', 'env:CHUNKMESH_TEST_PIN'), '/'))).toBe('E_KEY_PIN');
    delete process.env.CHUNKMESH_TEST_PIN;
  });

  it('signs on where its session was closed, or the module was finalized, by another user of the module', () => {
    token.generate('cam-1');
    const key = openKey(token.uri('cam-1'), '/');
    const other = loadSoftHsm();
    for (const slot of other.C_GetSlotList(true)) other.C_CloseAllSessions(slot);
    expect(verifySignature(key.sign(MESSAGE), MESSAGE, key.publicKey)).toBe(true);
    other.C_Finalize();
    expect(verifySignature(key.sign(MESSAGE), MESSAGE, key.publicKey)).toBe(true);
    key.close();
  });

  it('says E_KEY_TOKEN while the token is away, and signs once it is back', async () => {
    token.generate('cam-1');
    const key = openKey(token.uri('cam-1'), '/');
    await token.pull();
    loadSoftHsm().C_Finalize();
    expect(codeOf(() => key.sign(MESSAGE))).toBe('E_KEY_TOKEN');
    expect(codeOf(() => key.sign(MESSAGE))).toBe('E_KEY_TOKEN');
    await token.putBack();
    loadSoftHsm().C_Finalize();
    expect(verifySignature(key.sign(MESSAGE), MESSAGE, key.publicKey)).toBe(true);
    key.close();
  });

  it('is a device’s and a publisher’s: a rollout goes from one to the other, and no PIN is shown', async () => {
    const mesh = await Mesh.create();
    const publisher = { fleet: 'plant', id: 'publisher', role: 'publisher', site: 'default', groups: [] } as const;
    await moveToToken(mesh, publisher);
    const { identity } = await mesh.enroll('cam-1');
    const bundle = await moveToToken(mesh, identity);
    const artifact = await mesh.artifact('firmware.img', MIB);
    const { url: broker } = await mesh.broker();
    const seed = await mesh.seed(broker, artifact);
    const about = ['--name', 'firmware', '--version', '1', '--broker', broker, '--fleet', mesh.folder, '--json'];
    const publish = new Command(['publish', artifact.path, ...about, '--until-stdin-ends'], { env: token.env });
    const { status, stderr, stdout } = await publish.ended;
    expect(status, stderr).toBe(0);
    const flags = [
      '--store',
      mesh.storeOf('cam-1'),
      '--broker',
      broker,
      '--listen',
      '127.0.0.1:0',
      '--log-level',
      'debug',
    ];
    const device = new Command(['agent', '--bundle', bundle, ...flags, '--json', '--until-stdin-ends'], {
      env: token.env,
    });
    try {
      const done = await device.event('complete');
      expect(await sha256Of(String(done.path))).toBe(artifact.sha256);
      expect(device.warnings).toEqual([]);
      expect((await device.stop()).status).toBe(0);
      for (const text of [stdout, stderr, device.stdout, device.stderr, seed.stderr]) expect(text).not.toContain(PIN);
    } finally {
      await device.kill();
    }
  });

  it('signs metadata by hand: its public half is added, and the root that names it counts once it has signed', async () => {
    const mesh = await Mesh.create();
    token.generate('root-ada');
    const run = async (...args: string[]): Promise<{ status: number | null; text: string }> => {
      const command = new Command(['trust', ...args], { env: token.env, cwd: mesh.root });
      const { status, stdout, stderr } = await command.ended;
      expect(stdout + stderr).not.toContain(PIN);
      return { status, text: stdout + stderr };
    };
    const uri = token.uri('root-ada');
    const made = await run('key', 'root-ada', '--from', uri);
    expect(made.status, made.text).toBe(0);
    const added = await run('add-key', 'root-ada.pub', '--role', 'root', '--fleet', mesh.folder);
    expect(added.status, added.text).toBe(0);
    const signed = await run('sign', '--fleet', mesh.folder, '--key', uri, '--json');
    expect(signed.status, signed.text).toBe(0);
    expect((await run('sign', '--fleet', mesh.folder, '--key', token.uri('absent'))).status).toBe(2);
  });

  it('needs `tls` beside it, and a PIN that is right, or the agent ends and says so', async () => {
    const mesh = await Mesh.create();
    const { identity } = await mesh.enroll('cam-1');
    const path = await moveToToken(mesh, identity);
    const whole = JSON.parse(await readFile(path, 'utf8'));
    const ends = async (bundle: object, env: Readonly<Record<string, string>> = token.env): Promise<string> => {
      await writeFile(path, JSON.stringify(bundle), { mode: 0o600 });
      const agent = new Command(['agent', '--bundle', path, '--store', mesh.storeOf('cam-1'), '--json'], { env });
      await agent.ended;
      expect(agent.stdout + agent.stderr).not.toContain(PIN);
      return agent.failure.code;
    };
    const { tls: _tls, ...without } = whole;
    expect(await ends(without)).toBe('E_BUNDLE');
    expect(await ends({ ...whole, key: { pkcs11: token.uri('cam-1', 'env:PIN') } }, { ...token.env, PIN: 'no' })).toBe(
      'E_KEY_PIN',
    );
    expect(await ends({ ...whole, key: { pkcs11: token.uri('absent') } })).toBe('E_KEY_REFERENCE');
    expect(await ends({ ...whole, key: { pkcs11: `${token.uri('cam-1')}&pin-value=${PIN}` } })).toBe('E_KEY_REFERENCE');
    token.generate('other');
    expect(await ends({ ...whole, key: { pkcs11: token.uri('other') } })).toBe('E_BUNDLE');
    await token.pull();
    expect(await ends(whole)).toBe('E_KEY_TOKEN');
  });
});
