import { open, rename, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { JOURNAL_HEADER_BYTES, JOURNAL_RECORD_BYTES } from '../../../../agent/store/journal.js';
import type { SeededRandom } from '../../../sim/random.js';
import type { Ledger } from './kills_ledger.js';

/**
 * What a power cut may do beyond kill -9, which leaves the kernel and all that it was told: what was not brought to the disk is there,
 * or is not, or is in part, page by page.
 */

const PAGE_BYTES = 4096;
const SECTOR_BYTES = 512;

/** @param name under which versions are handed over */
export async function losePower(dir: string, name: string, ledger: Ledger, random: SeededRandom): Promise<void> {
  const { sample, version, durableRecords } = ledger;
  const part = sample.pathIn(dir, 'data.part');
  const ready = join(dir, 'ready', name, `${version}`);
  if (ledger.isMoving && (await isThere(ready)) && random.next() < 0.5) await rename(ready, part);
  if (await isThere(part)) await losePages(part, ledger, random);
  if (durableRecords === undefined) return;
  await loseRecords(
    sample.pathIn(dir, 'journal'),
    JOURNAL_HEADER_BYTES + durableRecords * JOURNAL_RECORD_BYTES,
    random,
  );
}

/** Some pages that belong to no durable chunk are as they were before, some are torn, some hold what never was written there. */
async function losePages(part: string, { sample, durable }: Ledger, random: SeededRandom): Promise<void> {
  const { index, all } = sample;
  const file = await open(part, 'r+');
  try {
    for (const i of all.filter((chunk) => !durable.has(chunk))) {
      const end = index.chunkOffset(i) + index.chunkLength(i);
      const first = Math.ceil(index.chunkOffset(i) / PAGE_BYTES) * PAGE_BYTES;
      for (let page = first; page + PAGE_BYTES <= end; page += PAGE_BYTES) {
        const chance = random.next();
        if (chance > 0.06) continue;
        const bytes = Buffer.alloc(chance > 0.02 ? PAGE_BYTES : SECTOR_BYTES, chance > 0.005 ? 0 : 0xa5);
        await file.write(bytes, 0, bytes.length, page);
      }
    }
  } finally {
    await file.close();
  }
}

/** Its end is cut off anywhere, or is zeros. */
async function loseRecords(journal: string, durable: number, random: SeededRandom): Promise<void> {
  const { size } = await stat(journal).catch(() => ({ size: 0 }));
  if (size <= durable) return;
  const from = durable + Math.floor(random.next() * (size - durable));
  if (random.next() < 0.5) return truncate(journal, from);
  const file = await open(journal, 'r+');
  await file.write(Buffer.alloc(size - from), 0, size - from, from);
  await file.close();
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}
