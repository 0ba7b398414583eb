import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PayloadScanner } from '../../../broker/meter/payload_scanner.js';
import { sealEnvelope } from '../../../shared/control/envelope.js';
import { encodeMap } from '../../../shared/control/message_pack.js';
import { SigningKey } from '../../../shared/crypto/signature.js';
import { wallCounter } from '../../../shared/identity/bundle.js';
import { streamBytes } from '../../support/artifact_bytes.js';

const artifact = streamBytes('artifact', 1_000_003);
const scanner = PayloadScanner.ofBytes(artifact);

/** A byte that does not continue the run from outside. */
const unlike = (byte: number | undefined): Buffer => Buffer.from([(byte ?? 0) ^ 0x55]);

/** `length` bytes of the artifact from `from`, between bytes that do not belong to it. */
function planted(from: number, length: number, before = 17, after = 23): Buffer {
  const run = artifact.subarray(from, from + length);
  return Buffer.concat([
    randomBytes(before),
    unlike(artifact[from - 1]),
    run,
    unlike(artifact[from + length]),
    randomBytes(after),
  ]);
}

describe('PayloadScanner', () => {
  it('finds nothing in honest messages, chunk hashes included', () => {
    const key = SigningKey.generate();
    const hashes = Array.from({ length: 600 }, (_, i) =>
      createHash('sha256')
        .update(artifact.subarray(i * 1600, i * 1600 + 1600))
        .digest(),
    );
    const payload = encodeMap({
      t: 'have',
      at: 1,
      held: 600,
      room: 4,
      hashes,
      digest: randomBytes(64),
      text: 'x'.repeat(500),
    });
    const message = sealEnvelope('chunkmesh/a/have/b/0/c', payload, {
      ...{ certificateDer: randomBytes(600), key },
      counter: wallCounter,
    });
    expect(scanner.scan(message)).toBe(0);
  });

  it('counts planted runs exactly, at any offset of message and artifact', () => {
    const runs = fc.record({
      from: fc.integer({ min: 1, max: artifact.length - 5000 }),
      length: fc.integer({ min: scanner.surelySeenBytes, max: 4999 }),
      before: fc.nat(200),
      after: fc.nat(200),
    });
    fc.assert(
      fc.property(runs, ({ from, length, before, after }) => {
        expect(scanner.scan(planted(from, length, before, after))).toBe(length);
      }),
    );
  });

  it('counts several runs in one message', () => {
    const message = Buffer.concat([planted(1001, 64), planted(77_777, 999), planted(5, 63)]);
    expect(scanner.scan(message)).toBe(64 + 999 + 63);
  });

  it('counts a run that follows another of the artifact with nothing between', () => {
    const message = Buffer.concat([artifact.subarray(100, 1100), artifact.subarray(50_001, 50_501)]);
    expect(scanner.scan(message)).toBe(1500);
  });

  it('counts the whole artifact, its ends, and a message that is nothing but it', () => {
    expect(scanner.scan(artifact)).toBe(artifact.length);
    expect(scanner.scan(artifact.subarray(-100))).toBe(100);
    expect(scanner.scan(artifact.subarray(0, 40))).toBe(40);
  });

  it('sees a run of 63 bytes anywhere, and one of 32 only where a block begins', () => {
    expect(scanner.surelySeenBytes).toBe(63);
    for (let from = 3200; from < 3232; from++) expect(scanner.scan(planted(from, 63))).toBe(63);
    expect(scanner.scan(planted(3200, 32))).toBe(32);
    expect(scanner.scan(planted(3201, 32))).toBe(0);
    expect(scanner.scan(planted(3200, 31))).toBe(0);
  });

  it('takes fills and short patterns for no evidence, but follows a run through them', () => {
    const seven = Buffer.from(Array.from({ length: 960 }, (_, i) => i % 7));
    const file = Buffer.concat([artifact.subarray(0, 96), Buffer.alloc(960), seven, artifact.subarray(96, 192)]);
    const padded = PayloadScanner.ofBytes(file);
    expect(padded.scan(Buffer.alloc(5000))).toBe(0);
    expect(padded.scan(seven)).toBe(0);
    expect(padded.scan(file.subarray(33, -33))).toBe(file.length - 66);
  });

  it('takes messages of any size, and garbage', () => {
    for (const size of [0, 1, 31, 32, 33, 131_072]) {
      expect(scanner.scan(Buffer.alloc(size))).toBe(0);
      expect(scanner.scan(randomBytes(size))).toBe(0);
    }
  });

  it('is not slowed by an artifact or a message of one repeated block', () => {
    const block = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
    const repeated = PayloadScanner.ofBytes(Buffer.concat(Array.from({ length: 100_000 }, () => block)));
    const message = Buffer.concat(Array.from({ length: 4096 }, () => block));
    const began = performance.now();
    expect(repeated.scan(message)).toBe(message.length);
    expect(performance.now() - began).toBeLessThan(1000);
  });
});

describe('PayloadScanner.ofFile', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'chunkmesh-scan-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('agrees with one in memory, across the pieces that it reads', async () => {
    const path = join(folder, 'large');
    const large = streamBytes('large', 3 * 2 ** 20 + 17);
    await writeFile(path, large);
    const onDisk = await PayloadScanner.ofFile(path);
    for (const from of [2 ** 20 - 40, 2 ** 20, 2 ** 21 - 7]) {
      expect(onDisk.scan(large.subarray(from, from + 70_001))).toBe(70_001);
    }
    onDisk.close();
  });

  it('says so when the file goes away or is empty', async () => {
    await expect(PayloadScanner.ofFile(join(folder, 'none'))).rejects.toMatchObject({ code: 'E_FILE_UNREADABLE' });
    await expect(PayloadScanner.ofFile(folder)).rejects.toMatchObject({ code: 'E_FILE_UNREADABLE' });
    const path = join(folder, 'empty');
    await writeFile(path, '');
    await expect(PayloadScanner.ofFile(path)).rejects.toMatchObject({ code: 'E_FILE_EMPTY' });
  });

  it('waits for no pipe’s writer', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    await expect(PayloadScanner.ofFile(pipe)).rejects.toMatchObject({ code: 'E_FILE_UNREADABLE' });
  });

  it('counts nothing that it cannot compare any more', async () => {
    const path = join(folder, 'cut');
    await writeFile(path, artifact);
    const cut = await PayloadScanner.ofFile(path);
    await truncate(path, 0);
    expect(cut.scan(artifact.subarray(0, 100))).toBe(0);
    cut.close();
    expect(() => cut.scan(artifact.subarray(0, 100))).toThrow(expect.objectContaining({ code: 'E_FILE_UNREADABLE' }));
  });

  it('loads 100 MB in seconds and in less than 100 MB', { timeout: 60_000 }, async () => {
    const path = join(folder, 'artifact');
    await writeFile(path, randomBytes(100_000_000));
    const before = process.memoryUsage.rss();
    const began = performance.now();
    const loaded = await PayloadScanner.ofFile(path);
    expect(performance.now() - began).toBeLessThan(15_000);
    expect(process.memoryUsage.rss() - before).toBeLessThan(100_000_000);
    expect(loaded.scan(randomBytes(131_072))).toBe(0);
    loaded.close();
  });
});
