/**
 * A device's store at work until it is killed: argv[2] is its folder, argv[3] the version to begin with, argv[4] what its choices
 * depend on. Version after version is opened, taken from the one before, written, read, looked at again, handed over. Each line on
 * stdout is written at once:
 *
 *     open                      the store is open
 *     version <v> <chunks>      the artifact is open and holds these, with commas between
 *     wrote <chunk>             was told to be held
 *     synced <count>            that many of the lines above, since `version`, are on the disk
 *     read <chunk> <sha256>     was read as it is served
 *     rotten <chunk>            a second look found it wrong
 *     finishing <v>, finished <v>
 *     evicted
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as after } from 'node:timers/promises';
import { Store } from '../../../../agent/io/store/store.js';
import type { StoredArtifact } from '../../../../agent/io/store/stored_artifact.js';
import { copyFromDisk } from '../../../../agent/transfer/copy.js';
import { ChunkmeshError } from '../../../../shared/errors.js';
import { SeededRandom } from '../../../sim/random.js';
import type { Sample } from '../../../support/sample.js';
import { killSample, NAME, QUOTA_BYTES } from './kills_sample.js';

const [, , dir = '', from = '0', seed = '1'] = process.argv;
const random = new SeededRandom(Number(seed));
const say = (line: string) => process.stdout.write(`${line}\n`);
/** How many `wrote` lines there are of this version. */
let wrote = 0;
/** As many writes at once as a fast transfer has. */
const WRITERS = 6;
/** The store's own second between two syncs, here. */
const SYNC_MS = 40;

/** The store syncs its data, then its journal: what was told before the one began is on the disk once the other has ended. */
async function watchSyncs(): Promise<void> {
  const any = await open(process.execPath);
  const prototype: FileHandle = Object.getPrototypeOf(any);
  await any.close();
  const { datasync } = prototype;
  let [isData, covered] = [true, 0];
  prototype.datasync = async function (this: FileHandle) {
    if (isData) covered = wrote;
    isData = !isData;
    const isJournal = isData;
    await Reflect.apply(datasync, this, []);
    if (isJournal) say(`synced ${covered}`);
  };
}

function hurryTimers(): void {
  const { setTimeout } = globalThis;
  const hurried = (act: () => void, ms = 0) => setTimeout(act, ms === 1000 ? SYNC_MS : ms);
  globalThis.setTimeout = hurried as unknown as typeof setTimeout;
}

const pick = (below: number): number => Math.floor(random.next() * below);

async function write(stored: StoredArtifact, sample: Sample): Promise<void> {
  const missing = [...stored.held.missing()];
  for (let i = missing.length - 1; i > 0; i--) {
    const j = pick(i + 1);
    [missing[i], missing[j]] = [missing[j] ?? 0, missing[i] ?? 0];
  }
  const writer = async (): Promise<void> => {
    for (let i = missing.pop(); i !== undefined; i = missing.pop()) {
      await stored.writeChunk(i, sample.chunk(i));
      wrote++;
      say(`wrote ${i}`);
      await after(pick(12));
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
}

async function read(stored: StoredArtifact, sample: Sample, until: () => boolean): Promise<void> {
  const [into, slice] = [Buffer.alloc(262_144), Buffer.alloc(65_536)];
  while (!until()) {
    const i = pick(sample.index.chunkCount);
    const length = sample.index.chunkLength(i);
    if (stored.held.get(i) && (await stored.readChunk(i, into))) {
      say(`read ${i} ${createHash('sha256').update(into.subarray(0, length)).digest('hex')}`);
    }
    const j = pick(sample.index.chunkCount);
    if (stored.held.get(j) && !(await stored.recheckChunk(j, slice))) say(`rotten ${j}`);
    await after(pick(4));
  }
}

async function oneVersion(store: Store, version: number): Promise<void> {
  const sample = await killSample(version);
  const as = { name: NAME, version: `${version}` };
  wrote = 0;
  await store.keep('group', [{ artifact: sample.index.artifact, ...as }]);
  const stored = await store.openArtifact({ ...sample.toOpen, ...as });
  await stored.installIndex(sample.index.bytes);
  say(`version ${version} ${[...stored.held.held()]}`);
  const copied = (chunk: number): void => {
    wrote++;
    say(`wrote ${chunk}`);
  };
  await copyFromDisk(stored, sample.index, store.handedOver(NAME), { copied, stopped: () => false });
  let written = false;
  await Promise.all([
    write(stored, sample).then(() => {
      written = true;
    }),
    read(stored, sample, () => written),
  ]);
  say(`finishing ${version}`);
  await stored.finish(as);
  say(`finished ${version}`);
  let served = 0;
  await read(stored, sample, () => served++ > 8);
  await stored.close();
}

try {
  await watchSyncs();
  hurryTimers();
  const store = await Store.open(dir, { quota: QUOTA_BYTES, evicted: () => say('evicted') });
  say('open');
  for (let version = Number(from); ; version++) await oneVersion(store, version);
} catch (error) {
  say(`failed ${error instanceof ChunkmeshError ? `${error.code} ${error.message}` : String(error)}`);
}
