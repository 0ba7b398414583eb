import { describe, expect, it } from 'vitest';
import { decodeIndex, GEAR, indexArtifact } from '../../../shared/artifact/index.js';
import { MAX_ARTIFACT_BYTES, MAX_CHUNKS } from '../../../shared/limits.js';
import { inSteps, streamBytes } from '../../support/artifact_bytes.js';

const code = (code: string) => expect.objectContaining({ code });

/** P-9.4: a chunk just above the least: after 32 bytes the hash knows nothing older, so those before a cut make one again. */
function shortChunk(): Buffer {
  const bytes = streamBytes('short', 2 ** 20);
  let hash = 0;
  const last = bytes.findIndex((byte) => {
    hash = ((hash << 1) + (GEAR[byte] ?? 0)) | 0;
    return hash >>> 14 === 0;
  });
  return Buffer.concat([Buffer.alloc(16_384), bytes.subarray(last - 31, last + 1)]);
}

describe('the indexer', () => {
  it('P-9.4: gives one index whatever buffers the artifact comes in', async () => {
    const bytes = streamBytes('split', 300_000);
    const names = new Set<string>();
    for (const step of [1009, 16_384, 65_536, 300_000]) {
      const index = await indexArtifact(bytes.length, () => inSteps(bytes, step));
      names.add(index.artifact);
      expect(decodeIndex(index.bytes, { artifact: index.artifact, size: 300_000, chunks: index.chunkCount }).size).toBe(
        300_000,
      );
    }
    expect(names.size).toBe(1);
  });

  it('P-9.1: refuses an empty artifact and one past 64 GiB before it opens anything', async () => {
    const never = () => {
      throw new Error('opened');
    };
    await expect(indexArtifact(0, never)).rejects.toThrow(code('E_FILE_EMPTY'));
    await expect(indexArtifact(MAX_ARTIFACT_BYTES + 1, never)).rejects.toThrow(code('E_FILE_TOO_LARGE'));
  });

  it('refuses a stream with more or fewer bytes than were promised', async () => {
    const bytes = streamBytes('wrong', 100_000);
    await expect(indexArtifact(99_999, () => inSteps(bytes, 1000))).rejects.toThrow(code('E_FILE_CHANGED'));
    await expect(indexArtifact(100_001, () => inSteps(bytes, 1000))).rejects.toThrow(code('E_FILE_CHANGED'));
  });

  it('P-9.2: doubles the average and cuts anew where the cut gives more than 16,384 chunks', async () => {
    const chunk = shortChunk();
    const count = MAX_CHUNKS + 1;
    const size = count * chunk.length;
    let opened = 0;
    async function* repeat() {
      opened++;
      for (let i = 0; i < count; i++) yield chunk;
    }
    const index = await indexArtifact(size, repeat);
    expect(opened).toBe(2);
    expect(index.averageLog2).toBe(17);
    expect(index.chunkCount).toBeLessThanOrEqual(MAX_CHUNKS);
  }, 60_000);
});
