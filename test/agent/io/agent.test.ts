import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, type MockInstance, onTestFinished, vi } from 'vitest';
import { Endpoint } from '../../../agent/io/endpoint.js';
import { SeedFile } from '../../../agent/io/store/seed_file.js';
import { Store } from '../../../agent/io/store/store.js';
import { eio, flip, onDatasync } from '../../support/file_damage.js';
import { LoneFleet, rolloutOf } from '../../support/lone_agent.js';
import { coded, Sample, temporaryFolder } from '../../support/store_fixture.js';

/** An agent's beginning, its end, and what it makes of its own disk, with no broker and no peer. */

const made = Sample.make('agent');

async function setUp() {
  const [fleet, folder, sample] = [await LoneFleet.create(), await temporaryFolder(), await made];
  const image = join(folder, 'image');
  await writeFile(image, sample.bytes);
  return { fleet, folder, sample, image, store: join(folder, 'store') };
}

/** A UDP port that was free just now. */
async function freePort(): Promise<number> {
  const endpoint = await Endpoint.open('127.0.0.1', 0);
  await endpoint.close();
  return endpoint.bound.port;
}

/** Parts of the kind are closed, and then say that they could not be. */
function failingToClose(prototype: { close(): Promise<void> }): MockInstance {
  const { close } = prototype;
  const spy = vi.spyOn(prototype, 'close').mockImplementation(async function (this: unknown) {
    await Reflect.apply(close, this, []);
    throw eio();
  });
  onTestFinished(() => spy.mockRestore());
  return spy;
}

/** Nobody has the store or the port any more. */
async function expectFree(store: string, port: number): Promise<void> {
  await (await Store.open(store)).close();
  await (await Endpoint.open('127.0.0.1', port)).close();
}

describe('stopping an agent', () => {
  it('closes every part although the disk fails, says so once all is closed, and another agent goes on', async () => {
    const { fleet, sample, image, store } = await setUp();
    const listen = { host: '127.0.0.1', port: await freePort() };
    const agent = fleet.agent(store, { seeds: [image], listen });
    const disk = await onDatasync(image, () => Promise.reject(eio()));
    fleet.publish(rolloutOf(sample.index, 'one', '1'));
    await agent.start();
    await vi.waitFor(() => expect(agent.warnings).toContain('E_STORE_IO'));
    await expect(agent.stop()).rejects.toThrow(coded('E_STORE_IO'));
    await expect(agent.stop()).rejects.toThrow(coded('E_STORE_IO'));
    expect(agent.status().online).toBe(false);
    await expectFree(store, listen.port);
    disk.mockRestore();
    const next = fleet.agent(store, { seeds: [image], listen });
    await next.start();
    await vi.waitFor(() => expect(next.names).toEqual(['one 1']));
  });

  it('closes what is left where any one part throws', async () => {
    const { fleet, image, store } = await setUp();
    const listen = { host: '127.0.0.1', port: await freePort() };
    const agent = fleet.agent(store, { seeds: [image], listen });
    await agent.start();
    failingToClose(SeedFile.prototype);
    await expect(agent.stop()).rejects.toThrow(coded('EIO'));
    await expectFree(store, listen.port);
  });

  it('a broken store is mended within seconds, without a restart', async () => {
    const { fleet, sample, image, store } = await setUp();
    const agent = fleet.agent(store, { seeds: [image], statusIntervalMs: 10 });
    const disk = await onDatasync(image, () => {
      disk.mockRestore();
      return Promise.reject(eio());
    });
    fleet.publish(rolloutOf(sample.index, 'one', '1'));
    await agent.start();
    await vi.waitFor(() => expect(agent.status().rollouts).toMatchObject([{ state: 'blocked', error: 'E_STORE_IO' }]));
    await vi.waitFor(() => expect(agent.names).toEqual(['one 1']), { timeout: 10_000 });
    expect(agent.status().rollouts).toMatchObject([{ state: 'complete', error: '', wasted: sample.bytes.length }]);
  });
});

describe('starting an agent', () => {
  it('that fails leaves nothing open, also where a part cannot be closed, and says what failed', async () => {
    const { fleet, folder, store } = await setUp();
    const broken = failingToClose(Endpoint.prototype);
    const agent = fleet.agent(store, { seeds: [join(folder, 'missing')] });
    await expect(agent.start()).rejects.toThrow(coded('E_FILE_UNREADABLE'));
    expect(broken).toHaveBeenCalledTimes(1);
    await agent.stop();
    await (await Store.open(store)).close();
  });

  it('that fails once all is open leaves nothing open either: not the store, the port, or a part in the connection', async () => {
    const { fleet, image, store } = await setUp();
    const listen = { host: '127.0.0.1', port: await freePort() };
    const full = (): never => {
      throw new Error('the log is full');
    };
    const logger = { debug() {}, info: full, warn() {}, error() {} };
    const agent = fleet.agent(store, { seeds: [image], listen, logger });
    await expect(agent.start()).rejects.toThrow('the log is full');
    expect(fleet.listeners).toBe(0);
    expect(agent.status().online).toBe(false);
    await agent.stop();
    await expectFree(store, listen.port);
  });

  it('is ended by stopping it meanwhile: nothing stays open, and what comes too late is closed', async () => {
    const { fleet, image, store } = await setUp();
    const listen = { host: '127.0.0.1', port: await freePort() };
    const seed = await SeedFile.index(image);
    const closed = vi.spyOn(seed, 'close');
    let indexed = (): void => {};
    const indexing = vi.spyOn(SeedFile, 'index').mockReturnValue(
      new Promise((resolve) => {
        indexed = () => resolve(seed);
      }),
    );
    onTestFinished(() => indexing.mockRestore());
    const agent = fleet.agent(store, { seeds: [image], listen });
    const started = agent.start();
    started.catch(() => {});
    await vi.waitFor(() => expect(indexing).toHaveBeenCalled());
    await agent.stop();
    await expectFree(store, listen.port);
    await expect(started).rejects.toThrow(coded('E_ARGUMENT'));
    expect(closed).not.toHaveBeenCalled();
    indexed();
    await vi.waitFor(() => expect(closed).toHaveBeenCalledTimes(1));
  });

  it('is ended by stopping it while the store is read: no file is indexed for it any more', async () => {
    const { fleet, image, store } = await setUp();
    let readOn = (): void => {};
    const reading = vi.spyOn(Store.prototype, 'readState').mockReturnValue(
      new Promise((resolve) => {
        readOn = () => resolve(undefined);
      }),
    );
    const indexing = vi.spyOn(SeedFile, 'index');
    onTestFinished(() => {
      reading.mockRestore();
      indexing.mockRestore();
    });
    const agent = fleet.agent(store, { seeds: [image] });
    const started = agent.start();
    started.catch(() => {});
    await vi.waitFor(() => expect(reading).toHaveBeenCalled());
    const stopping = agent.stop();
    readOn();
    await stopping;
    await expect(started).rejects.toThrow(coded('E_ARGUMENT'));
    expect(indexing).not.toHaveBeenCalled();
    await (await Store.open(store)).close();
  });

  it('at any moment of it is ended by stopping it', async () => {
    const { fleet, image, store } = await setUp();
    for (let turns = 0; turns < 40; turns++) {
      const agent = fleet.agent(store, { seeds: [image] });
      const outcome = agent.start().then(
        () => 'started',
        (error: { code: string }) => error.code,
      );
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
      await agent.stop();
      expect(agent.status().online).toBe(false);
      await (await Store.open(store)).close();
      expect(['started', 'E_ARGUMENT']).toContain(await outcome);
    }
  });

  it('is refused a second time, and after it was stopped', async () => {
    const { fleet, store } = await setUp();
    const agent = fleet.agent(store);
    await agent.start();
    await expect(agent.start()).rejects.toThrow(coded('E_ARGUMENT'));
    await agent.stop();
    await expect(agent.start()).rejects.toThrow('was stopped');
    const unused = fleet.agent(store);
    await unused.stop();
    await expect(unused.start()).rejects.toThrow(coded('E_ARGUMENT'));
    await (await Store.open(store)).close();
  });
});

describe('a device whose group says nothing', () => {
  it('says so once, half a minute after it came online', async () => {
    const { fleet, store } = await setUp();
    const told: object[] = [];
    const logger = { debug() {}, info: (fields: object) => void told.push(fields), warn() {}, error() {} };
    const agent = fleet.agent(store, { logger, statusIntervalMs: 10 });
    await agent.start();
    await vi.waitFor(() => expect(told).toContainEqual({ broker: expect.any(String) }));
    const { now } = performance;
    const later = vi.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + 30_000);
    onTestFinished(() => later.mockRestore());
    await vi.waitFor(() => expect(told).toContainEqual({ groups: ['default'] }), { timeout: 5000 });
  });
});

describe('P-9.8: what an agent looks at again', () => {
  /** A tenth of a second, as days. */
  const OFTEN = { recheckDays: 1.2e-6, recheckRate: 1e9 };

  it('is a file of its seeds too, which is told by its path and left as it is', async () => {
    const { fleet, sample, image, store } = await setUp();
    const agent = fleet.agent(store, { seeds: [image], ...OFTEN });
    const told: string[] = [];
    agent.on('warning', ({ code, message }) => told.push(`${code} ${message}`));
    await agent.start();
    await flip(image, sample.index.chunkOffset(1));
    const rotten = await readFile(image);
    await vi.waitFor(() => expect(told).toEqual([`E_STORE_ROT ${image}: chunk 1 is not what it was`]), {
      timeout: 10_000,
    });
    expect((await readFile(image)).equals(rotten)).toBe(true);
    await agent.stop();
    const saved = JSON.parse(await readFile(join(store, 'state', 'recheck.json'), 'utf8'));
    expect(Object.keys(saved)).toEqual([`seed ${image}`]);
  });

  it('is what it handed over, of which what rotted is taken from its own files where they have it', async () => {
    const { fleet, sample, image, store } = await setUp();
    fleet.publish(rolloutOf(sample.index, 'one', '1'));
    const agent = fleet.agent(store, { seeds: [image], ...OFTEN });
    await agent.start();
    await vi.waitFor(() => expect(agent.names).toEqual(['one 1']));
    await flip(join(store, 'ready/one/1'), sample.index.chunkOffset(2));
    await vi.waitFor(() => expect(agent.names).toEqual(['one 1', 'one 1']), { timeout: 10_000 });
    expect(new Set(agent.warnings)).toEqual(new Set(['E_STORE_ROT']));
    expect((await readFile(join(store, 'ready/one/1'))).equals(sample.bytes)).toBe(true);
  });

  it('begins anew where what it remembers rotted, and is nothing where it is not to', async () => {
    const { fleet, sample, image, store } = await setUp();
    await (await Store.open(store)).close();
    await writeFile(join(store, 'state', 'recheck.json'), '{"');
    const agent = fleet.agent(store, { seeds: [image], recheckDays: 0 });
    await agent.start();
    await flip(image, sample.index.chunkOffset(1));
    await agent.stop();
    expect(agent.warnings).toEqual([]);
    expect(await readFile(join(store, 'state', 'recheck.json'), 'utf8')).toBe('{"');
  });
});

describe('a device that has the bytes already', () => {
  it('completes every name and version of them with no peer, also after a restart with another name', async () => {
    const { fleet, sample, image, store } = await setUp();
    const agent = fleet.agent(store, { seeds: [image] });
    fleet.publish(rolloutOf(sample.index, 'one', '1'), rolloutOf(sample.index, 'two', '1'));
    await agent.start();
    await vi.waitFor(() => expect(agent.names).toEqual(['one 1', 'two 1']));
    fleet.publish(rolloutOf(sample.index, 'one', '2'), rolloutOf(sample.index, 'two', '1'));
    await vi.waitFor(() => expect(agent.names).toEqual(['one 1', 'two 1', 'one 2']));
    expect(agent.status().rollouts).toMatchObject([
      { name: 'one', version: '2', state: 'complete', fromDisk: sample.bytes.length },
      { name: 'two', version: '1', state: 'complete' },
    ]);
    await agent.stop();

    fleet.publish(rolloutOf(sample.index, 'three', '1'));
    const next = fleet.agent(store);
    await next.start();
    await vi.waitFor(() => expect(next.names).toEqual(['three 1']));
    for (const { path } of [...agent.completed, ...next.completed]) {
      expect((await readFile(path)).equals(sample.bytes)).toBe(true);
    }
    expect([...agent.warnings, ...next.warnings]).toEqual([]);
  });

  it('takes from what it installed before under the name what a new version shares with it', async () => {
    const { fleet, folder, sample, store } = await setUp();
    const before = await Sample.of(Buffer.concat([sample.bytes, Buffer.from('the old end')]));
    const image = join(folder, 'before');
    await writeFile(image, before.bytes);
    fleet.publish(rolloutOf(before.index, 'one', '1'));
    const agent = fleet.agent(store, { seeds: [image] });
    await agent.start();
    await vi.waitFor(() => expect(agent.names).toEqual(['one 1']));
    await agent.stop();

    const last = sample.index.chunkCount - 1;
    await writeFile(image, sample.chunk(last));
    fleet.publish(rolloutOf(sample.index, 'one', '2'));
    const next = fleet.agent(store, { seeds: [image] });
    // Nobody is there to give the index, so that it is put where the last one who knew it would have.
    const other = await Store.open(store);
    await (await other.openArtifact({ ...sample.toOpen, name: 'one', version: '2' })).installIndex(sample.index.bytes);
    await other.close();
    await next.start();
    await vi.waitFor(() => expect(next.status().rollouts).toMatchObject([{ state: 'complete' }]));
    const shared = sample.bytes.length - sample.index.chunkLength(last);
    expect(next.status().rollouts[0]?.fromDisk).toBeGreaterThanOrEqual(shared);
  });

  it('P-9.8: notices what changed in a file that it handed over, and hands it over anew', async () => {
    const { fleet, sample, image, store } = await setUp();
    fleet.publish(rolloutOf(sample.index, 'one', '1'), rolloutOf(sample.index, 'two', '1'));
    const agent = fleet.agent(store, { seeds: [image] });
    await agent.start();
    await vi.waitFor(() => expect(agent.names).toEqual(['one 1', 'two 1']));
    const [one] = agent.completed;
    await flip(one?.path ?? '', sample.index.chunkOffset(1));
    // A new name has the file read again.
    fleet.publish(rolloutOf(sample.index, 'one', '1'), rolloutOf(sample.index, 'two', '2'));
    await vi.waitFor(() => expect(agent.names.slice(2)).toEqual(['one 1', 'two 2']), { timeout: 5000 });
    for (const name of ['one/1', 'two/2']) {
      expect((await readFile(join(store, 'ready', name))).equals(sample.bytes)).toBe(true);
    }
  });
});
