import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { Agent } from '../../../agent/agent.js';
import { readWipeNote, type WipeNote, writeWipeNote } from '../../../agent/io/wipe.js';
import { resumeWipe } from '../../../agent/revocation/wiping.js';
import type { ChunkmeshError } from '../../../shared/errors.js';
import { CaptiveFleet } from '../../support/captive_fleet.js';
import { type Member, NOW } from '../../support/members.js';
import { coded, temporaryFolder } from '../../support/store_fixture.js';

/** What a wipe leaves of a device, and what it does not (P-14.8): real files. */

const NOWHERE = 'mqtts://127.0.0.1:1';
const DAY = 86_400;
const FOLDERS = ['ready/firmware', 'artifacts/ab', 'state', 'evidence', 'installed'];

let fleet: CaptiveFleet;
let member: Member;
let folder: string;
let bundle: string;
let store: string;

beforeEach(async () => {
  fleet = await CaptiveFleet.create();
  member = await fleet.member('cam-1');
  folder = await temporaryFolder();
  bundle = join(folder, 'cam-1.json');
  store = join(folder, 'store');
  for (const name of FOLDERS) await mkdir(join(store, name), { recursive: true, mode: 0o700 });
});

const at = (name: string): string => join(folder, name);
const secret = (path: string, text: string) => writeFile(path, text, { mode: 0o600 });
const whole = () => fleet.issuer.bundle(member);

/** By one that is spoilt nothing can be said, and nobody waits for a broker. */
const SPOILT = { certificate: 'x' };

/** A bundle whose key is in a file of its own, as `join` and `enroll --csr` make it. */
async function keyBeside(over: object = {}): Promise<void> {
  await secret(at('cam-1.key'), whole().key);
  await secret(bundle, JSON.stringify({ ...whole(), key: { file: 'cam-1.key' }, ...over }));
}

/** A wipe that was cut short right after its note. */
async function note(over: Partial<WipeNote> = {}): Promise<void> {
  const notBefore = (await fleet.issuer.verifier().verify(member.certificateDer, NOW)).notBefore;
  const key = Buffer.from(member.key.publicKey).toString('hex');
  await writeWipeNote(store, { key, notBefore, done: false, ...over });
}

const start = (credential: string | Member = bundle) =>
  resumeWipe({
    credential: typeof credential === 'string' ? credential : fleet.issuer.credential(credential),
    ...{ store, broker: NOWHERE },
  });

async function said(credential?: string): Promise<string> {
  const error: ChunkmeshError = await start(credential).then(
    () => expect.unreachable(),
    (thrown) => thrown,
  );
  expect(error).toEqual(coded('E_WIPED'));
  return error.message;
}

describe('P-14.8 a wipe takes away', () => {
  it('the key, in whatever file the bundle says that it is, and what renewals left beside it', async () => {
    const tls = { certificate: { file: 'tls.pem' }, ca: { file: 'ca.pem' }, key: { file: 'tls.key' } };
    await keyBeside({ tls });
    const pending = `cam-1-${NOW + DAY}.key`;
    for (const name of ['tls.key', 'tls.pem', 'ca.pem', pending, 'cam-2-1900000000.key']) await secret(at(name), 'x');
    await note();
    await said();
    for (const name of ['cam-1.json', 'cam-1.key', 'tls.key', pending]) expect(existsSync(at(name)), name).toBe(false);
    // Public, or another device's.
    for (const name of ['tls.pem', 'ca.pem', 'cam-2-1900000000.key']) expect(existsSync(at(name)), name).toBe(true);
  });

  it('all that is in the store, also bytes that were wrong and indexes of what is installed', async () => {
    await keyBeside(SPOILT);
    for (const name of FOLDERS) await writeFile(join(store, name, '1.bin'), 'chunk of a secret');
    await note();
    await said();
    const left = await readdir(store, { recursive: true });
    expect(left.sort()).toEqual(['artifacts', 'evidence', 'installed', 'ready', 'state', 'wipe.json']);
  });

  it('the file that a link leads to, and the link', async () => {
    await keyBeside(SPOILT);
    const link = at('mesh');
    await symlink(bundle, link);
    await note();
    await said(link);
    for (const name of ['mesh', 'cam-1.json', 'cam-1.key']) expect(existsSync(at(name)), name).toBe(false);
  });

  it('all of it where an agent runs, and its store has nothing but the note', async () => {
    await keyBeside();
    const warnings: ChunkmeshError[] = [];
    const broker = { mqtt: fleet.broker.connect('cam-1'), listen: { host: '127.0.0.1' } };
    const agent = new Agent({ credential: bundle, store, installed: { firmware: at('fw') }, ...broker });
    onTestFinished(() => agent.stop());
    agent.on('warning', (error) => warnings.push(error));
    const done = new Promise((resolve) => agent.once('wiped', () => resolve(true)));
    await agent.start();
    await fleet.revoke({ version: 2, wiped: [{ device: 'cam-1', since: NOW }] });
    await done;
    for (const name of ['cam-1.json', 'cam-1.key']) expect(existsSync(at(name)), name).toBe(false);
    const files = (await readdir(store, { recursive: true, withFileTypes: true })).filter((one) => !one.isDirectory());
    expect(files.map(({ name }) => name)).toEqual(['wipe.json']);
    expect(await readFile(join(store, 'wipe.json'), 'utf8')).not.toContain('PRIVATE');
    expect(warnings.map(({ message }) => message)).toEqual(['this device is wiped']);
  });
});

describe('P-14.8 what a wipe cannot take away', () => {
  it('it names, and tries each file of it again at the next start', async () => {
    await keyBeside({ key: { file: 'odd' } });
    // No file, so that it is not removed as one.
    await mkdir(at('odd'));
    await note();
    expect(await said()).toContain(`take away by hand: ${at('odd')}`);
    expect([existsSync(bundle), (await readWipeNote(store))?.left]).toEqual([false, [at('odd')]]);
    expect(await said()).toContain(at('odd'));
    await rm(at('odd'), { recursive: true });
    await secret(at('odd'), whole().key);
    expect(await said()).not.toContain('by hand');
    expect([existsSync(at('odd')), (await readWipeNote(store))?.left]).toEqual([false, []]);
  });

  it('is a systemd credential, which it names', async () => {
    process.env.CREDENTIALS_DIRECTORY = folder;
    onTestFinished(() => void delete process.env.CREDENTIALS_DIRECTORY);
    await writeFile(at('mesh'), JSON.stringify({ ...whole(), ...SPOILT }), { mode: 0o400 });
    await note();
    expect(await said('credential:mesh')).toContain('take away by hand: the systemd credential mesh');
    expect(existsSync(at('mesh'))).toBe(true);
    await said('credential:mesh');
  });
});

describe('P-14.8 a device that was wiped', () => {
  it('does not start by the certificate that it had before it was renewed, wherever the bundle is', async () => {
    process.env.CREDENTIALS_DIRECTORY = folder;
    onTestFinished(() => void delete process.env.CREDENTIALS_DIRECTORY);
    await writeFile(at('mesh'), JSON.stringify(whole()), { mode: 0o400 });
    // The renewed one was in the store alone, since the bundle could not be written, and the agent that ran noted that.
    for (const done of [true, false]) {
      await keyBeside();
      await note({ notBefore: NOW - 100, done });
      await said();
      await said('credential:mesh');
    }
  });

  it('starts once it was enrolled anew: by another key, or by a certificate that begins later', async () => {
    const { notBefore } = await fleet.issuer.verifier().verify(member.certificateDer, NOW);
    const later = await fleet.issuer.leaf(member.identity, member.key, {
      notBefore: notBefore + 1,
      notAfter: NOW + DAY,
    });
    const same = await fleet.issuer.leaf(member.identity, member.key, { notBefore, notAfter: NOW + 9 * DAY });
    const other = await fleet.issuer.member({ id: 'cam-1' }, { notBefore: notBefore - 1 });
    await note({ done: true });
    await expect(start({ ...member, certificateDer: same })).rejects.toEqual(coded('E_WIPED'));
    for (const again of [{ ...member, certificateDer: later }, other]) {
      await note({ done: true });
      await start(again);
      expect(await readWipeNote(store)).toBeUndefined();
    }
  });

  it('does not, where what the note says cannot be read', async () => {
    await keyBeside();
    for (const spoilt of ['', '{}', '{"v":1,"certificate":"00","done":true}']) {
      await writeFile(join(store, 'wipe.json'), spoilt);
      await expect(start()).rejects.toEqual(coded('E_STORE_CORRUPT'));
    }
  });
});
