import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { JournalFile, readClaims } from '../../../../agent/io/store/journal_file.js';
import { JOURNAL_HEADER_BYTES, JOURNAL_RECORD_BYTES } from '../../../../agent/store/journal.js';
import { temporaryFolder } from '../../../support/store_fixture.js';

const ARTIFACT = 'ab'.repeat(32);

async function writesOf(path: string): Promise<{ count: number; fail: boolean }> {
  const seen = { count: 0, fail: false };
  const any = await open(path, 'r');
  const prototype = Object.getPrototypeOf(any) as FileHandle;
  await any.close();
  const { write } = prototype;
  const spy = vi.spyOn(prototype, 'write').mockImplementation(function (this: FileHandle, ...taken: unknown[]) {
    seen.count++;
    if (seen.fail) return Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' }));
    return Reflect.apply(write, this, taken);
  });
  onTestFinished(() => spy.mockRestore());
  return seen;
}

it('takes what comes while a record is written in one more write', async () => {
  const path = join(await temporaryFolder(), 'journal');
  const journal = await JournalFile.create(path, ARTIFACT, []);
  const seen = await writesOf(path);
  const first = journal.append(0);
  await Promise.resolve();
  await Promise.all([first, ...Array.from({ length: 99 }, (_, i) => journal.append(i + 1))]);
  expect(seen.count).toBeLessThanOrEqual(2);
  await journal.close();
  expect(await readClaims(path, ARTIFACT, 100)).toEqual(Array.from({ length: 100 }, (_, i) => i));
});

it('tells each of a write that failed, and spoils no record before or after it', async () => {
  const path = join(await temporaryFolder(), 'journal');
  const journal = await JournalFile.create(path, ARTIFACT, []);
  await journal.append(1);
  const seen = await writesOf(path);
  seen.fail = true;
  const failed = await Promise.allSettled([journal.append(2), journal.append(3)]);
  expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  seen.fail = false;
  await journal.append(4);
  await journal.close();
  expect(await readClaims(path, ARTIFACT, 100)).toEqual([1, 4]);
  expect((await readFile(path)).length).toBe(JOURNAL_HEADER_BYTES + 4 * JOURNAL_RECORD_BYTES);
});
