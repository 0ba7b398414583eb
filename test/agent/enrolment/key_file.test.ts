import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { keyOfFile } from '../../../agent/enrolment/key_file.js';
import { coded, temporaryFolder } from '../../support/store_fixture.js';

describe('P-13.6 a key in a file of its own', () => {
  it('is made where there is none, for its owner alone, and never overwritten', async () => {
    const path = join(await temporaryFolder(), 'cam-1.key');
    const made = await keyOfFile(path);
    const text = await readFile(path, 'utf8');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await keyOfFile(path)).publicKey).toEqual(made.publicKey);
    expect(await readFile(path, 'utf8')).toBe(text);
  });

  it('is refused where others can read it, where it is none, and where no file can be', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'cam-1.key');
    await keyOfFile(path);
    await chmod(path, 0o640);
    await expect(keyOfFile(path)).rejects.toEqual(coded('E_KEY_FILE_MODE'));
    await writeFile(join(folder, 'other'), 'no key', { mode: 0o600 });
    await expect(keyOfFile(join(folder, 'other'))).rejects.toEqual(coded('E_BUNDLE'));
    await expect(keyOfFile(join(folder, 'none/key'))).rejects.toEqual(coded('E_FILE_UNREADABLE'));
    await expect(keyOfFile(folder)).rejects.toEqual(coded('E_FILE_UNREADABLE'));
  });
});
