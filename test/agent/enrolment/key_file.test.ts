import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { keyOfFile, pendingKeyFile, pendingKeyFiles } from '../../../agent/enrolment/key_file.js';
import { coded, temporaryFolder } from '../../support/store_fixture.js';

describe('P-13.6 a key in a file of its own', () => {
  it('is made where there is none, for its owner alone, and never overwritten', async () => {
    const path = join(await temporaryFolder(), 'cam-1.key');
    const made = await keyOfFile(path);
    const text = await readFile(path, 'utf8');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await keyOfFile(path)).publicKey).toEqual(made.publicKey);
    expect(await readFile(path, 'utf8')).toBe(text);
    expect(await readdir(join(path, '..'))).toEqual(['cam-1.key']);
  });

  it('that a crash left without a byte of it is made anew, and one with any byte is left', async () => {
    const path = join(await temporaryFolder(), 'cam-1.key');
    for (const nothing of ['', '\0\0\0\0']) {
      await writeFile(path, nothing, { mode: 0o600 });
      const made = await keyOfFile(path);
      expect((await keyOfFile(path)).publicKey).toEqual(made.publicKey);
    }
    await writeFile(path, '-----BEGIN', { mode: 0o600 });
    await expect(keyOfFile(path)).rejects.toEqual(coded('E_BUNDLE'));
    expect(await readFile(path, 'utf8')).toBe('-----BEGIN');
  });

  it('that is there is read where nothing can be written beside it', async () => {
    const path = join(await temporaryFolder(), 'cam-1.key');
    const made = await keyOfFile(path);
    await chmod(join(path, '..'), 0o500);
    const found = await keyOfFile(path).finally(() => chmod(join(path, '..'), 0o700));
    expect(found.publicKey).toEqual(made.publicKey);
  });

  it('is one, whoever else makes it in the same moment', async () => {
    const path = join(await temporaryFolder(), 'cam-1.key');
    const made = await Promise.all(Array.from({ length: 8 }, () => keyOfFile(path)));
    expect(new Set(made.map(({ publicKey }) => Buffer.from(publicKey).toString('hex'))).size).toBe(1);
    expect(await readdir(join(path, '..'))).toEqual(['cam-1.key']);
  });

  it('asked for by a renewal is found beside its bundle, with what a crash left of it, and nothing else', async () => {
    const folder = await temporaryFolder();
    const own = ['cam-1-1900000000.key', 'cam-1-1900000001.key', `cam-1-1900000001.key.draft-${'0f'.repeat(8)}`];
    const others = ['cam-1.json', 'cam-1.key', 'cam-1-2-1900000000.key', 'cam-11-1900000000.key', 'cam-1-19.key.bak'];
    for (const name of [...own, ...others]) await writeFile(join(folder, name), 'x');
    const found = await pendingKeyFiles(join(folder, 'cam-1.json'));
    expect(found.sort()).toEqual(own.map((name) => join(folder, name)));
    expect(await pendingKeyFile(join(folder, 'cam-1.json'), 1_900_000_000.5)).toBe(found[0]);
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
