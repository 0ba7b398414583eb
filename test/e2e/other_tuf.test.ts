import { execFileSync } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { join } from 'node:path';
import { BaseFetcher, Updater } from 'tuf-js';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { expect, it } from 'vitest';
import { Fleet } from '../../broker/fleet/fleet.js';
import { ONLINE_DAYS } from '../../broker/trust/ceremony.js';
import { packBundle, unpackBundle } from '../../shared/trust/bundle.js';
import { binOf, binRoleOfArtifact } from '../../shared/trust/names.js';
import { verifyBundle } from '../../shared/trust/verify.js';
import { Nginx, withNginx } from '../support/nginx.js';
import { PYTHON, withSecuresystemslib } from '../support/securesystemslib.js';
import { temporaryFolder } from '../support/store_fixture.js';
import { TestTrust } from '../support/test_trust.js';

/** Metadata of others is taken here, and ours there (P-12.1). */

const GROUP = 'cameras';
const nowSeconds = (): number => Math.floor(Date.now() / 1000);

async function filesIn(folder: string): Promise<Map<string, Uint8Array>> {
  const names = await readdir(folder);
  return new Map(await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const)));
}

withSecuresystemslib('a repository that securesystemslib made', () => {
  it('P-12.1: is believed, across its rotation, and refused with a byte of it changed', async () => {
    const folder = await temporaryFolder();
    const now = nowSeconds();
    execFileSync(PYTHON, [join(import.meta.dirname, 'support/tuf_repository.py'), folder, String(now)]);
    const all = await filesIn(folder);
    expect(all.size).toBe(256 + 7);
    const state = { root: Buffer.from(all.get('1.root.json') ?? []).toString('utf8') };
    // A bundle has the bins that the group's rollouts are in.
    const bin = `1.${binRoleOfArtifact('firmware', '2.4.1')}.json`;
    const bundle = new Map([...all].filter(([name]) => !name.includes('release-') || name === bin));
    expect(bundle.size).toBeLessThan(12);
    const packed = packBundle(bundle);
    expect(packed.length).toBeLessThan(131_072);
    const verdict = verifyBundle(state, unpackBundle(packed), GROUP, () => now);
    expect(verdict.error).toBeUndefined();
    expect(verdict.refused).toEqual([]);
    expect(verdict.rootVersion).toBe(2);
    expect(verdict.rollouts).toMatchObject([
      {
        name: 'firmware',
        version: '2.4.1',
        size: 1001,
        chunks: 3,
        shards: 4,
        urgent: true,
        audience: { sites: ['hall-2'] },
      },
    ]);
    expect(verdict.signedAt).toBeUndefined();
    for (const [name, bytes] of bundle) {
      if (name === '1.root.json') continue;
      const changed = Buffer.from(bytes);
      const at = changed.indexOf('"version": ') + '"version": '.length;
      changed[at] = (changed[at] ?? 0) + 1;
      const refusal = verifyBundle(state, new Map([...bundle, [name, changed]]), GROUP, () => now);
      expect((refusal.error ?? refusal.refused[0])?.code, name).toMatch(/^E_TRUST_/);
      expect(refusal.rollouts).toEqual([]);
    }
  });
});

/** Over HTTPS, by one CA. */
class HttpsFetcher extends BaseFetcher {
  readonly #ca: string;
  constructor(ca: string) {
    super();
    this.#ca = ca;
  }

  fetch(url: string): Promise<NodeJS.ReadableStream> {
    return new Promise((resolve, reject) => {
      get(url, { ca: this.#ca, servername: 'localhost' }, (response) => {
        if (response.statusCode === 200) resolve(response);
        else reject(new DownloadHTTPError(url, response.statusCode ?? 0));
      }).on('error', reject);
    });
  }
}

withNginx('our repository, served over HTTPS', () => {
  async function served(trust: TestTrust): Promise<{ updater: () => Promise<Updater>; server: Nginx }> {
    const fleet = await Fleet.init(join(await temporaryFolder(), 'fleet'), { fleet: 'acme' });
    const read = (name: string): Promise<string> => readFile(join(fleet.folder, name), 'utf8');
    const identity = {
      ca: fleet.ca,
      certificate: await read('broker/server.crt'),
      key: await read('broker/server.key'),
    };
    const more = `location /metadata/ { alias ${trust.repository.metadata.path}/; }`;
    const server = await Nginx.start({ identity, more });
    const metadataDir = await temporaryFolder();
    await writeFile(join(metadataDir, 'root.json'), await trust.firstRoot());
    const options = {
      ...{ metadataDir, metadataBaseUrl: `${server.tlsOrigin}/metadata`, targetDir: metadataDir },
      fetcher: new HttpsFetcher(fleet.ca),
    };
    return { server, updater: async () => new Updater(options) };
  }

  it('P-12.1: is followed by the whole of another client: roots, artifacts and rollouts', async () => {
    const now = nowSeconds();
    const trust = await TestTrust.create(now, { count: 3, threshold: 2 });
    await trust.publish(GROUP, { name: 'firmware', version: '2.4.1' }, now);
    const { updater, server } = await served(trust);
    const client = await updater();
    await client.refresh();
    const artifact = await client.getTargetInfo('artifacts/firmware/2.4.1');
    const rollout = await client.getTargetInfo(`rollouts/${GROUP}/firmware/2.4.1`);
    expect(artifact?.length).toBe(1001);
    expect(rollout?.hashes).toEqual(artifact?.hashes);
    expect(rollout?.custom).toEqual({ chunkmesh: { shards: 1 } });
    const inSameBin = Array.from({ length: 5000 }, (_, i) => `artifacts/firmware/v${i}`).find(
      (path) => binOf(path) === binOf('artifacts/firmware/2.4.1'),
    );
    expect(await client.getTargetInfo(inSameBin ?? '')).toBeUndefined();
    expect(await client.getTargetInfo('rollouts/doors/firmware/2.4.1')).toBeUndefined();
    expect((await server.served()).map(({ path }) => path)).toContain('/metadata/timestamp.json');

    // Later: another version, and a client that was here before.
    await trust.publish(GROUP, { name: 'firmware', version: '2.5.0' }, now, { shards: 2 }, ONLINE_DAYS);
    const later = await updater();
    await later.refresh();
    expect((await later.getTargetInfo(`rollouts/${GROUP}/firmware/2.5.0`))?.custom).toEqual({
      chunkmesh: { shards: 2 },
    });
    expect(await later.getTargetInfo(`rollouts/${GROUP}/firmware/2.4.1`)).toBeUndefined();
  });
});
