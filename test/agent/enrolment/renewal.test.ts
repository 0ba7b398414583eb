import { mkdir, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { openCredential, useKept } from '../../../agent/enrolment/kept_certificate.js';
import type { RenewHow } from '../../../agent/enrolment/renew_how.js';
import { Renewal } from '../../../agent/enrolment/renewal.js';
import type { StateSchema } from '../../../agent/io/store/store.js';
import { readRequest } from '../../../broker/enrolment/request.js';
import { openEnvelope } from '../../../shared/control/envelope.js';
import { decodeMessage, type EnrolledMessage } from '../../../shared/control/messages.js';
import { topics } from '../../../shared/control/topics.js';
import { SigningKey } from '../../../shared/crypto/signature.js';
import { ChunkmeshError } from '../../../shared/errors.js';
import { type Credential, loadCredential } from '../../../shared/identity/bundle.js';
import { codeOf, Issuer, identityOf, type Member, NOW, opened, PREFIX, pemOf } from '../../support/members.js';
import { coded, temporaryFolder } from '../../support/store_fixture.js';

const DAY = 86_400;
const key = SigningKey.generate();
let fleet: Issuer;
let registrar: Member;
beforeAll(async () => {
  fleet = await Issuer.authority();
  registrar = await fleet.member({ id: 'registrar', role: 'registrar' }, { notAfter: NOW + 400 * DAY });
});

const leaf = (notBefore: number, notAfter: number, of = key, over = {}): Promise<Uint8Array> =>
  fleet.leaf(identityOf(over), of, { notBefore, notAfter });

/** A device with its bundle on a disk, a store in memory, and the broker in the test's hand. */
class Stage {
  now = NOW;
  bundle: string;
  readonly state: Record<string, unknown> = {};
  readonly sent: { topic: string; payload: Uint8Array }[] = [];
  readonly warnings: string[] = [];
  readonly lines: string[] = [];
  readonly link = {
    online: true,
    subscribe: vi.fn(),
    publish: (topic: string, payload: Uint8Array) => void this.sent.push({ topic, payload }),
  };
  credential!: Credential;
  renewal!: Renewal;

  constructor(bundle: string) {
    this.bundle = bundle;
  }

  /** @param lived of 90 days */
  static async with(lived = 61, how: RenewHow = 'same-key'): Promise<Stage> {
    const stage = new Stage(join(await temporaryFolder(), 'cam-1.json'));
    const certificateDer = await leaf(NOW - lived * DAY, NOW + (90 - lived) * DAY);
    const file = fleet.bundle({ ...(await fleet.member()), key, certificateDer });
    await writeFile(stage.bundle, JSON.stringify({ ...file, more: 'kept' }), { mode: 0o600 });
    await stage.start(how);
    return stage;
  }

  /** As an agent does. */
  async start(how: RenewHow = 'same-key'): Promise<void> {
    const loaded = await openCredential(this.bundle, this.now);
    await useKept(this.store, loaded, this.now);
    this.credential = loaded.credential;
    this.renewal = new Renewal(
      { credential: this.credential, link: this.link, store: this.store, bundle: this.bundle },
      {
        ...{ how, seconds: () => this.now, random: () => 0 },
        warn: ({ code }) => void this.warnings.push(code),
        info: (_, line) => void this.lines.push(line),
      },
    );
  }

  readonly store = {
    readState: async <T>(name: string, schema: StateSchema<T>): Promise<T | undefined> => {
      if (!(name in this.state)) return undefined;
      const parsed = schema.safeParse(this.state[name]);
      if (parsed.success) return parsed.data;
      throw new ChunkmeshError('E_STORE_CORRUPT', name);
    },
    writeState: async (name: string, value: unknown) => {
      this.state[name] = value;
    },
  };

  /** The key that it asks for now. */
  async asked(): Promise<Uint8Array> {
    const before = this.sent.length;
    this.renewal.tick();
    await vi.waitFor(() => expect(this.sent.length).toBeGreaterThan(before));
    const { topic, payload } = this.sent.at(-1) ?? { topic: '', payload: new Uint8Array() };
    expect(topic).toBe(topics.enroll(PREFIX, 'cam-1'));
    const envelope = openEnvelope(PREFIX, topic, payload, fleet.verifier(), this.now);
    return readRequest(decodeMessage('enroll', envelope.payload).csr).publicKey;
  }

  hear(about: Partial<EnrolledMessage>, by = registrar, device = 'cam-1'): string {
    const message = { t: 'enrolled' as const, at: this.now, request: new Uint8Array(32), ...about };
    const topic = topics.enrolled(PREFIX, device);
    return codeOf(() => this.renewal.onAnswer(opened(fleet, by, topic, message, this.now)));
  }

  async renewedTo(notAfter: number): Promise<void> {
    await vi.waitFor(() => expect(this.credential.notAfter).toBe(notAfter));
  }
}

/** The one file beside the bundle. */
async function keyBeside(bundle: string): Promise<SigningKey> {
  const folder = join(bundle, '..');
  const files = (await readdir(folder)).filter((name) => name.endsWith('.key'));
  expect(files).toHaveLength(1);
  return SigningKey.fromPem(await readFile(join(folder, files[0] ?? ''), 'utf8'));
}

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.with();
});

describe('P-13.12 an agent asks', () => {
  it('once two thirds have passed, by an envelope that its present certificate signed, for its present key', async () => {
    expect(await stage.asked()).toEqual(key.publicKey);
    const young = await Stage.with(59);
    young.renewal.tick();
    expect(young.sent).toEqual([]);
  });

  it('not while the broker is away, not again at once, and not where it is told never to', async () => {
    stage.link.online = false;
    stage.renewal.tick();
    stage.link.online = true;
    await stage.asked();
    stage.renewal.tick();
    expect(stage.sent).toHaveLength(1);
    stage.now += 31;
    await stage.asked();
    const never = await Stage.with(61, 'never');
    never.renewal.tick();
    expect(never.sent).toEqual([]);
  });

  it('never by a certificate that has ended, and says so', async () => {
    stage.now = NOW + 30 * DAY;
    stage.renewal.tick();
    expect([stage.sent, stage.warnings]).toEqual([[], ['E_CERT_EXPIRED']]);
  });
});

describe('P-13.12 an agent refuses', () => {
  it('what it did not ask for, what is another’s, and what gives it more than it had', async () => {
    const certificate = await leaf(NOW, NOW + 300 * DAY);
    expect(stage.hear({ certificate })).toBe('accepted');
    await stage.asked();
    for (const [what, bad] of Object.entries({
      'another key': await leaf(NOW, NOW + 300 * DAY, SigningKey.generate()),
      'other groups': await leaf(NOW, NOW + 300 * DAY, key, { groups: ['cameras', 'robots'] }),
      'another site': await leaf(NOW, NOW + 300 * DAY, key, { site: 'south' }),
      'another role': await leaf(NOW, NOW + 300 * DAY, key, { role: 'operator' }),
      'another id': await leaf(NOW, NOW + 300 * DAY, key, { id: 'cam-2' }),
    })) {
      expect(stage.hear({ certificate: bad }), what).toBe('E_MESSAGE_UNTRUSTED');
    }
    expect(stage.hear({ certificate }, registrar, 'cam-2')).toBe('E_MESSAGE_UNTRUSTED');
    // One that ends sooner takes nothing from it.
    expect(stage.hear({ certificate: await leaf(NOW - DAY, NOW + DAY) })).toBe('accepted');
    await new Promise((resolve) => setImmediate(resolve));
    expect(stage.credential.notAfter).toBe(NOW + 29 * DAY);
    expect(stage.state).toEqual({});
  });
});

describe('P-13.12 a renewed certificate', () => {
  it('is in use at once, in the bundle with all else as it was, and in the store', async () => {
    await stage.asked();
    const certificate = await leaf(NOW, NOW + 300 * DAY);
    expect(stage.hear({ certificate })).toBe('accepted');
    await stage.renewedTo(NOW + 300 * DAY);
    expect(stage.credential.certificateDer).toEqual(certificate);
    const file = JSON.parse(await readFile(stage.bundle, 'utf8'));
    expect(file).toMatchObject({ certificate: pemOf(certificate), key: key.exportPem(), more: 'kept' });
    expect(stage.state.certificate).toEqual({ v: 1, certificate: pemOf(certificate) });
    expect(stage.lines).toEqual(['certificate', 'certificate renewed']);
    stage.now += 2 * DAY;
    stage.renewal.tick();
    expect(stage.sent).toHaveLength(1);
  });

  it('is kept in the store where the bundle cannot be written, and the newer of both counts, until it ends', async () => {
    const text = await readFile(stage.bundle, 'utf8');
    await stage.asked();
    await rm(stage.bundle);
    stage.hear({ certificate: await leaf(NOW, NOW + 300 * DAY) });
    await stage.renewedTo(NOW + 300 * DAY);
    await writeFile(stage.bundle, text, { mode: 0o600 });
    for (const now of [NOW, NOW + 200 * DAY]) {
      stage.now = now;
      await stage.start();
      expect(stage.credential.notAfter).toBe(NOW + 300 * DAY);
    }
    stage.now = NOW + 301 * DAY;
    await expect(stage.start()).rejects.toEqual(coded('E_CERT_EXPIRED'));
  });

  it('of another key, another place or another fleet in the store is not used, and a damaged one is as none', async () => {
    for (const certificate of [
      await leaf(NOW, NOW + 300 * DAY, SigningKey.generate()),
      await leaf(NOW, NOW + 300 * DAY, key, { groups: ['robots'] }),
      await (await Issuer.authority()).leaf(identityOf(), key, { notAfter: NOW + 300 * DAY }),
    ]) {
      stage.state.certificate = { v: 1, certificate: pemOf(certificate) };
      await stage.start();
      expect(stage.credential.notAfter).toBe(NOW + 29 * DAY);
    }
    for (const damaged of [null, {}, { v: 1, certificate: 'x' }, { v: 1, certificate: 5 }]) {
      stage.state.certificate = damaged;
      await stage.start();
      expect(stage.credential.notAfter).toBe(NOW + 29 * DAY);
    }
  });

  it('does not take the place of a bundle that somebody put there meanwhile', async () => {
    await stage.asked();
    const other = fleet.bundle(await fleet.member());
    await writeFile(stage.bundle, JSON.stringify(other), { mode: 0o600 });
    stage.hear({ certificate: await leaf(NOW, NOW + 300 * DAY) });
    await stage.renewedTo(NOW + 300 * DAY);
    expect(JSON.parse(await readFile(stage.bundle, 'utf8'))).toEqual(other);
  });
});

describe('P-13.12 with a new key', () => {
  it('asks for one that it made beside the bundle, the same after a restart, and leaves the old one nowhere', async () => {
    const own = await Stage.with(61, 'new-key');
    const first = await own.asked();
    expect(first).not.toEqual(key.publicKey);
    await own.start('new-key');
    own.now += 60;
    expect(await own.asked()).toEqual(first);
    const made = await keyBeside(own.bundle);
    own.hear({ certificate: await leaf(NOW, NOW + 300 * DAY, made) });
    await own.renewedTo(NOW + 300 * DAY);
    expect(own.credential.key.publicKey).toEqual(first);
    expect(await readFile(own.bundle, 'utf8')).not.toContain('PRIVATE KEY');
    const loaded = await loadCredential(own.bundle, NOW + 200 * DAY);
    expect(loaded.key.publicKey).toEqual(first);
    expect(own.state).toEqual({});
  });

  it('is found again where the bundle is a link to another folder', async () => {
    const own = await Stage.with(61, 'new-key');
    const folder = join(await temporaryFolder(), 'etc');
    await mkdir(folder);
    const link = join(folder, 'mesh.json');
    await symlink(own.bundle, link);
    own.bundle = link;
    await own.start('new-key');
    await own.asked();
    const made = await keyBeside(await realpath(link));
    own.hear({ certificate: await leaf(NOW, NOW + 300 * DAY, made) });
    await own.renewedTo(NOW + 300 * DAY);
    expect((await loadCredential(link, NOW)).key.publicKey).toEqual(made.publicKey);
  });

  it('keeps the same where that is in a token, and puts no file in its place (P-13.3)', async () => {
    const own = await Stage.with(61, 'new-key');
    const token = { publicKey: key.publicKey, sign: (message: Uint8Array) => key.sign(message), close() {} };
    Object.assign(own.credential, { key: token });
    expect(await own.asked()).toEqual(key.publicKey);
    own.hear({ certificate: await leaf(NOW, NOW + 300 * DAY) });
    await own.renewedTo(NOW + 300 * DAY);
    expect(own.credential.key).toBe(token);
    expect((await readdir(join(own.bundle, '..'))).filter((name) => name.includes('.key'))).toEqual([]);
    expect(own.warnings).toEqual([]);
  });

  it('stays with the old one where the bundle cannot name the new', async () => {
    const own = await Stage.with(61, 'new-key');
    await own.asked();
    const made = await keyBeside(own.bundle);
    await rm(own.bundle);
    own.hear({ certificate: await leaf(NOW, NOW + 300 * DAY, made) });
    await vi.waitFor(() => expect(own.warnings).toEqual(['E_FILE_UNREADABLE']));
    expect(own.credential.key.publicKey).toEqual(key.publicKey);
  });
});
