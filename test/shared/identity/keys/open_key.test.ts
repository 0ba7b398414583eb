import { generateKeyPairSync } from 'node:crypto';
import { chmod, chown, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SigningKey, verifySignature } from '../../../../shared/crypto/signature.js';
import { isCredential, keyReference } from '../../../../shared/identity/keys/key_reference.js';
import { openKey } from '../../../../shared/identity/keys/open_key.js';
import { readPin } from '../../../../shared/identity/keys/pin.js';
import { credentialPath } from '../../../../shared/identity/keys/systemd_credential.js';
import { codeOf } from '../../../support/members.js';
import { temporaryFolder } from '../../../support/store_fixture.js';

const secret = SigningKey.generate();
const pem = secret.exportPem();
const line = pem.split('\n')[1] ?? '';
let folder: string;

beforeEach(async () => {
  folder = await temporaryFolder();
});

afterEach(() => vi.unstubAllEnvs());

async function put(name: string, text: string, mode = 0o600): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text, { mode });
  await chmod(path, mode);
  return path;
}

function refusal(act: () => unknown): { code: string; shown: string } {
  let error: unknown;
  const code = codeOf(() => {
    try {
      act();
    } catch (thrown) {
      error = thrown;
      throw thrown;
    }
  });
  return { code, shown: inspect(error, { depth: null, showHidden: true }) };
}

describe('P-13.2 a reference in one word', () => {
  it('is a path, a credential or a token', () => {
    expect(keyReference('keys/mesh.pem')).toEqual({ file: 'keys/mesh.pem' });
    expect(keyReference('credential:mesh')).toEqual({ credential: 'mesh' });
    expect(keyReference('pkcs11:token=mesh')).toEqual({ pkcs11: 'pkcs11:token=mesh' });
    expect([isCredential('credential:mesh'), isCredential('/a/credential:mesh')]).toEqual([true, false]);
  });
});

describe('P-13.2 a reference that is none', () => {
  it.each([pem, pem.replaceAll('\n', ''), `${line}\n`, 'a\0b', ''])('is refused without being quoted: %#', (word) => {
    for (const reference of [word, { file: word }]) {
      const { code, shown } = refusal(() => openKey(reference, folder));
      expect(code).toBe('E_KEY_REFERENCE');
      if (word !== '') expect(shown).not.toContain(word.slice(0, 20));
      expect(shown).not.toContain(line);
    }
  });
});

describe('P-13.2 a key in a file', () => {
  it('is opened by a path, relative to the folder that is given', async () => {
    const path = await put('mesh.pem', pem);
    for (const reference of [{ file: 'mesh.pem' }, { file: path }, 'mesh.pem', path]) {
      const key = openKey(reference, folder);
      expect(key.publicKey).toEqual(secret.publicKey);
      const message = Uint8Array.of(1);
      expect(verifySignature(key.sign(message), message, secret.publicKey)).toBe(true);
      key.close();
    }
  });

  it.each([0o644, 0o640, 0o604, 0o660, 0o601, 0o610, 0o620, 0o602, 0o777])('is refused with mode %o', async (mode) => {
    const { code, shown } = refusal(() => openKey({ file: 'mesh.pem' }, folder));
    expect(code).toBe('E_FILE_UNREADABLE');
    expect(shown).toContain('mesh.pem');
    await put('mesh.pem', pem, mode);
    expect(refusal(() => openKey({ file: 'mesh.pem' }, folder)).code).toBe('E_KEY_FILE_MODE');
  });

  it('is refused where it is a folder, a pipe’s end or too large, and quotes nothing of what is no key', async () => {
    await mkdir(join(folder, 'mesh.pem'), { mode: 0o700 });
    expect(refusal(() => openKey('mesh.pem', folder)).code).toBe('E_FILE_UNREADABLE');
    await put('large.pem', ' '.repeat(65_537));
    expect(refusal(() => openKey('large.pem', folder)).code).toBe('E_KEY_REFERENCE');
    expect(refusal(() => openKey('/dev/null', folder)).code).toBe('E_FILE_UNREADABLE');
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' });
    const locked = generateKeyPairSync('ed25519').privateKey.export({
      ...{ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' },
    });
    for (const bad of ['', line, pem.slice(0, 60), pem.replace('\n', ''), String(ec), String(locked)]) {
      await put('bad.pem', bad);
      const { code, shown } = refusal(() => openKey('bad.pem', folder));
      expect(code).toBe('E_KEY_REFERENCE');
      expect(shown).toContain('bad.pem');
      for (let at = 0; at + 12 <= line.length; at += 4) expect(shown).not.toContain(line.slice(at, at + 12));
    }
  });

  it('is refused where it is of another user, who is not root', async () => {
    const path = await put('mesh.pem', pem);
    const me = process.geteuid?.() ?? 0;
    // Who is not root gives nothing away: then it is the reader who is another.
    if (me === 0) await chown(path, 12_345, 12_345);
    const reader = vi.spyOn(process as { geteuid: () => number }, 'geteuid').mockReturnValue(me === 0 ? 0 : 54_321);
    try {
      const { code, shown } = refusal(() => openKey(path, folder));
      expect(code).toBe('E_KEY_FILE_MODE');
      expect(shown).toContain(me === 0 ? 'user 12345' : `user ${me}`);
      reader.mockReturnValue(me === 0 ? 12_345 : me);
      expect(codeOf(() => openKey(path, folder))).toBe('accepted');
    } finally {
      reader.mockRestore();
    }
  });
});

describe('P-13.2 a systemd credential', () => {
  it('is opened by its name, in the folder that systemd names, with the mode that systemd gives', async () => {
    vi.stubEnv('CREDENTIALS_DIRECTORY', folder);
    for (const mode of [0o400, 0o440, 0o600]) {
      const path = await put(`mesh-${mode}`, pem, mode);
      expect(openKey(`credential:mesh-${mode}`, '/nowhere').publicKey).toEqual(secret.publicKey);
      expect(openKey({ credential: `mesh-${mode}` }, '/nowhere').publicKey).toEqual(secret.publicKey);
      await chmod(path, 0o600);
    }
  });

  it.each([0o444, 0o404, 0o460, 0o450, 0o402])('is refused with mode %o', async (mode) => {
    vi.stubEnv('CREDENTIALS_DIRECTORY', folder);
    await put('mesh', pem, mode);
    expect(refusal(() => openKey('credential:mesh', folder)).code).toBe('E_KEY_FILE_MODE');
  });

  it('is refused where no systemd started this process, and says what the unit needs', () => {
    for (const value of [undefined, '', 'relative/folder']) {
      vi.stubEnv('CREDENTIALS_DIRECTORY', value);
      const { code, shown } = refusal(() => openKey('credential:mesh', folder));
      expect(code).toBe('E_KEY_REFERENCE');
      expect(shown).toContain('LoadCredential=mesh:<file>');
    }
  });

  it.each(['..', '.', '.hidden', '../mesh', 'a/b', '/etc/passwd', '', 'a\0b', 'a b', 'é', 'x'.repeat(129)])(
    'is refused by the name %j, which leads elsewhere or to nothing',
    (name) => {
      vi.stubEnv('CREDENTIALS_DIRECTORY', folder);
      expect(refusal(() => openKey({ credential: name }, folder)).code).toBe('E_KEY_REFERENCE');
    },
  );

  it('is not followed where it is a link', async () => {
    vi.stubEnv('CREDENTIALS_DIRECTORY', join(folder, 'credentials'));
    await mkdir(join(folder, 'credentials'));
    await symlink(await put('mesh.pem', pem), join(folder, 'credentials/mesh'));
    expect(refusal(() => openKey('credential:mesh', folder)).code).toBe('E_FILE_UNREADABLE');
  });

  it('takes a name of 128 characters', () => {
    expect(credentialPath('x'.repeat(128), { CREDENTIALS_DIRECTORY: '/run' })).toBe(`/run/${'x'.repeat(128)}`);
  });
});

describe('P-13.3 a PIN', () => {
  const told = (pin: ReturnType<typeof readPin>): string => {
    const heard: string[] = [];
    pin.use((text) => heard.push(text));
    return heard.join();
  };

  it('comes from a file without its last line’s end, from the environment, from a credential', async () => {
    vi.stubEnv('CREDENTIALS_DIRECTORY', folder);
    vi.stubEnv('MESH_PIN', 'by variable');
    const file = await put('pin', 'by file \n');
    await put('dos', 'by file \r\n');
    expect(told(readPin({ file }))).toBe('by file ');
    expect(told(readPin({ credential: 'dos' }))).toBe('by file ');
    expect(told(readPin({ environment: 'MESH_PIN' }))).toBe('by variable');
  });

  it('is refused where others may read it, where it is empty, where it is not there', async () => {
    const file = await put('pin', '1234', 0o644);
    expect(refusal(() => readPin({ file })).code).toBe('E_KEY_FILE_MODE');
    await put('empty', '\n');
    expect(refusal(() => readPin({ file: join(folder, 'empty') })).code).toBe('E_KEY_REFERENCE');
    expect(refusal(() => readPin({ environment: 'NOT_THERE' })).code).toBe('E_KEY_REFERENCE');
    expect(refusal(() => readPin({ file: join(folder, 'absent') })).code).toBe('E_FILE_UNREADABLE');
  });
});

describe('P-13.3 a module', () => {
  it('that is none is refused by its path', () => {
    const { code, shown } = refusal(() => openKey('pkcs11:token=a;object=b?module-path=/nowhere/module.so', folder));
    expect(code).toBe('E_NOT_INSTALLED');
    expect(shown).toMatch(/\/nowhere\/module\.so|pkcs11js/);
  });
});
