import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Evidence, MAX_PENDING_BYTES, NO_CERTIFICATE, type WrongBytes } from '../../../../agent/evidence/evidence.js';
import { readEvidence, readEvidenceBytes } from '../../../../agent/io/store/evidence_files.js';
import { Store, type StoreOptions } from '../../../../agent/io/store/store.js';
import type { ChunkmeshError } from '../../../../shared/errors.js';
import { INDEX_CHUNK } from '../../../../shared/limits.js';
import { seededBytes } from '../../../support/artifact_bytes.js';
import { coded, Sample, temporaryFolder } from '../../../support/store_fixture.js';

const NOW = 1_900_000_000;
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const wrong = (chunk: number, accused = 'mallory'): WrongBytes => ({
  ...{ accused, certificate: NO_CERTIFICATE, artifact: sha256(Buffer.from('a')), chunk, at: NOW },
  expected: sha256(Buffer.from('expected')),
});
const came = (chunk: number, length = 1_000): Buffer => seededBytes(`wrong ${chunk}`, length);

class Stage {
  readonly warnings: string[] = [];
  dir = '';
  store!: Store;
  evidence!: Evidence;

  static async open(options: StoreOptions = {}, dir?: string): Promise<Stage> {
    const stage = new Stage();
    stage.dir = dir ?? (await temporaryFolder());
    stage.store = await Store.open(stage.dir, options);
    stage.evidence = await Evidence.open(stage.store, ({ code }: ChunkmeshError) => stage.warnings.push(code));
    return stage;
  }

  async close(): Promise<void> {
    await this.evidence.close();
    await this.store.close();
  }

  /** Names and sizes. */
  async files(): Promise<[string, number][]> {
    const folder = join(this.dir, 'evidence');
    const names = (await readdir(folder)).sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
    return Promise.all(names.map(async (name) => [name, (await stat(join(folder, name))).size] as [string, number]));
  }
}

describe('P-15.1 evidence', () => {
  it('is there as it came after a restart, under names that no peer chose, for its owner alone', async () => {
    const stage = await Stage.open();
    const bytes = came(3);
    const given = Buffer.from(bytes);
    expect(stage.evidence.add(wrong(3, '__evil'), given)).toBe(true);
    // Buffers of chunks are used again.
    given.fill(0);
    stage.evidence.add(wrong(INDEX_CHUNK), came(9));
    await stage.close();
    expect(await stage.files()).toEqual([
      ['1.bin', 1_000],
      ['2.bin', 1_000],
    ]);
    expect((await stat(join(stage.dir, 'evidence', '1.bin'))).mode & 0o777).toBe(0o600);
    const memory = await readEvidence(stage.dir);
    const [first] = memory?.records ?? [];
    expect(first).toMatchObject({ accused: '__evil', found: sha256(bytes), length: 1_000, kept: true, chunk: 3 });
    if (first === undefined) throw new Error('no record');
    expect((await readEvidenceBytes(stage.dir, first))?.equals(bytes)).toBe(true);
    const again = await Stage.open({}, stage.dir);
    expect(again.evidence.reports(NOW).map(({ device, chunk }) => [device, chunk])).toEqual([
      ['mallory', INDEX_CHUNK],
      ['__evil', 3],
    ]);
    await again.close();
    expect(again.warnings).toEqual([]);
  });

  it('is none where the bytes are what they should be after all', async () => {
    const stage = await Stage.open();
    expect(stage.evidence.add(wrong(1), Buffer.from('expected'))).toBe(false);
    await stage.close();
    expect([stage.evidence.reports(NOW), await stage.files()]).toEqual([[], []]);
  });

  it('is bounded however much comes, and so is what waits to be written', async () => {
    const stage = await Stage.open();
    for (let i = 0; i < 200; i++) stage.evidence.add(wrong(i, `d${i % 5}`), came(i, 100));
    await stage.evidence.close();
    expect((await stage.files()).length).toBe(64);
    const large = Buffer.alloc(MAX_PENDING_BYTES / 2 + 1);
    for (let i = 0; i < 2; i++) stage.evidence.add(wrong(1_000 + i, 'large'), Buffer.concat([large, Buffer.of(i)]));
    await stage.close();
    const { records = [] } = (await readEvidence(stage.dir)) ?? {};
    expect(records.filter(({ accused }) => accused === 'large').map(({ kept }) => kept)).toEqual([true, false]);
  });

  it('sweeps what a crash left, and nothing that it names', async () => {
    const stage = await Stage.open();
    stage.evidence.add(wrong(1), came(1));
    await stage.close();
    const folder = join(stage.dir, 'evidence');
    await writeFile(join(folder, '7.bin'), 'left');
    await writeFile(join(folder, '2.bin.0.tmp'), 'left');
    await mkdir(join(folder, 'nobody'));
    const again = await Stage.open({}, stage.dir);
    expect(await again.files()).toEqual([['1.bin', 1_000]]);
    await again.close();
  });

  it.each([
    ['no JSON', () => '{'],
    ['of another version', (text: string) => text.replace('"v":1', '"v":2')],
    ['with a number that would lead elsewhere', (text: string) => text.replace('"number":1', '"number":"../../x"')],
    ['with a device that is none', (text: string) => text.replaceAll('mallory', 'a/../b')],
    ['larger than it can be', () => ' '.repeat(300_000)],
  ])('that is %s is a warning, and begins anew', async (_what, damage) => {
    const stage = await Stage.open();
    stage.evidence.add(wrong(1), came(1));
    await stage.close();
    const path = join(stage.dir, 'state', 'evidence.json');
    await writeFile(path, damage(await readFile(path, 'utf8')));
    await expect(readEvidence(stage.dir)).rejects.toThrow(coded('E_STORE_CORRUPT'));
    const again = await Stage.open({}, stage.dir);
    expect([again.warnings, again.evidence.reports(NOW), await again.files()]).toEqual([['E_STORE_CORRUPT'], [], []]);
    again.evidence.add(wrong(1), came(1));
    await again.close();
    expect((await readEvidence(stage.dir))?.records).toHaveLength(1);
  });

  it('that cannot be written is a warning, and reported all the same', async () => {
    const stage = await Stage.open();
    await rm(join(stage.dir, 'evidence'), { recursive: true });
    await writeFile(join(stage.dir, 'evidence'), 'in the way');
    stage.evidence.add(wrong(1), came(1));
    await stage.evidence.close();
    expect(stage.warnings).toEqual(['E_STORE_IO']);
    expect(stage.evidence.reports(NOW)).toHaveLength(1);
    expect((await readEvidence(stage.dir))?.records.map(({ kept }) => kept)).toEqual([false]);
    await stage.store.close();
  });
});

describe('P-15.1 evidence in a store with a quota', () => {
  const SIZE = 400_000;

  it('counts, and takes no room that is not there', async () => {
    const sample = await Sample.make('evidence', SIZE);
    const stage = await Stage.open({ quota: SIZE + 30_000 });
    const stored = await stage.store.openArtifact({ ...sample.toOpen, name: 'firmware', version: '1' });
    stage.evidence.add(wrong(1), came(1, 10_000));
    stage.evidence.add(wrong(2), came(2, 30_000));
    await stage.evidence.close();
    expect(await stage.files()).toEqual([['1.bin', 10_000]]);
    await stored.close();
    await stage.close();
  });

  it('makes room for an artifact, which is never held up nor removed for its sake', async () => {
    const [one, two] = [await Sample.make('evidence one', SIZE), await Sample.make('evidence two', SIZE)];
    const evicted: unknown[] = [];
    const stage = await Stage.open({ quota: 2 * SIZE + 60_000, evicted: (what) => evicted.push(what) });
    const first = await stage.store.openArtifact({ ...one.toOpen, name: 'firmware', version: '1' });
    for (let i = 0; i < 4; i++) stage.evidence.add(wrong(i), came(i, 100_000));
    await stage.evidence.close();
    expect(await stage.files()).toHaveLength(4);
    const second = await stage.store.openArtifact({ ...two.toOpen, name: 'model', version: '1' });
    const left = await stage.files();
    expect([left.length < 2, evicted]).toEqual([true, []]);
    expect(stage.evidence.reports(NOW)).toHaveLength(1);
    const { records = [] } = (await readEvidence(stage.dir)) ?? {};
    expect(records.filter(({ kept }) => kept)).toHaveLength(left.length);
    for (const stored of [first, second]) await stored.close();
    await stage.close();
  });
});
