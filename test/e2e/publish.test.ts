import { once } from 'node:events';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { Aedes } from 'aedes';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EmbeddedBroker } from '../../broker/embedded/embedded_broker.js';
import { type PublishOptions, publish } from '../../broker/publish/publish.js';
import { TrustRepository } from '../../broker/trust/repository.js';
import { indexFile } from '../../shared/artifact_file.js';
import { openEnvelope } from '../../shared/control/envelope.js';
import { decodeMessage } from '../../shared/control/messages.js';
import { topics } from '../../shared/control/topics.js';
import type { Credential } from '../../shared/identity/bundle.js';
import { unpackBundle } from '../../shared/trust/bundle.js';
import type { TrustState } from '../../shared/trust/trusted_set.js';
import { type Verdict, verifyBundle } from '../../shared/trust/verify.js';
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

beforeEach(async () => {
  fleet = await TestFleet.create();
  publisher = await fleet.credential('publisher');
  file = join(fleet.root, 'firmware.img');
  await writeFile(file, streamBytes('publish', 300_000));
  broker = await start();
});
afterEach(async () => {
  await broker.close();
  await fleet.remove();
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

/** What a device that trusts so far makes of what the broker retains for the group, as an auditor reads it. */
async function retained(group = 'cams', state: TrustState = { root: publisher.root }): Promise<Verdict> {
  const client = await connectMember(await fleet.credential('auditor'), broker.address.port);
  const topic = topics.trust(fleet.prefix, group);
  const now = Date.now() / 1000;
  try {
    const arrived = new Promise<Buffer>((resolve) => {
      client.on('message', (on, payload) => on === topic && resolve(payload));
    });
    await client.subscribeAsync(`${fleet.prefix}/#`, { qos: 1 });
    const { payload } = openEnvelope(fleet.prefix, topic, await arrived, publisher.verifier, now);
    const files = unpackBundle(decodeMessage('trust', payload).bundle);
    const verdict = verifyBundle(state, files, group, () => now);
    expect([verdict.error, verdict.refused]).toEqual([undefined, []]);
    return verdict;
  } finally {
    await client.endAsync();
  }
}

const names = ({ rollouts }: Verdict): string[] => rollouts.map(({ name, version }) => `${name} ${version}`);

/** A copy of what the folder has for publishing, with its keys. */
async function backup(): Promise<string> {
  const folder = await temporaryFolder();
  await cp(join(fleet.folder, 'trust'), join(folder, 'trust'), { recursive: true });
  return folder;
}

async function restore(from: string): Promise<void> {
  await rm(join(fleet.folder, 'trust'), { recursive: true });
  await cp(join(from, 'trust'), join(fleet.folder, 'trust'), { recursive: true });
}

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
      timestamp: expect.any(Number),
    });
    const message = await retained();
    expect(message.timestampVersion).toBe(published.timestamp);
    expect(message.expires - (message.signedAt ?? 0)).toBe(2 * 86_400);
    expect(message.rollouts[0]).toMatchObject({ size: 300_000, chunks: index.chunkCount, shards: 16 });
    expect(Buffer.from(message.rollouts[0]?.artifact ?? []).toString('hex')).toBe(index.artifact);
  });

  it('replaces the rollout of that name, keeps others, and counts up (P-4.3)', async () => {
    await publish(options({ name: 'model' }));
    const { timestamp } = await publish(options());
    expect((await publish(options({ version: '2.0.0' }))).timestamp).toBeGreaterThan(timestamp);
    expect(names(await retained())).toEqual(['model 1.0.0', 'firmware 2.0.0']);
  });

  it('P-12.3: signs an audience by group, by site or by both, as an option and as a command', async () => {
    const audience = async () => (await retained()).rollouts[0]?.audience;
    await publish(options({ audience: { groups: ['cams'] } }));
    expect(await audience()).toEqual({ groups: ['cams'] });
    const about = ['--name', 'firmware', '--version', '1.0.0', '--group', 'cams'];
    const address = `mqtts://localhost:${broker.address.port}`;
    const args = ['publish', file, '--fleet', fleet.folder, ...about, '--broker', address, '--json'];
    await chunkmesh([...args, '--only-site', 'north', '--only-site', 'south']);
    expect(await audience()).toEqual({ sites: ['north', 'south'] });
    await chunkmesh([...args, '--only-group', 'cams', '--only-site', 'north']);
    expect(await audience()).toEqual({ groups: ['cams'], sites: ['north'] });
    for (const bad of [{ groups: ['robots'] }, { groups: [] }]) {
      await expect(publish(options({ audience: bad }))).rejects.toThrow(coded('E_ARGUMENT') as Error);
    }
    for (const bad of [{ groups: ['cams', 'a/b'] }, { sites: [''] }]) {
      await expect(publish(options({ audience: bad }))).rejects.toThrow(coded('E_ID') as Error);
    }
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
    const { timestamp } = await publish(options({ priority: 5 }));
    const { rollouts } = await retained();
    expect(rollouts.map(({ name, priority }) => [name, priority])).toEqual([
      ['model', 9],
      ['firmware', undefined],
    ]);
    expect(rollouts[1]).not.toHaveProperty('priority');
    for (const priority of [-1, 10, 0.5, Number.NaN]) {
      await expect(publish(options({ priority }))).rejects.toThrow(coded('E_ARGUMENT') as Error);
    }
    expect((await retained()).timestampVersion).toBe(timestamp);
  });

  it('refuses URLs that break P-4.1, and an index that cannot be written, before anything is sent', async () => {
    const url = 'http://files.example/x';
    for (const urls of [[url, 'ftp://files.example/x'], ['http://u:p@files.example/'], Array(5).fill(url)]) {
      await expect(publish(options({ urls }))).rejects.toThrow(coded('E_ARGUMENT') as Error);
    }
    const indexFile = join(fleet.folder, 'no-such-folder', 'x.cmix');
    const before = await numberOfFolder();
    await expect(publish(options({ indexFile }))).rejects.toThrow(coded('E_STORE_IO') as Error);
    expect(await numberOfFolder()).toBe(before);
    await publish(options());
    expect(names(await retained())).toEqual(['firmware 1.0.0']);
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
    const { state, timestampVersion } = await retained();
    await broker.close();
    broker = await start();
    expect((await publish(options({ version: '2.0.0' }))).timestamp).toBeGreaterThan(timestampVersion);
    expect(names(await retained('cams', state))).toEqual(['model 1.0.0', 'firmware 2.0.0']);
  });

  it('keeps them when the fleet folder was put back from an old backup and the broker was not (P-12.5)', async () => {
    const old = await backup();
    await publish(options({ name: 'model' }));
    const { timestamp } = await publish(options({ name: 'other' }));
    const { state } = await retained();
    await restore(old);
    expect((await publish(options())).timestamp).toBeGreaterThan(timestamp);
    expect(names(await retained('cams', state))).toEqual(['model 1.0.0', 'other 1.0.0', 'firmware 1.0.0']);
  });

  it('does not spend a number twice, although the publish before did not get through', async () => {
    const { timestamp } = await publish(options());
    const deaf = await deafBroker();
    try {
      await expect(publish(options({ broker: `mqtts://localhost:${deaf.port}` }))).rejects.toThrow();
    } finally {
      await deaf.close();
    }
    const spent = await numberOfFolder();
    expect(spent).toBeGreaterThan(timestamp);
    expect((await publish(options())).timestamp).toBeGreaterThan(spent);
  });

  it('publishes other groups anew where a file that they share is another, so that their devices still believe it', async () => {
    await publish(options({ name: 'model' }));
    const before = await retained();
    // A new group changes what the director delegates, which is in every bundle.
    await publish(options({ group: 'robots' }));
    const robots = await retained('robots');
    expect(names(robots)).toEqual(['firmware 1.0.0']);
    const after = await retained('cams', robots.state);
    expect(names(after)).toEqual(['model 1.0.0']);
    expect(after.timestampVersion).toBeGreaterThan(before.timestampVersion);
    // And where nothing is, leaves them alone.
    await publish(options({ group: 'robots', version: '2.0.0' }));
    expect((await retained()).timestampVersion).toBe(after.timestampVersion);
    expect(names(await retained('cams', (await retained('robots')).state))).toEqual(['model 1.0.0']);
  });

  it('is not misled by what does not verify', async () => {
    const client = await connectMember(publisher, broker.address.port);
    await client.publishAsync(topics.trust(fleet.prefix, 'cams'), 'garbage', { qos: 1, retain: true });
    await client.endAsync();
    await publish(options());
    expect(names(await retained())).toEqual(['firmware 1.0.0']);
  });

  it('merges what two publishers do at the same moment', async () => {
    const second = await fleet.enroll('publisher-2', { role: 'publisher', groups: [] });
    const copy = await backup();
    await Promise.all([
      publish(options({ name: 'model' })),
      publish(options({ credential: second, fleetFolder: copy })),
    ]);
    expect(names(await retained()).sort()).toEqual(['firmware 1.0.0', 'model 1.0.0']);
  });

  it('merges what three publishers of one folder do at the same moment, for two groups', async () => {
    await Promise.all([
      publish(options({ name: 'a' })),
      publish(options({ name: 'b', group: 'robots' })),
      publish(options({ name: 'c' })),
    ]);
    const cams = await retained();
    expect(names(cams).sort()).toEqual(['a 1.0.0', 'c 1.0.0']);
    expect(names(await retained('robots', cams.state))).toEqual(['b 1.0.0']);
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

async function numberOfFolder(): Promise<number> {
  return (await (await TrustRepository.open(fleet.folder)).current()).timestampVersion;
}

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
