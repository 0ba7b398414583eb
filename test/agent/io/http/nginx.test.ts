import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import type { HttpOptions, RolloutProgress } from '../../../../agent/options.js';
import type { Rollout } from '../../../../shared/control/messages.js';
import { type LoneAgent, LoneFleet, rolloutOf } from '../../../support/lone_agent.js';
import { Nginx, withNginx } from '../../../support/nginx.js';
import { oddServer, rangeOf, serveFile } from '../../../support/odd_server.js';
import { coded, Sample, temporaryFolder } from '../../../support/store_fixture.js';
import { tlsIdentity } from '../../../support/tls_identity.js';

/** Real agents with no peer at all, and real servers. */

const PATIENCE = { timeout: 25_000 };
const AT_ONCE: HttpOptions = { afterSeconds: 0 };
const sample = await Sample.make('nginx', 3_000_000);

const row = (agent: LoneAgent): RolloutProgress | undefined => agent.status().rollouts[0];

function rollout(...urls: string[]): Rollout {
  return { ...rolloutOf(sample.index, 'firmware', '1'), urls };
}

/** With the artifact, and its index beside it. */
async function nginx(options: Parameters<typeof Nginx.start>[0] = {}): Promise<Nginx> {
  const server = await Nginx.start(options);
  await server.put('firmware.img', sample.bytes);
  await server.put('firmware.img.cmix', sample.index.bytes);
  return server;
}

async function started(fleet: LoneFleet, options: Partial<Parameters<LoneFleet['agent']>[1]> = {}): Promise<LoneAgent> {
  const agent = fleet.agent(await temporaryFolder(), { http: AT_ONCE, statusIntervalMs: 50, ...options });
  await agent.start();
  return agent;
}

async function complete(agent: LoneAgent): Promise<void> {
  await vi.waitFor(() => expect(agent.completed).toHaveLength(1), PATIENCE);
  const [done] = agent.completed;
  expect((await readFile(done?.path ?? '')).equals(sample.bytes)).toBe(true);
}

withNginx('nginx as the only seed', () => {
  it('P-11.1: gives a device the index and every chunk, each byte once', async () => {
    const server = await nginx();
    const fleet = await LoneFleet.create();
    const agent = await started(fleet);
    fleet.publish(rollout(`${server.origin}/firmware.img`));
    await complete(agent);
    expect(row(agent)).toMatchObject({ fromHttp: sample.bytes.length, fromPeers: 0, wasted: 0, error: '' });
    await vi.waitFor(async () => expect(await server.bytesServed('firmware.img')).toBe(sample.bytes.length), PATIENCE);
    const served = await server.served();
    expect(served.filter(({ path }) => path.endsWith('.cmix'))).toEqual([
      { path: '/firmware.img.cmix', status: 200, bytes: sample.index.bytes.length, range: '-' },
    ]);
    for (const { status, range } of served.slice(1))
      expect([status, range]).toEqual([206, expect.stringMatching(/^bytes=\d+-\d+$/)]);
    expect(agent.warnings).toEqual([]);
  });

  it('over TLS: who is not vouched for is refused, and the next URL takes over', async () => {
    const identity = await tlsIdentity(['127.0.0.1']);
    const server = await nginx({ identity });
    const ca = join(await temporaryFolder(), 'ca.pem');
    await writeFile(ca, identity.ca);
    const fleet = await LoneFleet.create();
    const believing = await started(fleet, { http: { ...AT_ONCE, ca } });
    const doubting = await started(fleet);
    fleet.publish(rollout(`${server.tlsOrigin}/firmware.img`, `${server.origin}/firmware.img`));
    await Promise.all([complete(believing), complete(doubting)]);
    expect([believing.warnings, new Set(doubting.warnings)]).toEqual([[], new Set(['E_HTTP_TLS'])]);
  });

  it('without the index beside it, says so until it is there; then all goes on', async () => {
    const server = await Nginx.start();
    await server.put('firmware.img', sample.bytes);
    const fleet = await LoneFleet.create();
    const agent = await started(fleet);
    fleet.publish(rollout(`${server.origin}/firmware.img`));
    await vi.waitFor(() => expect(row(agent)?.error).toBe('E_HTTP_NOT_FOUND'), PATIENCE);
    expect(row(agent)).toMatchObject({ state: 'indexing', held: 0 });
    await server.put('firmware.img.cmix', sample.index.bytes);
    await complete(agent);
    expect(row(agent)).toMatchObject({ state: 'complete', error: '' });
    expect(agent.warnings).toEqual(['E_HTTP_NOT_FOUND']);
  });

  it('goes on where an agent ended: what was verified is not asked for again', async () => {
    // Slow enough for the first agent not to be done before it is ended.
    const server = await nginx({ more: 'limit_rate 200k;' });
    const fleet = await LoneFleet.create();
    const store = await temporaryFolder();
    const first = fleet.agent(store, { http: AT_ONCE });
    await first.start();
    fleet.publish(rollout(`${server.origin}/firmware.img`));
    await vi.waitFor(() => expect(row(first)?.fromHttp).toBeGreaterThan(200_000), PATIENCE);
    await first.stop();
    const before = row(first)?.fromHttp ?? 0;
    expect(before).toBeLessThan(sample.bytes.length);
    const second = fleet.agent(store, { http: AT_ONCE });
    await second.start();
    await complete(second);
    expect(row(second)?.fromHttp ?? 0).toBeLessThanOrEqual(sample.bytes.length - before);
  });

  it('under a ceiling: the whole agent takes no more than it may', async () => {
    const RATE = 600_000;
    const server = await nginx();
    const fleet = await LoneFleet.create();
    const agent = await started(fleet, { limits: { downRate: RATE } });
    const began = performance.now();
    fleet.publish(rollout(`${server.origin}/firmware.img`));
    await complete(agent);
    expect(sample.bytes.length / ((performance.now() - began) / 1000)).toBeLessThan(RATE * 1.05);
  });

  it('P-10.12: under a ceiling, the rollout with the higher priority takes it first, over HTTP alone', async () => {
    const server = await nginx();
    const other = await Sample.make('nginx too', 3_000_000);
    await server.put('model.bin', other.bytes);
    await server.put('model.bin.cmix', other.index.bytes);
    const fleet = await LoneFleet.create();
    const http: HttpOptions = { ...AT_ONCE, use: 'always' };
    const agent = await started(fleet, { http, limits: { downRate: 1_000_000 } });
    const shares: number[] = [];
    agent.once('complete', () => {
      for (const { held, chunks } of agent.status().rollouts) shares.push(held / chunks);
    });
    const urls = [`${server.origin}/model.bin`];
    fleet.publish(rollout(`${server.origin}/firmware.img`), {
      ...rolloutOf(other.index, 'model', '1'),
      urls,
      priority: 6,
    });
    await vi.waitFor(() => expect(agent.names).toEqual(['model 1', 'firmware 1']), PATIENCE);
    expect(agent.status().rollouts.map(({ name }) => name)).toEqual(['model', 'firmware']);
    expect(shares[0]).toBe(1);
    expect(shares[1]).toBeLessThan(0.4);
    expect(agent.warnings).toEqual([]);
  });

  it('outside of its hours and over a link that is metered for what is urgent, nothing is asked', async () => {
    const server = await nginx();
    const fleet = await LoneFleet.create();
    const agent = await started(fleet, { limits: { metered: 'urgent' } });
    fleet.publish(rollout(`${server.origin}/firmware.img`));
    await vi.waitFor(() => expect(row(agent)?.state).toBe('paused'), PATIENCE);
    // Ten of the agent's own looks.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(await server.served()).toEqual([]);
    agent.setLimits({ metered: 'fetch' });
    await complete(agent);
    expect(row(agent)).toMatchObject({ state: 'complete', fromHttp: sample.bytes.length });
  });

  it('never: nothing is asked, whatever is named', async () => {
    const server = await nginx();
    const fleet = await LoneFleet.create();
    const agent = await started(fleet, { http: { ...AT_ONCE, use: 'never' } });
    fleet.publish(rollout(`${server.origin}/firmware.img`));
    await vi.waitFor(() => expect(row(agent)?.state).toBe('indexing'), PATIENCE);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(await server.served()).toEqual([]);
  });

  it('takes over from a server that lies, one that is cut off, and one that has another file', async () => {
    const good = await nginx();
    const wrong = Buffer.from(sample.bytes);
    for (let at = 0; at < wrong.length; at += 10_000) wrong[at] = (wrong[at] ?? 0) ^ 1;
    const indexed =
      (answer: ReturnType<typeof serveFile>): ReturnType<typeof serveFile> =>
      (request, response) =>
        request.url?.endsWith('.cmix') ? serveFile(sample.index.bytes)(request, response) : answer(request, response);
    const asked: string[] = [];
    const liar = await oddServer(
      indexed((request, response) => {
        asked.push('liar');
        serveFile(wrong)(request, response);
      }),
    );
    const cut = await oddServer(
      indexed((request, response) => {
        asked.push('cut');
        const { first, last } = rangeOf(request, sample.bytes.length);
        response.writeHead(206, {
          'content-range': `bytes ${first}-${last}/${sample.bytes.length}`,
          'content-length': last - first + 1,
        });
        response.write(sample.bytes.subarray(first, first + 1000));
        setTimeout(() => response.destroy(), 100);
      }),
    );
    const other = await oddServer(indexed(serveFile(sample.bytes.subarray(0, 2_000_000))));
    const fleet = await LoneFleet.create();
    const agent = await started(fleet);
    const servers = [liar.origin, cut.origin, other.origin, good.origin];
    fleet.publish(rollout(...servers.map((origin) => `${origin}/firmware.img`)));
    await complete(agent);
    expect(new Set(agent.warnings)).toEqual(
      new Set(['E_HTTP_WRONG_BYTES', 'E_HTTP_TRUNCATED', expect.stringMatching(/^E_HTTP_(CONTENT_)?RANGE$/)]),
    );
    // Once for what it began, and once more where a second request was on its way when the first turned out wrong.
    expect(asked.filter((one) => one === 'liar').length).toBeLessThanOrEqual(2);
  });
});

it('an authority that is none ends the start with what is wrong', async () => {
  const fleet = await LoneFleet.create();
  const folder = await temporaryFolder();
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
  for (const [name, text, code] of [
    ['empty', '', 'E_CONFIG'],
    ['words', 'no certificate', 'E_CONFIG'],
    ['broken', broken, 'E_CONFIG'],
    ['missing', undefined, 'E_FILE_UNREADABLE'],
  ] as const) {
    const ca = join(folder, name);
    if (text !== undefined) await writeFile(ca, text);
    const agent = fleet.agent(join(folder, 'store'), { http: { ca } });
    await expect(agent.start(), name).rejects.toThrow(coded(code) as Error);
  }
});
