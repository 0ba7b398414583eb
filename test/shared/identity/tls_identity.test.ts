import { generateKeyPairSync, webcrypto } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { SigningKey } from '../../../shared/crypto/signature.js';
import { type Credential, parseCredential, type WholeBundle } from '../../../shared/identity/bundle.js';
import { TlsIdentity } from '../../../shared/identity/tls_identity.js';
import { codeOf, Issuer, type Member, NOW, pemOf } from '../../support/members.js';
import { temporaryFolder } from '../../support/store_fixture.js';

/** P-13.4, and keys that are not in the bundle. */

let fleet: Issuer;
let pki: Issuer;
let member: Member;
let good: WholeBundle;
let own: { ca: string; certificate: string; key: string };
let folder: string;

const leafOf = async (id: string, key: SigningKey, cn = id): Promise<string> =>
  pemOf(await pki.leaf({ ...member.identity, id }, key, { cn: [{ CN: [cn] }] }));

beforeAll(async () => {
  fleet = await Issuer.authority();
  pki = await Issuer.authority('CN=own PKI');
  member = await fleet.member();
  good = fleet.bundle(member);
  const key = SigningKey.generate();
  const certificate = await leafOf(member.identity.id, key);
  own = { ca: pki.certificate, certificate, key: key.exportPem() };
});

beforeEach(async () => {
  folder = await temporaryFolder();
});

const parse = (bundle: object): Credential => parseCredential(JSON.stringify(bundle), join(folder, 'bundle.json'), NOW);
const put = (name: string, text: string): Promise<void> => writeFile(join(folder, name), text, { mode: 0o600 });

describe('P-13.4 TLS', () => {
  it('is opened by the mesh certificate, where the bundle says nothing else', () => {
    const { tls, ca, certificate } = parse(good);
    expect([tls.ca, tls.certificate, tls.exportKey()]).toEqual([ca, certificate, good.key]);
  });

  it('is opened by the own PKI’s certificate, and envelopes are signed by the mesh key all the same', () => {
    const { tls, key, certificateDer } = parse({ ...good, tls: own });
    expect([tls.ca, tls.certificate, tls.exportKey()]).toEqual([own.ca, own.certificate, own.key]);
    expect(key.publicKey).toEqual(member.key.publicKey);
    expect(certificateDer).toEqual(member.certificateDer);
  });

  it('takes files, relative to the bundle’s folder, and a credential', async () => {
    await put('tls.crt', own.certificate);
    await put('tls.key', own.key);
    await put('tls.ca', own.ca);
    await put('mesh.key', good.key);
    const files = { ca: { file: 'tls.ca' }, certificate: { file: 'tls.crt' }, key: { file: 'tls.key' } };
    const { tls, key } = parse({ ...good, key: { file: 'mesh.key' }, tls: files });
    expect([tls.ca, tls.certificate, tls.exportKey()]).toEqual([own.ca, own.certificate, own.key]);
    expect(key.publicKey).toEqual(member.key.publicKey);
    vi.stubEnv('CREDENTIALS_DIRECTORY', folder);
    const byName = parse({
      ...good,
      key: { credential: 'mesh.key' },
      tls: { ...own, key: { credential: 'tls.key' } },
    });
    vi.unstubAllEnvs();
    expect(byName.tls.exportKey()).toBe(own.key);
    // A key that is elsewhere opens TLS too, where the mesh certificate does.
    expect(parse({ ...good, key: { file: 'mesh.key' } }).tls.exportKey()).toBe(good.key);
  });

  it('trusts the fleet’s CA for the broker, where no other is named', () => {
    const { ca: _ca, ...rest } = own;
    expect(parse({ ...good, tls: rest }).tls.ca).toBe(good.ca);
  });

  it('takes another kind of key than Ed25519: the PKI is not ours', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
    const webKey = await webcrypto.subtle.importKey('spki', spki, algorithm, true, ['verify']);
    const certificate = pemOf(await pki.leaf(member.identity, member.key, { publicKey: webKey }));
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    expect(codeOf(() => parse({ ...good, tls: { certificate, key } }))).toBe('accepted');
  });

  it('is refused where its certificate names another than the device, in whatever way', async () => {
    const key = SigningKey.generate();
    const refused = async (cn: { CN: string[] }[]): Promise<void> => {
      const certificate = pemOf(await pki.leaf(member.identity, key, { cn }));
      const tls = { certificate, key: key.exportPem() };
      expect(
        codeOf(() => parse({ ...good, tls })),
        JSON.stringify(cn),
      ).toBe('E_BUNDLE');
    };
    await refused([{ CN: ['other'] }]);
    await refused([{ CN: [`${member.identity.id}x`] }]);
    await refused([{ CN: [member.identity.id] }, { CN: ['other'] }]);
    await refused([{ CN: ['other'] }, { CN: [member.identity.id] }]);
  });

  it('is refused where key and certificate do not belong together, or are none', () => {
    const refused = (over: object): string => codeOf(() => parse({ ...good, tls: { ...own, ...over } }));
    expect(refused({ key: SigningKey.generate().exportPem() })).toBe('E_BUNDLE');
    expect(refused({ key: own.certificate })).toBe('E_BUNDLE');
    expect(refused({ certificate: own.key })).toBe('E_CERT_INVALID');
    expect(refused({ ca: own.key })).toBe('E_CERT_INVALID');
    expect(refused({ certificate: { file: 'absent' } })).toBe('E_FILE_UNREADABLE');
    expect(refused({ key: { file: 'absent' } })).toBe('E_FILE_UNREADABLE');
    expect(refused({ key: { pkcs11: 'pkcs11:token=a' } })).toBe('E_BUNDLE');
    expect(refused({ key: { file: 'a', credential: 'b' } })).toBe('E_BUNDLE');
    expect(refused({ chain: 'x' })).toBe('E_BUNDLE');
    expect(refused({ certificate: 'x'.repeat(65_537) })).toBe('E_BUNDLE');
  });

  it('is needed beside a key in a token, which opens none', () => {
    const key = { pkcs11: 'pkcs11:token=mesh;object=a?module-path=/nowhere.so' };
    expect(() => parse({ ...good, key })).toThrow(/the bundle needs `tls`/);
    expect(codeOf(() => parse({ ...good, key }))).toBe('E_BUNDLE');
    expect(codeOf(() => parse({ ...good, key, tls: own }))).toBe('E_NOT_INSTALLED');
  });
});

describe('P-13.2 a bundle whose key is elsewhere', () => {
  it('is refused where that is not the certificate’s, is not there, or is no reference', async () => {
    await put('other.key', SigningKey.generate().exportPem());
    expect(codeOf(() => parse({ ...good, key: { file: 'other.key' } }))).toBe('E_BUNDLE');
    expect(codeOf(() => parse({ ...good, key: { file: 'absent.key' } }))).toBe('E_FILE_UNREADABLE');
    expect(codeOf(() => parse({ ...good, key: { credential: 'mesh' } }))).toBe('E_KEY_REFERENCE');
    for (const key of [{}, { file: '' }, { file: 'a', more: 1 }, { credential: '../a' }, { pkcs11: 'token=a' }, 7]) {
      expect(
        codeOf(() => parse({ ...good, key })),
        JSON.stringify(key),
      ).toBe('E_BUNDLE');
    }
  });
});

describe('P-13.2 nothing of a TLS key is shown', () => {
  it('in String, templates, JSON, inspection, copies and clones', () => {
    const tls = new TlsIdentity(own);
    const line = own.key.split('\n')[1] ?? expect.fail();
    for (const value of [tls, { tls }, { ...tls }, [[[[tls]]]], parse({ ...good, tls: own })]) {
      const shown = [
        String(value),
        `${value}`,
        JSON.stringify(value),
        inspect(structuredClone({ ...tls }), { depth: null }),
      ];
      for (const customInspect of [true, false]) {
        shown.push(inspect(value, { depth: null, showHidden: true, getters: true, customInspect }));
      }
      for (const text of shown) expect(text).not.toContain(line);
    }
    expect(tls.exportKey()).toBe(own.key);
  });
});
