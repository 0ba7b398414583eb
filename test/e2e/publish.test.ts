import { once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { Aedes } from 'aedes';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { memberOfFolder } from '../../bin/fleet_folder.js';
import { EmbeddedBroker } from '../../broker/embedded/embedded_broker.js';
import { type PublishOptions, publish } from '../../broker/publish/publish.js';
import { openTrust } from '../../broker/publish/trust_topic.js';
import { indexFile } from '../../shared/artifact_file.js';
import type { TrustMessage } from '../../shared/control/messages.js';
import { topics } from '../../shared/control/topics.js';
import type { Credential } from '../../shared/identity/bundle.js';
import { streamBytes } from '../support/artifact_bytes.js';
import { connectMember } from '../support/broker_client.js';
import { chunkmesh } from '../support/command.js';
import { coded, temporaryFolder } from '../support/store_fixture.js';
import { TestFleet } from '../support/test_fleet.js';

let fleet: TestFleet;
let publisher: Credential;
let file: string;
let broker: EmbeddedBroker;

const start = (): Promise<EmbeddedBroker> =>
  EmbeddedBroker.start({ fleetDir: fleet.folder, host: '127.0.0.1', port: 0, logger: pino({ level: 'silent' }) });

beforeAll(async () => {
  fleet = await TestFleet.create();
  publisher = await fleet.credential('publisher');
  file = join(fleet.folder, 'firmware.img');
  await writeFile(file, streamBytes('publish', 300_000));
});
afterAll(() => fleet.remove());
beforeEach(async () => {
  broker = await start();
});
afterEach(async () => {
  await broker.close();
  await rm(join(fleet.folder, 'published'), { recursive: true, force: true });
});

const options = (over: Partial<PublishOptions> = {}): PublishOptions => ({
  credential: publisher,
  fleetFolder: fleet.folder,
  file,
  name: 'firmware',
  version: '1.0.0',
  group: 'cams',
  devices: 1,
  broker: `mqtts://localhost:${broker.address.port}`,
  ...over,
});

/** What the broker retains for the group, as an auditor reads it. */
async function retained(group = 'cams'): Promise<TrustMessage> {
  const client = await connectMember(await fleet.credential('auditor'), broker.address.port);
  try {
    const arrived = new Promise<Buffer>((resolve) => client.once('message', (_topic, payload) => resolve(payload)));
    await client.subscribeAsync(`${fleet.prefix}/#`, { qos: 1 });
    return openTrust(publisher, group, await arrived, Date.now() / 1000);
  } finally {
    await client.endAsync();
  }
}

const names = ({ rollouts }: TrustMessage): string[] => rollouts.map(({ name, version }) => `${name} ${version}`);

describe('publish', () => {
  it('leaves a retained, signed trust message that names the artifact (P-4.1)', async () => {
    const index = await indexFile(file);
    const published = await publish(options({ expiresDays: 2, devices: 500 }));
    expect(published).toEqual({
      name: 'firmware',
      version: '1.0.0',
      group: 'cams',
      artifact: index.artifact,
      size: 300_000,
      chunks: index.chunkCount,
      seq: 1,
    });
    const message = await retained();
    expect(message).toMatchObject({ fleet: 'acme', group: 'cams', seq: 1 });
    expect(message.expires - message.at).toBe(2 * 86_400);
    expect(message.rollouts[0]).toMatchObject({ size: 300_000, chunks: index.chunkCount, shards: 16 });
    expect(Buffer.from(message.rollouts[0]?.artifact ?? []).toString('hex')).toBe(index.artifact);
  });

  it('replaces the rollout of that name, keeps others, and counts up (P-4.3)', async () => {
    await publish(options({ name: 'model' }));
    await publish(options());
    expect((await publish(options({ version: '2.0.0' }))).seq).toBe(3);
    expect(names(await retained())).toEqual(['model 1.0.0', 'firmware 2.0.0']);
  });

  it('P-4.1: names URLs, and writes the index that is to lie beside them', async () => {
    const [first, second] = ['https://files.example/firmware.img', 'http://192.0.2.1/f?key=1'];
    const into = join(fleet.folder, 'firmware.img.cmix');
    const published = await publish(options({ urls: [first, second], indexFile: into }));
    expect(published.urls).toEqual([first, second]);
    expect((await retained()).rollouts[0]?.urls).toEqual([first, second]);
    expect((await readFile(into)).equals((await indexFile(file)).bytes)).toBe(true);
    expect(await publish(options())).not.toHaveProperty('urls');
    expect((await retained()).rollouts[0]).not.toHaveProperty('urls');
  });

  it('P-4.1: signs a priority, keeps it as others are published, and says nothing of that which none is', async () => {
    await publish(options({ name: 'model', priority: 9 }));
    await publish(options({ priority: 5 }));
    const { rollouts } = await retained();
    expect(rollouts.map(({ name, priority }) => [name, priority])).toEqual([
      ['model', 9],
      ['firmware', undefined],
    ]);
    expect(rollouts[1]).not.toHaveProperty('priority');
    for (const priority of [-1, 10, 0.5, Number.NaN]) {
      await expect(publish(options({ priority }))).rejects.toThrow(coded('E_ARGUMENT') as Error);
    }
    expect((await retained()).seq).toBe(2);
  });

  it('refuses URLs that break P-4.1, and an index that cannot be written, before anything is sent', async () => {
    const url = 'http://files.example/x';
    for (const urls of [[url, 'ftp://files.example/x'], ['http://u:p@files.example/'], Array(5).fill(url)]) {
      await expect(publish(options({ urls }))).rejects.toThrow(coded('E_ARGUMENT') as Error);
    }
    const indexFile = join(fleet.folder, 'no-such-folder', 'x.cmix');
    await expect(publish(options({ indexFile }))).rejects.toThrow(coded('E_STORE_IO') as Error);
    expect((await publish(options())).seq).toBe(1);
  });

  it('says what the same name and version was before, where it was other bytes', async () => {
    const first = await publish(options());
    expect(await publish(options())).not.toHaveProperty('replaced');
    const other = join(fleet.folder, 'other.img');
    await writeFile(other, 'other bytes');
    expect(await publish(options({ file: other }))).toHaveProperty('replaced', first.artifact);
    expect(await publish(options({ version: '2.0.0' }))).not.toHaveProperty('replaced');
  });

  it('as a command notes a group without devices and seeds, on stderr and in --json', async () => {
    const about = ['--name', 'firmware', '--version', '1.0.0', '--group', 'nobody'];
    const address = `mqtts://localhost:${broker.address.port}`;
    const args = ['publish', file, '--fleet', fleet.folder, ...about, '--broker', address, '--json'];
    const { stdout, stderr } = await chunkmesh(args);
    const notes = [expect.stringContaining('no device'), expect.stringContaining('no seed')];
    expect(JSON.parse(stdout)).toMatchObject({ notes });
    expect(stderr).toMatch(/^note: no device .* group nobody\nnote: no seed .*\n$/);
    const urls = [...args, '--url', 'http://files.example/firmware.img'];
    const noIndex = [expect.stringContaining('no device'), expect.stringContaining('--index writes it')];
    expect(JSON.parse((await chunkmesh(urls)).stdout)).toMatchObject({ notes: noIndex });
    const withIndex = [...urls, '--index', join(fleet.folder, 'x.cmix')];
    expect(JSON.parse((await chunkmesh(withIndex)).stdout).notes).toHaveLength(1);
    await fleet.fleet.enroll('depot', { role: 'seed', groups: ['nobody'] });
    await fleet.fleet.enroll('cam-9', { groups: ['nobody'] });
    expect(JSON.parse((await chunkmesh(args)).stdout)).toMatchObject({ notes: [] });
  });

  it('keeps number and rollouts when the broker has lost them', async () => {
    await publish(options({ name: 'model' }));
    await publish(options());
    await broker.close();
    broker = await start();
    expect((await publish(options({ version: '2.0.0' }))).seq).toBe(3);
    expect(names(await retained())).toEqual(['model 1.0.0', 'firmware 2.0.0']);
  });

  it('keeps them when the fleet folder has lost them and the broker has not', async () => {
    await publish(options({ name: 'model' }));
    await rm(join(fleet.folder, 'published'), { recursive: true });
    expect((await publish(options())).seq).toBe(2);
    expect(names(await retained())).toEqual(['model 1.0.0', 'firmware 1.0.0']);
  });

  it('does not spend a number twice, although the publish before did not get through', async () => {
    await publish(options());
    const path = join(fleet.folder, 'published/cams.json');
    const state = JSON.parse(await readFile(path, 'utf8')) as { seq: number };
    await writeFile(path, JSON.stringify({ ...state, seq: 41 }));
    expect((await publish(options())).seq).toBe(42);
  });

  it('is not misled by what does not verify', async () => {
    const client = await connectMember(publisher, broker.address.port);
    await client.publishAsync(topics.trust(fleet.prefix, 'cams'), 'garbage', { qos: 1, retain: true });
    await client.endAsync();
    expect((await publish(options())).seq).toBe(1);
    expect(names(await retained())).toEqual(['firmware 1.0.0']);
  });

  it('merges what two publishers do at the same moment', async () => {
    await fleet.fleet.enroll('publisher-2', { role: 'publisher', groups: [] });
    const { publishers } = await memberOfFolder(fleet.folder, 'publisher');
    expect(publishers).toHaveLength(2);
    const second = { ...(await fleet.credential('publisher-2')), publishers };
    await Promise.all([
      publish(options({ credential: { ...publisher, publishers }, name: 'model' })),
      publish(options({ credential: second, fleetFolder: await temporaryFolder() })),
    ]);
    const auditor = { ...publisher, publishers };
    publisher = auditor;
    expect(names(await retained()).sort()).toEqual(['firmware 1.0.0', 'model 1.0.0']);
  });

  it('says of a broker that denies in silence that it refused', async () => {
    const deaf = await deafBroker();
    try {
      const failure = publish(options({ broker: `mqtts://localhost:${deaf.port}` }));
      await expect(failure).rejects.toThrow(coded('E_BROKER_REFUSED') as Error);
    } finally {
      await deaf.close();
    }
  });

  it('refuses, before anything is sent, who is no publisher', async () => {
    const operator = await fleet.credential('operator');
    await expect(publish(options({ credential: operator }))).rejects.toThrow(coded('E_MESSAGE_UNTRUSTED') as Error);
  });
});

/** One that acknowledges everything and retains nothing. */
async function deafBroker(): Promise<{ port: number; close: () => Promise<void> }> {
  const read = (name: string): Promise<string> => readFile(join(fleet.folder, name), 'utf8');
  const aedes = await Aedes.createBroker({
    authorizePublish: (_client, packet, done) => {
      packet.retain = false;
      done(null);
    },
  });
  const server = createServer(
    { key: await read('broker/server.key'), cert: await read('broker/server.crt') },
    aedes.handle,
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      await new Promise<void>((done) => aedes.close(done));
      server.close();
    },
  };
}
