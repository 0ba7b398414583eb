import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { SigningKey } from '../../../shared/crypto/signature.js';
import { type BundleFile, loadCredential, parseCredential } from '../../../shared/identity/bundle.js';
import { codeOf, Issuer, type Member, NOW, PREFIX, pemOf, TRUST } from '../../support/members.js';
import { temporaryFolder } from '../../support/store_fixture.js';

let fleet: Issuer;
let member: Member;
let good: BundleFile & { key: string };

beforeAll(async () => {
  fleet = await Issuer.authority();
  member = await fleet.member({ groups: ['cameras', 'all'] });
  good = fleet.bundle(member);
});

/** The line of the PEM that holds the key. */
const secretLine = (): string => good.key.split('\n')[1] ?? '';
const parse = (bundle: object): unknown => parseCredential(JSON.stringify(bundle), 'the/path', NOW);

async function fileOf(content: string, mode: number): Promise<string> {
  const path = join(await temporaryFolder(), 'bundle.json');
  await writeFile(path, content);
  await chmod(path, mode);
  return path;
}

async function refusal(act: () => Promise<unknown>): Promise<{ code: string; shown: string }> {
  try {
    await act();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'none';
    return { code, shown: inspect(error, { depth: null, showHidden: true }) };
  }
  return { code: 'accepted', shown: '' };
}

describe('a credential bundle', () => {
  it('is read from a file that only its owner may read', async () => {
    const credential = await loadCredential(await fileOf(JSON.stringify(good), 0o600), NOW);
    expect(credential.identity).toEqual(member.identity);
    expect(credential.prefix).toBe(PREFIX);
    expect(Buffer.from(credential.certificateDer)).toEqual(Buffer.from(member.certificateDer));
    expect(credential.root).toBe(TRUST.root);
    expect(credential.notAfter).toBe(NOW + 86_400);
  });

  it('shows its key in no inspection, JSON or text', async () => {
    const credential = await loadCredential(await fileOf(JSON.stringify(good), 0o400), NOW);
    const shown = [
      inspect(credential, { depth: null, showHidden: true, getters: true }),
      JSON.stringify(credential),
      String(credential),
    ];
    for (const text of shown) expect(text).not.toContain(secretLine());
    expect(secretLine().length).toBe(64);
  });

  it.each([0o644, 0o640, 0o604, 0o660, 0o601, 0o610, 0o620, 0o602, 0o666, 0o777])(
    'is refused with mode %o before anything of it is read',
    async (mode) => {
      const { code, shown } = await refusal(async () => loadCredential(await fileOf('not even JSON', mode), NOW));
      expect(code).toBe('E_KEY_FILE_MODE');
      expect(shown).toContain(mode.toString(8));
    },
  );

  it('takes 65,536 bytes and refuses 65,537', async () => {
    const padded = (size: number): string => JSON.stringify(good).padEnd(size, ' ');
    await expect(loadCredential(await fileOf(padded(65_536), 0o600), NOW)).resolves.toBeDefined();
    const { code } = await refusal(async () => loadCredential(await fileOf(padded(65_537), 0o600), NOW));
    expect(code).toBe('E_BUNDLE');
  });

  it('is refused where it is not there, or is a folder', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'is-a-folder'), { mode: 0o700 });
    await mkdir(join(folder, 'is-an-open-folder'), { mode: 0o755 });
    for (const name of ['absent', 'is-a-folder', 'is-an-open-folder']) {
      const { code, shown } = await refusal(() => loadCredential(join(folder, name), NOW));
      expect(code).toBe('E_FILE_UNREADABLE');
      expect(shown).toContain(name);
    }
  });

  it.each(['', '{', 'null', '[]', '"text"', '7'])('is refused as %j', (text) => {
    expect(codeOf(() => parseCredential(text, 'the/path', NOW))).toBe('E_BUNDLE');
  });

  it('is refused without any one field, which is named', () => {
    for (const field of Object.keys(good)) {
      const rest = Object.fromEntries(Object.entries(good).filter(([name]) => name !== field));
      expect(() => parse(rest), field).toThrow(new RegExp(`not a credential bundle: ${field}$`));
      for (const wrong of [null, {}, [[]], true]) {
        expect(() => parse({ ...good, [field]: wrong }), field).toThrow(/not a credential bundle/);
      }
    }
  });

  it.each<[string, Partial<Record<keyof BundleFile, unknown>>]>([
    ['the version before', { v: 1 }],
    ['another version', { v: 3 }],
    ['P-1.4 a prefix of five segments', { prefix: 'a/b/c/d/e' }],
    ['P-1.4 a prefix with a wildcard', { prefix: 'chunkmesh/+' }],
    ['P-1.4 a prefix that ends in a slash', { prefix: 'chunkmesh/' }],
    ['a broker that is not MQTT', { broker: 'https://broker.example' }],
    ['an empty root', { root: '' }],
    ['a root that is a map', { root: { signed: {}, signatures: [] } }],
  ])('is refused for %s', (_what, over) => {
    expect(codeOf(() => parse({ ...good, ...over }))).toBe('E_BUNDLE');
  });

  it('is refused where the key is not the certificate’s', () => {
    expect(codeOf(() => parse({ ...good, key: SigningKey.generate().exportPem() }))).toBe('E_BUNDLE');
  });

  it('P-3.4 is refused where the certificate is another fleet’s, a foreign CA’s, or past its time', async () => {
    const foreign = await (await Issuer.authority()).leaf(member.identity, member.key);
    expect(codeOf(() => parse({ ...good, certificate: pemOf(foreign) }))).toBe('E_CERT_FOREIGN');
    expect(codeOf(() => parse({ ...good, fleet: 'fleet2' }))).toBe('E_CERT_FOREIGN');
    const late = (): unknown => parseCredential(JSON.stringify(good), 'the/path', NOW + 86_401);
    expect(codeOf(late)).toBe('E_CERT_EXPIRED');
  });

  it('quotes nothing of the file in any refusal', async () => {
    const whole = JSON.stringify(good);
    const { key, certificate, ca } = good;
    const bad = [
      whole.slice(0, -1),
      whole.slice(1),
      `${whole}x`,
      whole.replace('"v":2', '"v":"2"'),
      key,
      JSON.stringify(key),
      JSON.stringify({ ...good, certificate: key }),
      JSON.stringify({ ...good, ca: key }),
      JSON.stringify({ ...good, fleet: key }),
      JSON.stringify({ ...good, prefix: key }),
      JSON.stringify({ ...good, broker: key }),
      JSON.stringify({ ...good, root: [key] }),
      JSON.stringify({ ...good, v: key }),
      JSON.stringify({ ...good, key: certificate, certificate: key }),
      JSON.stringify({ ...good, key: key.slice(5) }),
      JSON.stringify({ ...good, key: key.replace('\n', '') }),
      JSON.stringify({ ...good, key: ca }),
    ];
    for (const text of bad) {
      const { code, shown } = await refusal(async () => loadCredential(await fileOf(text, 0o600), NOW));
      expect(code).toMatch(/^E_(BUNDLE|CERT_INVALID|CERT_FOREIGN)$/);
      for (let at = 0; at + 12 <= secretLine().length; at += 4) {
        expect(shown).not.toContain(secretLine().slice(at, at + 12));
      }
    }
  });
});
