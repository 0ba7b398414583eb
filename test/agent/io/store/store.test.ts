import { chmod, chown, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { z } from 'zod';
import { makeDirectory } from '../../../../agent/io/store/disk.js';
import { Store } from '../../../../agent/io/store/store.js';
import { requirement } from '../../../support/requirement.js';
import { coded, Sample, temporaryFolder } from '../../../support/store_fixture.js';

/** Neither root nor who runs the test. */
const ANOTHER = 12_345;

const schema = z.object({ seq: z.number() });

describe('the store', () => {
  it('is made where it is missing, and is one agent’s alone', async () => {
    const dir = join(await temporaryFolder(), 'a', 'b');
    const store = await Store.open(dir);
    expect((await stat(dir)).mode & 0o077).toBe(0);
    await expect(Store.open(dir)).rejects.toThrow(coded('E_STORE_LOCKED'));
    await store.close();
    await store.close();
    await (await Store.open(dir)).close();
  });

  it('is made under a relative name of one letter too', async () => {
    const [folder, before] = [await temporaryFolder(), process.cwd()];
    process.chdir(folder);
    try {
      await (await Store.open('x')).close();
    } finally {
      process.chdir(before);
    }
    expect((await stat(join(folder, 'x'))).isDirectory()).toBe(true);
  });

  it('is refused where others may write to it', async () => {
    const dir = await temporaryFolder();
    await (await Store.open(dir)).close();
    for (const folder of [dir, join(dir, 'state'), join(dir, 'artifacts')]) {
      for (const mode of [0o777, 0o1777, 0o702, 0o720]) {
        await chmod(folder, mode);
        await expect(Store.open(dir)).rejects.toThrow(coded('E_STORE_MODE'));
        await expect(Store.open(dir)).rejects.toThrow(`${folder} has mode`);
      }
      await chmod(folder, 0o755);
    }
    // Whoever installs may have them.
    await mkdir(join(dir, 'ready'));
    await chmod(join(dir, 'ready'), 0o777);
    await (await Store.open(dir)).close();
  });

  it('may be behind a link', async () => {
    const dir = await temporaryFolder();
    await mkdir(join(dir, 'real'), { mode: 0o700 });
    await symlink(join(dir, 'real'), join(dir, 'link'));
    await (await Store.open(join(dir, 'link'))).close();
    expect(await readdir(join(dir, 'real'))).toContain('state');
  });

  it('names what it cannot make', async () => {
    const file = join(await temporaryFolder(), 'file');
    await writeFile(file, '');
    for (const dir of [file, join(file, 'store')]) {
      await expect(Store.open(dir)).rejects.toThrow(coded('E_STORE_IO'));
      await expect(Store.open(dir)).rejects.toThrow(dir);
    }
  });

  it('does not look for ever for what keeps it from being made, where the folder above takes none', async () => {
    for (const dir of ['/proc/chunkmesh', '/proc/chunkmesh/store']) {
      await expect(Store.open(dir)).rejects.toThrow(coded('E_STORE_IO'));
    }
  });

  it('has folders that several make at the same time', async () => {
    const dir = await temporaryFolder();
    const below = (name: string): string => join(dir, 'a', 'b', name);
    await Promise.all(['c', 'd', 'c', 'c'].map((name) => makeDirectory(below(name))));
    expect((await readdir(join(dir, 'a', 'b'))).sort()).toEqual(['c', 'd']);
    expect((await stat(below('c'))).mode & 0o777).toBe(0o700);
  });

  it('P-1: lets no name lead out of its folder', async () => {
    const store = await Store.open(await temporaryFolder());
    const { toOpen } = await Sample.make('names', 1000);
    for (const wrong of ['..', '../x', 'a/b', '', '.', 'a\0', '/etc', 'x'.repeat(65)]) {
      await expect(store.openArtifact({ ...toOpen, name: wrong })).rejects.toThrow(coded('E_ID'));
      await expect(store.openArtifact({ ...toOpen, version: wrong })).rejects.toThrow(coded('E_ID'));
      await expect(store.openArtifact({ ...toOpen, artifact: wrong })).rejects.toThrow(coded('E_ID'));
      await expect(store.writeState(wrong, {})).rejects.toThrow(coded('E_ID'));
      await expect(store.readState(wrong, schema)).rejects.toThrow(coded('E_ID'));
    }
    await store.close();
  });

  it('opens an artifact once at a time, and none after it is closed', async () => {
    const store = await Store.open(await temporaryFolder());
    const { toOpen } = await Sample.make('once', 1000);
    const stored = await store.openArtifact(toOpen);
    await expect(store.openArtifact(toOpen)).rejects.toThrow(coded('E_INTERNAL'));
    await stored.close();
    await store.openArtifact(toOpen);
    await store.close();
    await expect(store.openArtifact(toOpen)).rejects.toThrow(coded('E_STORE_IO'));
  });
});

requirement(
  'root',
  process.getuid?.() === 0,
  'run as root',
)('the store of somebody else', () => {
  it('is refused, save that of root', async () => {
    const dir = await temporaryFolder();
    await (await Store.open(dir)).close();
    for (const folder of [dir, join(dir, 'state'), join(dir, 'artifacts')]) {
      await chown(folder, ANOTHER, ANOTHER);
      await expect(Store.open(dir)).rejects.toThrow(coded('E_STORE_MODE'));
      await expect(Store.open(dir)).rejects.toThrow(`${folder} belongs to user ${ANOTHER}`);
      await chown(folder, 0, 0);
    }
    vi.spyOn(process, 'geteuid').mockReturnValue(ANOTHER);
    onTestFinished(() => void vi.restoreAllMocks());
    await (await Store.open(dir)).close();
  });
});

describe('state', () => {
  it('is what was written last, also when opened again', async () => {
    const dir = await temporaryFolder();
    const store = await Store.open(dir);
    expect(await store.readState('trust', schema)).toBeUndefined();
    await Promise.all(Array.from({ length: 20 }, (_, seq) => store.writeState('trust', { seq })));
    expect(await store.readState('trust', schema)).toEqual({ seq: 19 });
    expect(await readdir(join(dir, 'state'))).toEqual(['trust.json']);
    await store.close();
    const next = await Store.open(dir);
    expect(await next.readState('trust', schema)).toEqual({ seq: 19 });
    await next.close();
  });

  it.each(['', '{"seq": 1', '{"seq": "1"}', 'null', '\0\0\0\0'])('%j is refused by its path', async (text) => {
    const dir = await temporaryFolder();
    const store = await Store.open(dir);
    const path = join(dir, 'state', 'trust.json');
    await writeFile(path, text);
    await expect(store.readState('trust', schema)).rejects.toThrow(coded('E_STORE_CORRUPT'));
    await expect(store.readState('trust', schema)).rejects.toThrow(path);
    await store.writeState('trust', { seq: 2 });
    expect(await store.readState('trust', schema)).toEqual({ seq: 2 });
    await store.close();
  });

  it('keeps the old document where the new one cannot be put in its place', async () => {
    const dir = await temporaryFolder();
    const store = await Store.open(dir);
    await mkdir(join(dir, 'state', 'trust.json'));
    await expect(store.writeState('trust', { seq: 1 })).rejects.toThrow(coded('E_STORE_IO'));
    expect(await readdir(join(dir, 'state'))).toEqual(['trust.json']);
    await store.close();
  });

  it('sweeps what a crash left half written', async () => {
    const dir = await temporaryFolder();
    await (await Store.open(dir)).close();
    await writeFile(join(dir, 'state', 'trust.json.7.tmp'), '{"se');
    const store = await Store.open(dir);
    expect(await readdir(join(dir, 'state'))).toEqual([]);
    await store.writeState('trust', { seq: 1 });
    expect(await readFile(join(dir, 'state', 'trust.json'), 'utf8')).toBe('{"seq":1}\n');
    await store.close();
  });
});
