import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readPeers, writePeers } from '../../../../agent/io/store/peers_file.js';
import { Store } from '../../../../agent/io/store/store.js';
import { MAX_PEER_RECORDS, type PeerRecord } from '../../../../agent/swarm/peer_book.js';
import { temporaryFolder } from '../../../support/store_fixture.js';

const record = (i: number): PeerRecord => ({
  ...{ device: `d${i}`.padEnd(64, 'x'), site: 's'.repeat(64), rate: 123_456.789, rttMs: 12.5 },
  ...{ failures: 0.25, subnet: true, at: 1_700_000_000 },
});

async function opened(): Promise<{ store: Store; path: string }> {
  const store = await Store.open(join(await temporaryFolder(), 'store'));
  return { store, path: join(store.dir, 'state', 'peers.json') };
}

describe('peers_file', () => {
  it('has nothing, without a warning, where nothing was written', async () => {
    const { store } = await opened();
    expect(await readPeers(store)).toEqual({ peers: [], warning: null });
    await store.close();
  });

  it('reads what was written, as many as there may be', async () => {
    const { store, path } = await opened();
    const peers = Array.from({ length: MAX_PEER_RECORDS }, (_, i) => record(i));
    await writePeers(store, peers);
    expect(await readPeers(store)).toEqual({ peers, warning: null });
    expect((await readFile(path)).length).toBeLessThan(256 * 1024);
    await store.close();
  });

  it.each([
    ['cut short', (text: string) => text.slice(0, text.length / 2)],
    ['no JSON', () => '\u0000\u0001'],
    ['of another version', (text: string) => text.replace('"v":1', '"v":2')],
    ['with a failure rate above 1', (text: string) => text.replace('0.25', '1.25')],
    ['with a negative rate', (text: string) => text.replace('123456.789', '-1')],
    ['with an id that breaks P-1', (text: string) => text.replace('d0x', '../')],
    ['larger than it may be', (text: string) => text + ' '.repeat(300 * 1024)],
  ])('is left out, with a warning, where it is %s', async (_what, damage) => {
    const { store, path } = await opened();
    await writePeers(store, [record(0)]);
    await writeFile(path, damage(await readFile(path, 'utf8')));
    const { peers, warning } = await readPeers(store);
    expect([peers, warning?.code]).toEqual([[], 'E_STORE_CORRUPT']);
    await writePeers(store, [record(1)]);
    expect((await readPeers(store)).peers).toEqual([record(1)]);
    await store.close();
  });
});
