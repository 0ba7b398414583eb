import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ArtifactIndex,
  decodeIndex,
  type ExpectedArtifact,
  encodeIndex,
  type IndexParts,
  indexArtifact,
  indexByteLength,
} from '../../../shared/artifact/index.js';
import { MAX_ARTIFACT_BYTES, MAX_CHUNKS } from '../../../shared/limits.js';
import { inSteps, streamBytes, vectorInput } from '../../support/artifact_bytes.js';

interface Vector {
  name: string;
  kind: string;
  seed: string;
  size: number;
  chunks: number;
  artifact: string;
  hex: string;
}
const { vectors }: { vectors: Vector[] } = JSON.parse(
  readFileSync(new URL('../../vectors/index.json', import.meta.url), 'utf8'),
);

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();

/** Bytes with a lie in them under their own right hash: what a publisher gone bad, or a broken one, would announce. */
function lie(index: ArtifactIndex, change: (bytes: Buffer) => void): { bytes: Buffer; expected: ExpectedArtifact } {
  const bytes = Buffer.from(index.bytes);
  change(bytes);
  return { bytes, expected: { artifact: sha256(bytes).toString('hex'), size: index.size, chunks: index.chunkCount } };
}

async function sample(): Promise<ArtifactIndex> {
  const bytes = streamBytes('sample', 400_000);
  return indexArtifact(bytes.length, () => inSteps(bytes, 65_536));
}

describe('golden indexes', () => {
  it.each(vectors)('P-9.6: $name', async (vector) => {
    const input = vectorInput(vector);
    const made = await indexArtifact(input.length, () => inSteps(input, 10_007));
    expect(Buffer.from(made.bytes).toString('hex')).toBe(vector.hex);
    const read = decodeIndex(Buffer.from(vector.hex, 'hex'), vector);
    expect(read.artifact).toBe(vector.artifact);
    expect(read.size).toBe(vector.size);
    expect(read.chunkCount).toBe(vector.chunks);
    expect(read.averageLog2).toBe(16);
    expect(Buffer.from(read.sha256)).toEqual(sha256(input));
    for (let i = 0; i < read.chunkCount; i++) {
      const at = read.chunkOffset(i);
      expect(Buffer.from(read.chunkHash(i))).toEqual(sha256(input.subarray(at, at + read.chunkLength(i))));
    }
  });

  it('knows no chunk beyond the last', async () => {
    const index = await sample();
    for (const i of [-1, 0.5, index.chunkCount, Number.NaN]) {
      expect(() => index.chunkLength(i)).toThrow(RangeError);
      expect(() => index.chunkOffset(i)).toThrow(RangeError);
      expect(() => index.chunkHash(i)).toThrow(RangeError);
    }
  });
});

describe('an index that lies', () => {
  it.each<[string, (bytes: Buffer) => void]>([
    ['P-9.6: magic', (b) => b.write('CMIY')],
    ['P-9.6: version', (b) => b.writeUInt8(2, 4)],
    ['P-9.6: the zero field', (b) => b.writeUInt16BE(1, 6)],
    ['P-9.2: average too small', (b) => b.writeUInt8(15, 5)],
    ['P-9.2: average too large', (b) => b.writeUInt8(19, 5)],
    ['P-9.2: average absurd', (b) => b.writeUInt8(255, 5)],
    ['P-9.1: size 0', (b) => b.writeBigUInt64BE(0n, 8)],
    ['P-9.1: size past 64 GiB', (b) => b.writeBigUInt64BE(BigInt(MAX_ARTIFACT_BYTES) + 1n, 8)],
    ['P-9.1: size past what a number holds', (b) => b.writeBigUInt64BE(0xffff_ffff_ffff_ffffn, 8)],
    ['P-9.7: size that its chunks do not have', (b) => b.writeBigUInt64BE(399_999n, 8)],
    ['P-9.6: count too large', (b) => b.writeUInt32BE(0xffff_ffff, 48)],
    ['P-9.6: count too small', (b) => b.writeUInt32BE(1, 48)],
    ['P-9.6: count 0', (b) => b.writeUInt32BE(0, 48)],
    ['P-9.3: a chunk below the minimum', (b) => b.writeUInt32BE(16_383, 52)],
    ['P-9.3: a chunk above the maximum', (b) => b.writeUInt32BE(262_145, 52)],
    ['P-9.3: an empty last chunk', (b) => b.writeUInt32BE(0, b.length - 36)],
    ['P-9.7: chunks with more bytes than the artifact', (b) => b.writeUInt32BE(b.readUInt32BE(52) + 1, 52)],
  ])('is refused: %s', async (_, change) => {
    const { bytes, expected } = lie(await sample(), change);
    expect(() => decodeIndex(bytes, expected)).toThrow(expect.objectContaining({ code: 'E_INDEX_INVALID' }));
  });

  it('P-9.7: is refused where the trust message says otherwise', async () => {
    const index = await sample();
    const right = { artifact: index.artifact, size: index.size, chunks: index.chunkCount };
    const refused = expect.objectContaining({ code: 'E_INDEX_INVALID' });
    expect(decodeIndex(index.bytes, right).size).toBe(index.size);
    expect(() => decodeIndex(index.bytes, { ...right, size: index.size + 1 })).toThrow(refused);
    expect(() => decodeIndex(index.bytes, { ...right, chunks: index.chunkCount + 1 })).toThrow(refused);
    expect(() => decodeIndex(index.bytes, { ...right, artifact: '0'.repeat(64) })).toThrow(refused);
    expect(() => decodeIndex(index.bytes, { ...right, chunks: MAX_CHUNKS + 1 })).toThrow(refused);
    expect(() => decodeIndex(index.bytes, { ...right, chunks: 0 })).toThrow(refused);
    expect(() => decodeIndex(index.bytes, { ...right, size: Number.NaN })).toThrow(refused);
  });

  it('P-9.6: is refused at every truncated prefix, and with a byte too many', async () => {
    const index = await sample();
    for (let length = 0; length <= index.bytes.length + 1; length++) {
      if (length === index.bytes.length) continue;
      const bytes = Buffer.concat([index.bytes, Buffer.alloc(1)]).subarray(0, length);
      const expected = { artifact: sha256(bytes).toString('hex'), size: index.size, chunks: index.chunkCount };
      expect(() => decodeIndex(bytes, expected)).toThrow(expect.objectContaining({ code: 'E_INDEX_INVALID' }));
    }
  });

  it('P-9.3: a million chunks of no bytes are refused, also where all else says that there are so many', async () => {
    const chunks = 1_000_000;
    const bytes = Buffer.alloc(indexByteLength(chunks));
    Buffer.from((await sample()).bytes).copy(bytes, 0, 0, 52);
    bytes.writeUInt32BE(chunks, 48);
    const size = Number(bytes.readBigUInt64BE(8));
    const expected = { artifact: sha256(bytes).toString('hex'), size, chunks };
    expect(() => decodeIndex(bytes, expected)).toThrow(expect.objectContaining({ code: 'E_INDEX_INVALID' }));
  });

  it('P-9.6: a chunk that comes twice is no lie, and is there twice', async () => {
    const [length, hash] = [65_536, sha256(Buffer.alloc(65_536))];
    const chunks = [0, 1, 2].map(() => ({ length, hash }));
    const { bytes, artifact } = encodeIndex({ averageLog2: 16, size: 3 * length, sha256: hash, chunks });
    const index = decodeIndex(bytes, { artifact, size: 3 * length, chunks: 3 });
    expect([0, 1, 2].map((i) => index.chunkOffset(i))).toEqual([0, length, 2 * length]);
  });

  it('P-9.7: random bytes under their own right hash throw E_INDEX_INVALID and nothing else', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.infiniteStream(fc.nat(255)), (chunks, values) => {
        const bytes = Uint8Array.from({ length: indexByteLength(chunks) }, () => values.next().value ?? 0);
        const artifact = sha256(bytes).toString('hex');
        expect(() => decodeIndex(bytes, { artifact, size: 65_536, chunks })).toThrow(
          expect.objectContaining({ code: 'E_INDEX_INVALID' }),
        );
      }),
    );
  });

  it('keeps no hold on the bytes it was given', async () => {
    const index = await sample();
    const bytes = Uint8Array.from(index.bytes);
    const read = decodeIndex(bytes, { artifact: index.artifact, size: index.size, chunks: index.chunkCount });
    bytes.fill(0);
    expect(read.bytes).toEqual(index.bytes);
  });
});

describe('encodeIndex', () => {
  const parts = (lengths: number[], size: number): IndexParts => ({
    averageLog2: 16,
    size,
    sha256: new Uint8Array(32),
    chunks: lengths.map((length) => ({ length, hash: new Uint8Array(32) })),
  });

  it('P-9.2: takes 16,384 chunks and refuses one more', () => {
    const lengths = Array.from({ length: MAX_CHUNKS }, () => 16_384);
    expect(encodeIndex(parts(lengths, MAX_CHUNKS * 16_384)).chunkCount).toBe(MAX_CHUNKS);
    expect(() => encodeIndex(parts([...lengths, 16_384], (MAX_CHUNKS + 1) * 16_384))).toThrow(/P-9\.2/);
  });

  it('P-9.1: refuses a size of nothing', () => {
    expect(() => encodeIndex(parts([], 0))).toThrow(/P-9\.1/);
  });
});
