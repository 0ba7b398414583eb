import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import type { Limits, StatusMessage } from '../../../agent/options.js';
import { Session } from '../../../agent/transport/session.js';
import { parseTopic } from '../../../shared/control/topics.js';
import { CaptiveFleet, type Watched } from '../../support/captive_fleet.js';
import { PREFIX } from '../../support/members.js';
import { coded, Sample } from '../../support/store_fixture.js';

/** A link that costs money by the byte: real agents, real sockets. What a device gave is what the others got and not from the seed. */

/** Several join windows and answers: who would serve would have begun. */
const LONG_ENOUGH_MS = 2_000;
const PATIENCE = { timeout: 15_000 };

type Row = StatusMessage['rollouts'][number];

function row({ agent }: Watched): Row | undefined {
  return agent.status().rollouts[0];
}

/** How often the device said where it is, or answered who did. */
function saidOf({ broker }: CaptiveFleet, id: string, name: string): number {
  return broker.said.filter(({ from, topic }) => from === id && parseTopic(PREFIX, topic)?.name === name).length;
}

/** What it has, once what was being verified when it had lost its peers is there too. */
async function settled(one: Watched): Promise<Row | undefined> {
  for (let held = -1; held !== row(one)?.held; await delay(200)) held = row(one)?.held ?? 0;
  return row(one);
}

async function begun(limits: Limits) {
  const sample = await Sample.make('metered', 3_000_000);
  const fleet = await CaptiveFleet.create();
  const seed = await fleet.agent('seed-1', 'seed', [sample]);
  fleet.publish(fleet.trust(1, sample, '1'));
  const metered = await fleet.agent('cam-1', 'device', [], { limits });
  return { sample, fleet, seed, metered };
}

describe('metered: fetch', () => {
  it('completes its rollout and gives nothing: another gets all from the seed, and nothing where there is none', async () => {
    const { sample, fleet, seed, metered } = await begun({ metered: 'fetch' });
    await metered.complete('1');
    await vi.waitFor(() => expect(metered.agent.status()).toMatchObject({ metered: 'fetch', peers: 0 }), PATIENCE);

    const other = await fleet.agent('cam-2');
    await other.complete('1');
    expect(row(other)).toMatchObject({ fromSeed: sample.bytes.length, fromPeers: 0, wasted: 0 });
    await seed.agent.stop();
    await other.agent.stop();

    const signals = saidOf(fleet, 'cam-1', 'signal');
    const late = await fleet.agent('cam-3');
    await vi.waitFor(() => expect(saidOf(fleet, 'cam-3', 'have')).toBeGreaterThan(0), PATIENCE);
    await delay(LONG_ENOUGH_MS);
    expect(row(late)).toMatchObject({ state: 'indexing', held: 0, fromPeers: 0 });
    expect([saidOf(fleet, 'cam-1', 'signal'), metered.agent.status().peers]).toEqual([signals, 0]);

    metered.agent.setLimits({});
    expect(metered.agent.status().metered).toBeUndefined();
    await late.complete('1');
    expect(row(late)).toMatchObject({ fromSeed: 0, fromPeers: sample.bytes.length });
  });

  it('ends what it serves as soon as it is set, and the other gets the rest elsewhere', async () => {
    const { sample, fleet, metered, seed } = await begun({});
    await metered.complete('1');
    await seed.agent.stop();
    metered.agent.setLimits({ upRate: 300_000 });
    const other = await fleet.agent('cam-2');
    await vi.waitFor(() => expect(row(other)?.fromPeers).toBeGreaterThan(0), PATIENCE);
    const serve = vi.spyOn(Session.prototype, 'serve');
    metered.agent.setLimits({ ...metered.agent.limits, metered: 'fetch' });
    await vi.waitFor(
      () => expect([metered.agent.status().peers, other.agent.status().peers]).toEqual([0, 0]),
      PATIENCE,
    );
    const { fromPeers = 0 } = (await settled(other)) ?? {};
    await delay(LONG_ENOUGH_MS);
    expect([row(other)?.fromPeers, serve.mock.calls.length]).toEqual([fromPeers, 0]);
    serve.mockRestore();

    await fleet.agent('seed-2', 'seed', [sample]);
    await other.complete('1');
    expect(row(other)).toMatchObject({ fromPeers, fromSeed: sample.bytes.length - fromPeers });
  });
});

describe('metered: urgent', () => {
  it('fetches no plain rollout and says that it is paused, and fetches one that is urgent', async () => {
    const { sample, fleet, metered } = await begun({ metered: 'urgent' });
    await vi.waitFor(() => expect(row(metered)?.state).toBe('paused'), PATIENCE);
    await delay(LONG_ENOUGH_MS);
    expect(row(metered)).toMatchObject({ state: 'paused', held: 0, fromSeed: 0, fromPeers: 0, wasted: 0 });
    expect([saidOf(fleet, 'cam-1', 'have'), saidOf(fleet, 'cam-1', 'signal')]).toEqual([0, 0]);

    fleet.publish(fleet.trust(2, sample, '2', { urgent: true }));
    await metered.complete('2');
    expect(row(metered)).toMatchObject({ state: 'complete', fromSeed: sample.bytes.length });
    const other = await fleet.agent('cam-2');
    await other.complete('2');
    expect(row(other)).toMatchObject({ fromSeed: sample.bytes.length, fromPeers: 0 });
  });

  it('fetches the plain one as soon as the link is another', async () => {
    const { metered } = await begun({ metered: 'urgent' });
    await vi.waitFor(() => expect(row(metered)?.state).toBe('paused'), PATIENCE);
    metered.agent.setLimits({ metered: 'off' });
    await metered.complete('1');
  });
});

describe('hours', () => {
  /** A span that begins in two hours of the device's own time. */
  const closed = (): string => {
    const hour = (ahead: number): string => String((new Date().getHours() + ahead) % 24).padStart(2, '0');
    return `${hour(2)}:00-${hour(3)}:00`;
  };

  it('that end stop what runs, also what comes meanwhile, and it goes on when they begin', async () => {
    const { sample, fleet, metered: device } = await begun({ downRate: 300_000 });
    await vi.waitFor(() => expect(row(device)?.held).toBeGreaterThan(0), PATIENCE);
    device.agent.setLimits({ ...device.agent.limits, hours: closed() });
    await vi.waitFor(() => expect(device.agent.status().peers).toBe(0), PATIENCE);
    const { fromSeed = 0 } = (await settled(device)) ?? {};
    const late = await fleet.agent('cam-2', 'device', [], { limits: { hours: closed() } });
    await vi.waitFor(() => expect(row(late)?.state).toBe('paused'), PATIENCE);
    await delay(LONG_ENOUGH_MS);
    expect(row(device)).toMatchObject({ state: 'paused', fromSeed });
    expect([saidOf(fleet, 'cam-2', 'have'), saidOf(fleet, 'cam-2', 'signal')]).toEqual([0, 0]);
    for (const { agent } of [device, late]) agent.setLimits({});
    for (const one of [device, late]) await one.complete('1');
    expect((row(device)?.fromSeed ?? 0) + (row(device)?.fromPeers ?? 0)).toBe(sample.bytes.length);
  });
});

describe('metered, of a seed', () => {
  it('is refused at the start, with nothing left open, and while it runs, with what was still in force', async () => {
    const sample = await Sample.make('metered seed');
    const fleet = await CaptiveFleet.create();
    const refused = coded('E_CONFIG') as Error;
    await expect(fleet.agent('seed-1', 'seed', [sample], { limits: { metered: 'fetch' } })).rejects.toThrow(refused);
    const seed = await fleet.agent('seed-2', 'seed', [sample], { limits: { upRate: 5_000 } });
    expect(() => seed.agent.setLimits({ metered: 'urgent' })).toThrow(refused);
    expect(seed.agent.limits).toEqual({ upRate: 5_000 });
  });
});
