/**
 * Opens the store in argv[2], prints `open` or the code of the error, then writes what is missing of the sample in argv[3] of
 * argv[4] bytes: argv[5] chunks of it, or all.
 */
import { Store } from '../../../../agent/io/store/store.js';
import { indexArtifact } from '../../../../shared/artifact/index.js';
import { ChunkmeshError } from '../../../../shared/errors.js';
import { inSteps, streamBytes } from '../../../support/artifact_bytes.js';

const [, , dir = '', seed, size = '0', most] = process.argv;
const say = (line: string) => process.stdout.write(`${line}\n`);

async function write(store: Store, bytes: Buffer): Promise<void> {
  const index = await indexArtifact(bytes.length, () => inSteps(bytes, 65_536));
  const { artifact, chunkCount: chunks } = index;
  const as = { name: 'firmware', version: '1.0.0' };
  const stored = await store.openArtifact({ artifact, ...as, size: bytes.length, chunks });
  await stored.installIndex(index.bytes);
  say(`held ${stored.held.count}`);
  const missing = [...stored.held.missing()];
  for (const i of missing.slice(0, most === undefined ? missing.length : Number(most))) {
    const at = index.chunkOffset(i);
    await stored.writeChunk(i, bytes.subarray(at, at + index.chunkLength(i)));
    say(`wrote ${i}`);
  }
  if (most !== undefined) return;
  await stored.finish(as);
  say('finished');
}

try {
  const store = await Store.open(dir);
  say('open');
  if (seed !== undefined) await write(store, streamBytes(seed, Number(size)));
} catch (error) {
  say(error instanceof ChunkmeshError ? error.code : String(error));
}
// Holds the lock until it is killed.
setInterval(() => undefined, 60_000);
