import { createCipheriv, createHash } from 'node:crypto';

/** The first `size` bytes of SHA-256(seed, counter u32) for counter 0, 1, 2 ..: incompressible, and the same everywhere. */
export function streamBytes(seed: string, size: number): Buffer {
  const bytes = Buffer.alloc(Math.ceil(size / 32) * 32);
  const counter = Buffer.alloc(4);
  for (let block = 0; block * 32 < size; block++) {
    counter.writeUInt32BE(block);
    createHash('sha256')
      .update(seed, 'ascii')
      .update(counter)
      .digest()
      .copy(bytes, block * 32);
  }
  return bytes.subarray(0, size);
}

/** AES-256-CTR over zeros under a key of the seed's: incompressible, quick, and the same everywhere. */
export function seededBytes(seed: string, size: number): Buffer {
  const cipher = createCipheriv('aes-256-ctr', createHash('sha256').update(seed).digest(), Buffer.alloc(16));
  return cipher.update(Buffer.alloc(size));
}

/** The input that a vector of test/vectors/chunker.json or index.json describes. */
export function vectorInput(vector: { kind: string; seed: string; size: number }): Buffer {
  return vector.kind === 'zeros' ? Buffer.alloc(vector.size) : streamBytes(vector.seed, vector.size);
}

/** `bytes` in buffers of `step` bytes. */
export async function* inSteps(bytes: Uint8Array, step: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
}
