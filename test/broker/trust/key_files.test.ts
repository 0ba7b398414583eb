import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createKeyFile, openSigningKey, readPublicKey } from '../../../broker/trust/key_files.js';
import { tufKey } from '../../../broker/trust/metadata_edits.js';
import { TrustRepository } from '../../../broker/trust/repository.js';
import { codeOf } from '../../support/members.js';

/** Keys in files. */

describe('key files', () => {
  async function folder(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'chunkmesh-keys-'));
    onTestFinished(() => rm(path, { recursive: true, force: true }));
    return path;
  }

  it('are made once, private to their owner, and read back', async () => {
    const path = join(await folder(), 'root-1.key');
    const key = await createKeyFile(path);
    expect((await readPublicKey(`${path}.pub`)).keyID).toBe(key.keyID);
    expect(tufKey(openSigningKey(path).publicKey).keyID).toBe(key.keyID);
    await expect(createKeyFile(path)).rejects.toMatchObject({ code: 'E_FLEET_EXISTS' });
    await expect(createKeyFile(join(path, 'under', 'x.key'))).rejects.toMatchObject({ code: 'E_STORE_IO' });
  });

  it('that are absent, open to others, or none at all are refused, and never quoted', async () => {
    const path = await folder();
    const { chmod } = await import('node:fs/promises');
    expect(codeOf(() => openSigningKey(join(path, 'none')))).toBe('E_FILE_UNREADABLE');
    await expect(readPublicKey(join(path, 'none'))).rejects.toMatchObject({ code: 'E_FILE_UNREADABLE' });
    const file = join(path, 'a.key');
    await createKeyFile(file);
    await chmod(file, 0o640);
    expect(codeOf(() => openSigningKey(file))).toBe('E_KEY_FILE_MODE');
    await expect(TrustRepository.open(path)).resolves.toBeDefined();
    // The private half in the place of the public one.
    const secret = await readFile(file, 'utf8');
    const refusal = await readPublicKey(file).catch((error: Error) => error);
    expect(refusal).toMatchObject({ code: 'E_CONFIG' });
    expect(JSON.stringify(refusal) + String(refusal)).not.toContain(secret.split('\n')[1]);
    for (const text of ['{}', 'null', '{"keytype":"rsa"}', 'x'.repeat(5000)]) {
      await writeFile(join(path, 'b.pub'), text);
      await expect(readPublicKey(join(path, 'b.pub'))).rejects.toMatchObject({ code: 'E_CONFIG' });
    }
    await writeFile(file, 'no key', { mode: 0o600 });
    await chmod(file, 0o600);
    expect(codeOf(() => openSigningKey(file))).toBe('E_KEY_REFERENCE');
  });
});
