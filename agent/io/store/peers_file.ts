import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isId } from '../../../shared/control/ids.js';
import { ChunkmeshError, systemCode } from '../../../shared/errors.js';
import { MAX_PEER_RECORDS, type PeerRecord } from '../../swarm/peer_book.js';
import type { Store } from './store.js';

/** What was learned of peers, as a state document of the store: a hint, so that one that is damaged is left out and written anew. */

const NAME = 'peers';
/** So many records with ids at their longest, twice over. */
const MAX_FILE_BYTES = 256 * 1024;

const id = z.string().refine(isId);
const finite = z.number().min(0).max(Number.MAX_SAFE_INTEGER);
const schema = z.strictObject({
  v: z.literal(1),
  peers: z
    .array(
      z.strictObject({
        ...{ device: id, site: id, rate: finite, rttMs: finite, at: finite },
        failures: z.number().min(0).max(1),
        subnet: z.boolean(),
      }),
    )
    .max(MAX_PEER_RECORDS),
});

export interface PeersRead {
  readonly peers: readonly PeerRecord[];
  /** Why there are none, where there should be. */
  readonly warning: ChunkmeshError | null;
}

/** Never throws: without what was learned, it is learned anew. */
export async function readPeers(store: Store): Promise<PeersRead> {
  try {
    await checkSize(join(store.dir, 'state', `${NAME}.json`));
    return { peers: (await store.readState(NAME, schema))?.peers ?? [], warning: null };
  } catch (cause) {
    const known = cause instanceof ChunkmeshError ? cause : undefined;
    const warning =
      known ?? new ChunkmeshError('E_STORE_IO', `${NAME}.json: ${systemCode(cause) ?? 'failed'}`, { cause });
    return { peers: [], warning };
  }
}

/** @throws E_DISK_FULL, E_STORE_IO */
export function writePeers(store: Store, peers: readonly PeerRecord[]): Promise<void> {
  return store.writeState(NAME, { v: 1, peers });
}

async function checkSize(path: string): Promise<void> {
  const size = await stat(path).then(
    (stats) => stats.size,
    () => 0,
  );
  if (size > MAX_FILE_BYTES) throw new ChunkmeshError('E_STORE_CORRUPT', `${path} has ${size} bytes`);
}
