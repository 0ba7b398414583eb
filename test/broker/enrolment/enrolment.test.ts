import { cp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Asker, Enrolment, type EnrolmentOptions, type Issued } from '../../../broker/enrolment/enrolment.js';
import { readTokens, type TokenRow, writeTokens } from '../../../broker/enrolment/token_file.js';
import { Fleet } from '../../../broker/fleet/fleet.js';
import { fingerprintOf } from '../../../broker/fleet/fleet_file.js';
import { putOnList } from '../../../broker/revocation/revoke.js';
import { readSealedList } from '../../../broker/revocation/sealed_list.js';
import { Standings } from '../../../broker/revocation/standings.js';
import { SigningKey } from '../../../shared/crypto/signature.js';
import { readToken } from '../../../shared/enrolment/token.js';
import { ChunkmeshError } from '../../../shared/errors.js';
import { loadCredential } from '../../../shared/identity/bundle.js';
import type { IdentityKey } from '../../../shared/identity/keys/identity_key.js';
import { keyFingerprint, makeRequest } from '../../../shared/identity/request.js';
import { TestFleet } from '../../support/test_fleet.js';

const DAY = 86_400;
/** Whole seconds, as certificates have them. */
const START = Math.floor(Date.now() / 1000);

let fleet: TestFleet;
let now = START;
beforeEach(async () => {
  fleet = await TestFleet.create();
  now = START;
});
afterEach(() => fleet.remove());

/** As another process would have it: with its own view of the folder. */
const enrolment = async (over: Partial<EnrolmentOptions> = {}): Promise<Enrolment> =>
  new Enrolment({ fleet: await Fleet.open(fleet.folder), now: () => now, ...over });

/** A newcomer, as an envelope of it would say. */
function askerOf(token: string): Asker {
  const { credential } = readToken(token, now);
  const signer = credential.verifier.verify(credential.certificateDer, now);
  return { signer, fingerprint: fingerprintOf(credential.certificateDer) };
}

async function memberAsker(id: string): Promise<Asker & { key: IdentityKey }> {
  const { certificateDer, verifier, key } = await loadCredential(fleet.fleet.bundlePath(id), now);
  return { signer: verifier.verify(certificateDer, now), fingerprint: fingerprintOf(certificateDer), key };
}

async function codeOf(act: Promise<unknown>): Promise<string> {
  return act.then(
    () => 'accepted',
    (error: unknown) => (error instanceof ChunkmeshError ? error.code : String(error)),
  );
}

async function oneToken(expiresSeconds = DAY): Promise<string> {
  const [made] = await (await enrolment()).makeTokens({ count: 1, expiresSeconds, site: 'north', groups: ['cameras'] });
  return made?.token ?? '';
}

const ask = async (token: string, id: string, key: Pick<IdentityKey, 'publicKey' | 'sign'>): Promise<Issued> =>
  (await enrolment()).answer(askerOf(token), makeRequest(id, key));

const rosterOf = async () => (await Fleet.open(fleet.folder)).roster;

describe('P-13.8 tokens', () => {
  it('are kept by what they grant, and not as what opens anything', async () => {
    const made = await (await enrolment()).makeTokens({ count: 3, expiresSeconds: DAY, role: 'seed', site: 'yard' });
    expect(new Set(made.map(({ token }) => token)).size).toBe(3);
    const text = await readFile(join(fleet.folder, 'tokens.json'), 'utf8');
    expect((await stat(join(fleet.folder, 'tokens.json'))).mode & 0o777).toBe(0o600);
    for (const { token, newcomer, expires } of made) {
      const { credential } = readToken(token, now);
      expect([newcomer, expires]).toEqual([credential.identity.id, START + DAY]);
      expect(text).toContain(newcomer);
      for (const secret of [token, credential.tls.exportKey().split('\n')[1] ?? '']) expect(text).not.toContain(secret);
    }
    expect(await readTokens(fleet.folder)).toMatchObject(
      Array(3).fill({ role: 'seed', site: 'yard', groups: ['default'] }),
    );
  });

  it('are members of the broker until they end, and nothing of them stays', async () => {
    const token = await oneToken(60);
    const { id } = askerOf(token).signer.identity;
    expect((await rosterOf()).at(-1)).toMatchObject({ id, role: 'newcomer', groups: [], notAfter: START + 60 });
    expect(await readFile(join(fleet.folder, 'broker/acl'), 'utf8')).toContain(
      `topic write chunkmesh/acme/enroll/${id}`,
    );
    now = START + 61;
    await (await enrolment()).makeTokens({ count: 1, expiresSeconds: 60 });
    expect(await readTokens(fleet.folder)).toHaveLength(1);
  });

  it.each([
    [{ count: 0 }, 'E_ARGUMENT'],
    [{ count: 1001 }, 'E_ARGUMENT'],
    [{ count: 1, expiresSeconds: 59 }, 'E_ARGUMENT'],
    [{ count: 1, expiresSeconds: 367 * DAY }, 'E_ARGUMENT'],
    [{ count: 1, days: 0 }, 'E_ARGUMENT'],
    [{ count: 2, device: 'cam-1' }, 'E_ARGUMENT'],
    [{ count: 1, device: 'a.b' }, 'E_ID'],
    [{ count: 1, site: '+' }, 'E_ID'],
    [{ count: 1, groups: ['a/b'] }, 'E_ID'],
  ])('are not made of %j', async (grant, code) => {
    const before = await rosterOf();
    expect(await codeOf((await enrolment()).makeTokens({ expiresSeconds: DAY, ...grant }))).toBe(code);
    expect(await rosterOf()).toEqual(before);
  });

  it('are 10,000 at most', async () => {
    await oneToken();
    const [row] = await readTokens(fleet.folder);
    const full = Array.from({ length: 9999 }, (_, i) => ({ ...(row as TokenRow), newcomer: `n-${i}` }));
    await writeTokens(fleet.folder, full, now);
    expect(await codeOf(oneToken())).toBe('accepted');
    expect(await codeOf(oneToken())).toBe('E_ARGUMENT');
  });

  it.each(['', '{', '[]', '{"v":2}', '{"v":1,"tokens":[{}]}'])('of a file with %j are refused', async (text) => {
    const token = await oneToken();
    await writeFile(join(fleet.folder, 'tokens.json'), text);
    expect(await codeOf(ask(token, 'cam-1', SigningKey.generate()))).toBe('E_CONFIG');
    expect(await rosterOf()).not.toContainEqual(expect.objectContaining({ id: 'cam-1' }));
  });
});

describe('P-13.10 a token', () => {
  it('makes its device a member with what it grants, whatever is asked, and no key comes to the fleet', async () => {
    const key = SigningKey.generate();
    const { certificate, ...about } = await ask(await oneToken(), 'cam-1', key);
    expect(about).toEqual({ how: 'joined', again: false, device: 'cam-1' });
    const row = (await rosterOf()).at(-1);
    expect(row).toMatchObject({ id: 'cam-1', role: 'device', site: 'north', groups: ['cameras'] });
    expect(row?.fingerprint).toBe(fingerprintOf(certificate));
    const bundle = JSON.parse(await readFile(fleet.fleet.bundlePath('cam-1'), 'utf8')) as { key: unknown };
    expect(bundle.key).toEqual({ file: 'cam-1.key' });
  });

  it('is used once: another key or id is refused, and gets nothing', async () => {
    const [token, key] = [await oneToken(), SigningKey.generate()];
    await ask(token, 'cam-1', key);
    expect(await codeOf(ask(token, 'cam-1', SigningKey.generate()))).toBe('E_TOKEN_USED');
    expect(await codeOf(ask(token, 'cam-2', SigningKey.generate()))).toBe('E_TOKEN_USED');
    expect(await codeOf(ask(token, 'cam-2', key))).toBe('E_TOKEN_USED');
    expect((await rosterOf()).filter(({ role }) => role === 'device')).toHaveLength(1);
  });

  it('gives the same certificate to the same key again, as often as its answer is lost', async () => {
    const [token, key] = [await oneToken(), SigningKey.generate()];
    const first = await ask(token, 'cam-1', key);
    const rows = await rosterOf();
    for (let i = 0; i < 3; i++) expect(await ask(token, 'cam-1', key)).toEqual({ ...first, again: true });
    expect(await rosterOf()).toEqual(rows);
  });

  it('is marked before anything is made for it: a crash in between ends with one member, of the key that came first', async () => {
    const [token, key] = [await oneToken(), SigningKey.generate()];
    const tokens = await readTokens(fleet.folder);
    // As a registrar leaves it that was killed right after the mark.
    for (const row of tokens) row.used = { device: 'cam-1', key: keyFingerprint(key.publicKey), at: now };
    await writeTokens(fleet.folder, tokens, now);
    expect(await codeOf(ask(token, 'cam-1', SigningKey.generate()))).toBe('E_TOKEN_USED');
    expect(await ask(token, 'cam-1', key)).toMatchObject({ again: true, device: 'cam-1' });
    expect((await rosterOf()).filter(({ id }) => id === 'cam-1')).toHaveLength(1);
  });

  it('does not bring back a certificate that was replaced since', async () => {
    const [token, key] = [await oneToken(), SigningKey.generate()];
    await ask(token, 'cam-1', key);
    await fleet.fleet.enroll('cam-1', { renew: true });
    expect(await codeOf(ask(token, 'cam-1', key))).toBe('E_TOKEN_USED');
  });

  it('takes no id that is there, and is good for another then', async () => {
    await fleet.enroll('cam-1');
    const token = await oneToken();
    expect(await codeOf(ask(token, 'cam-1', SigningKey.generate()))).toBe('E_DEVICE_EXISTS');
    expect(await codeOf(ask(token, 'operator', SigningKey.generate()))).toBe('E_DEVICE_EXISTS');
    expect(await codeOf(ask(token, 'cam-2', SigningKey.generate()))).toBe('accepted');
  });

  it('refuses what is no request, and is not used by it', async () => {
    const token = await oneToken();
    expect(await codeOf((await enrolment()).answer(askerOf(token), new Uint8Array(9)))).toBe('E_REQUEST_INVALID');
    expect((await readTokens(fleet.folder))[0]?.used).toBeUndefined();
  });

  it('makes one of two that come with it at once a member', async () => {
    const token = await oneToken();
    const both = await Promise.all(['cam-1', 'cam-2'].map((id) => codeOf(ask(token, id, SigningKey.generate()))));
    expect(both.sort()).toEqual(['E_TOKEN_USED', 'accepted']);
  });
});

describe('P-14.6 whom the list names', () => {
  const revokeIn = async (folder: string, id: string, forceId = false): Promise<void> => {
    const options = {
      fleetFolder: folder,
      credential: await fleet.credential('operator'),
      broker: 'mqtts://127.0.0.1:1',
    };
    expect(await codeOf(putOnList({ ...options, forceId }, id, 'revoked', 'stolen'))).toBe('E_BROKER_UNREACHABLE');
  };
  const standings = (): Standings => new Standings(fleet.folder, fleet.fleet, pino({ level: 'silent' }));

  it('gets no other certificate, also where another folder published it, and the list alone says so', async () => {
    await fleet.enroll('cam-1');
    const { key, ...asker } = await memberAsker('cam-1');
    const elsewhere = join(fleet.root, 'copy');
    await cp(fleet.folder, elsewhere, { recursive: true });
    await revokeIn(elsewhere, 'cam-1');
    const list = standings();
    now = START + 250 * DAY;
    const registrar = await enrolment({ list });
    expect(await registrar.standing('cam-1', asker.signer.notBefore)).toBe('good');
    expect(list.heard((await readSealedList(elsewhere)) ?? new Uint8Array())).toBe(true);
    expect(await registrar.standing('cam-1', asker.signer.notBefore)).toBe('revoked');
    expect(await codeOf(registrar.answer(asker, makeRequest('cam-1', key)))).toBe('E_RENEWAL_REFUSED');
  });

  it('makes nobody a member by its token', async () => {
    const token = await oneToken();
    await revokeIn(fleet.folder, askerOf(token).signer.identity.id);
    expect(await codeOf(ask(token, 'evil', SigningKey.generate()))).toBe('E_PEER_REVOKED');
    expect(await rosterOf()).not.toContainEqual(expect.objectContaining({ id: 'evil' }));
  });

  it('and whom the roster does not know is no id that a token gives', async () => {
    const token = await oneToken();
    await revokeIn(fleet.folder, 'ghost', true);
    expect(await codeOf(ask(token, 'ghost', SigningKey.generate()))).toBe('E_DEVICE_EXISTS');
    expect(await codeOf(ask(token, 'cam-1', SigningKey.generate()))).toBe('accepted');
  });
});

describe('P-13.12 a renewal', () => {
  /** Late in the life of its certificate. */
  async function due(over: Partial<EnrolmentOptions> = {}): Promise<Enrolment> {
    return enrolment({ now: () => START + 250 * DAY, ...over });
  }

  it('gives the same place for as long again, and both certificates are good', async () => {
    await fleet.enroll('cam-1', { site: 'north', groups: ['a', 'b'], role: 'seed' });
    const { key, ...asker } = await memberAsker('cam-1');
    const { certificate, how } = await (await due()).answer(asker, makeRequest('cam-1', key));
    expect(how).toBe('renewed');
    const row = (await rosterOf()).at(-1);
    expect(row).toMatchObject({ id: 'cam-1', role: 'seed', site: 'north', groups: ['a', 'b'] });
    expect(row?.fingerprint).toBe(fingerprintOf(certificate));
    expect(row?.before).toMatchObject([
      { fingerprint: asker.fingerprint, notAfter: expect.any(Number), serial: expect.stringMatching(/^[0-9a-f]+$/) },
    ]);
    const after = await loadCredential(fleet.fleet.bundlePath('cam-1'), START + 300 * DAY);
    expect(Math.abs(after.notAfter - (START + 615 * DAY))).toBeLessThan(600);
    expect(after.key.publicKey).toEqual(key.publicKey);
  });

  it('is answered again with the same where its answer was lost', async () => {
    await fleet.enroll('cam-1');
    const { key, ...asker } = await memberAsker('cam-1');
    const first = await (await due()).answer(asker, makeRequest('cam-1', key));
    const again = await (await due()).answer(asker, makeRequest('cam-1', key));
    expect(again).toEqual({ ...first, again: true });
  });

  it('of a new key is signed by the old one, and the bundle of the fleet has no key then', async () => {
    await fleet.enroll('cam-1');
    const { key: _, ...asker } = await memberAsker('cam-1');
    const next = SigningKey.generate();
    await (await due()).answer(asker, makeRequest('cam-1', next));
    const bundle = JSON.parse(await readFile(fleet.fleet.bundlePath('cam-1'), 'utf8')) as { key: unknown };
    expect(bundle.key).toEqual({ file: 'cam-1.key' });
    expect(await codeOf((await due()).answer(asker, makeRequest('cam-1', SigningKey.generate())))).toBe(
      'E_RENEWAL_REFUSED',
    );
  });

  it('comes to a device whose bundle was carried to it and not kept, and the fleet has no key of it then', async () => {
    await fleet.enroll('cam-1');
    const { key, ...asker } = await memberAsker('cam-1');
    await rm(fleet.fleet.bundlePath('cam-1'));
    const first = await (await due()).answer(asker, makeRequest('cam-1', key));
    expect(await (await due()).answer(asker, makeRequest('cam-1', key))).toEqual({ ...first, again: true });
    expect(await readFile(fleet.fleet.bundlePath('cam-1'), 'utf8')).not.toContain('PRIVATE KEY');
  });

  it('is refused early, to the revoked, to who was thrown out, and for another id', async () => {
    await fleet.enroll('cam-1');
    const { key, ...asker } = await memberAsker('cam-1');
    const csr = makeRequest('cam-1', key);
    expect(await codeOf((await enrolment()).answer(asker, csr))).toBe('E_RENEWAL_REFUSED');
    const mayRenew = (id: string): boolean => id !== 'cam-1';
    expect(await codeOf((await due({ mayRenew })).answer(asker, csr))).toBe('E_RENEWAL_REFUSED');
    expect(await codeOf((await due()).answer(asker, makeRequest('cam-2', key)))).toBe('E_REQUEST_INVALID');
    await fleet.fleet.enroll('cam-1', { renew: true });
    expect(await codeOf((await due()).answer(asker, csr))).toBe('E_RENEWAL_REFUSED');
  });

  it('keeps two of those before it at most', async () => {
    await fleet.enroll('cam-1');
    for (let i = 1; i <= 4; i++) {
      const { key, ...asker } = await memberAsker('cam-1');
      now += 250 * DAY;
      await (await enrolment()).answer(asker, makeRequest('cam-1', key));
      expect((await rosterOf()).find(({ id }) => id === 'cam-1')?.before?.length).toBe(Math.min(i, 2));
    }
  });
});
