import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { offerHash } from '../../../agent/swarm/agreement.js';
import { openEnvelope, sealEnvelope } from '../../../shared/control/envelope.js';
import { decodeMessage, encodeMessage, messageType } from '../../../shared/control/messages.js';
import { parseTopic, topics } from '../../../shared/control/topics.js';
import { SeededRandom, simulationSeed } from '../../sim/random.js';
import type { Said } from '../../support/captive_broker.js';
import { CaptiveFleet, TRUST_TOPIC, type Watched } from '../../support/captive_fleet.js';
import { NOW, PREFIX, TRUST } from '../../support/members.js';
import { Sample } from '../../support/store_fixture.js';

/** What a broker can do to a mesh with what it has heard: drop it, delay it, and nothing else (P-3, P-4.3, P-5). */

/** What a device may say of what it is sent. Anything else, E_INTERNAL above all, would be a fault. */
const REFUSAL = /^E_(MESSAGE_(MALFORMED|SIGNATURE|UNTRUSTED|TIME|RATE)|TRUST_ROLLBACK|CERT_\w+)$/;
const IDS = ['seed-1', 'cam-1', 'cam-2'];

interface Stage {
  readonly fleet: CaptiveFleet;
  readonly all: readonly Watched[];
  readonly devices: readonly Watched[];
}

/** A seed of both samples and two devices. */
async function stage(...samples: readonly Sample[]): Promise<Stage> {
  const fleet = await CaptiveFleet.create();
  const seed = await fleet.agent('seed-1', 'seed', samples);
  const devices = [await fleet.agent('cam-1'), await fleet.agent('cam-2')];
  return { fleet, all: [seed, ...devices], devices };
}

async function expectRight(devices: readonly Watched[], version: string, { bytes }: Sample): Promise<void> {
  const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex');
  for (const device of devices) {
    const { path } = await device.complete(version);
    expect(sha256(await readFile(path))).toBe(sha256(bytes));
  }
}

function expectUnmoved({ all, devices }: Stage, version: string): void {
  for (const { agent, warnings } of all) {
    expect(warnings.filter(({ code }) => !REFUSAL.test(code))).toEqual([]);
    // A session each with the two others, at most (P-5.6).
    expect(agent.status().peers).toBeLessThanOrEqual(2);
  }
  for (const { agent } of devices) {
    expect(agent.status().rollouts.map((rollout) => [rollout.version, rollout.state])).toEqual([[version, 'complete']]);
  }
}

/** What was said on a topic of that name, opened. */
function opened({ issuer, broker }: CaptiveFleet, name: string) {
  return broker.said.flatMap((said) => {
    if (parseTopic(PREFIX, said.topic)?.name !== name) return [];
    return [{ ...said, ...openEnvelope(PREFIX, said.topic, said.payload, issuer.verifier(), NOW) }];
  });
}

/** P-5.2, P-5.3: no offer was answered twice. */
function expectOneAnswerEach(fleet: CaptiveFleet): void {
  const signals = opened(fleet, 'signal').map(({ payload }) => payload);
  const offers = signals.filter((payload) => messageType(payload) === 'offer').map((payload) => offerHash(payload));
  const answered = signals
    .filter((payload) => messageType(payload) === 'answer')
    .map((payload) => Buffer.from(decodeMessage('answer', payload).offer).toString('hex'));
  expect(new Set(answered).size).toBe(answered.length);
  const made = offers.map((hash) => Buffer.from(hash).toString('hex'));
  expect(answered.filter((hash) => !made.includes(hash))).toEqual([]);
}

/** Every topic that one of the devices reads. */
const TOPICS_READ = (artifact: string): string[] => [
  TRUST_TOPIC,
  topics.revoked(PREFIX),
  ...IDS.flatMap((id) => [
    topics.have(PREFIX, artifact, 0, id),
    topics.command(PREFIX, id),
    topics.status(PREFIX, id),
    ...IDS.map((from) => topics.signal(PREFIX, 'north', id, from)),
  ]),
];

describe('a broker that is hostile', () => {
  it('replays, swaps topics, retains, cuts and lengthens what it heard: nobody believes more than was said', async () => {
    const random = new SeededRandom(simulationSeed(1));
    const [first, second] = await Promise.all([Sample.make('first'), Sample.make('second')]);
    const there = await stage(first, second);
    const { fleet, devices } = there;
    const { broker } = fleet;
    fleet.publish(fleet.trust(1, first, '1.0.0'));
    await expectRight(devices, '1.0.0', first);
    const captured = broker.said.slice();
    expect(new Set(captured.map(({ topic }) => parseTopic(PREFIX, topic)?.name))).toEqual(
      new Set(['trust', 'have', 'signal', 'status', 'revoked']),
    );
    const tell = (topic: string, payload: Uint8Array, retained = false): void => {
      for (const id of IDS) broker.tell(id, topic, payload, retained);
    };
    const shuffled = captured
      .map((said) => ({ said, at: random.next() }))
      .sort((a, b) => a.at - b.at)
      .map(({ said }) => said);
    for (const { topic, payload } of shuffled) {
      for (let twice = 0; twice < 2; twice++) tell(topic, payload);
      tell(topic, payload, true);
      tell(topic, payload.subarray(0, Math.floor(random.next() * payload.length)));
      tell(topic, Buffer.concat([payload, random.bytes(1 + Math.floor(random.next() * 8))]));
      for (const other of TOPICS_READ(first.index.artifact)) if (other !== topic) tell(other, payload);
    }
    await delay(500);
    expectUnmoved(there, '1.0.0');
    expectOneAnswerEach(fleet);
    // And what comes after it all is heard.
    fleet.publish(fleet.trust(2, second, '2.0.0'));
    await expectRight(devices, '2.0.0', second);
    expectUnmoved(there, '2.0.0');
  });

  it('delivers everything twice, late and in another order: the devices complete, with a session a pair', async () => {
    const random = new SeededRandom(simulationSeed(2));
    const sample = await Sample.make('firmware', 3_000_000);
    const there = await stage(sample);
    const { fleet, devices } = there;
    fleet.broker.pass = (said) => {
      for (let twice = 0; twice < 2; twice++) setTimeout(() => fleet.broker.deliver(said), random.next() * 300);
    };
    fleet.publish(fleet.trust(1, sample, '1.0.0'));
    await expectRight(devices, '1.0.0', sample);
    await delay(400);
    expectUnmoved(there, '1.0.0');
    expectOneAnswerEach(fleet);
  });

  it('gives each signal to every device and on every signal topic first: the devices complete, and only who was meant answers', async () => {
    const sample = await Sample.make('firmware', 1_000_000);
    const there = await stage(sample);
    const { fleet, devices } = there;
    fleet.broker.pass = (said) => {
      for (const id of IDS) {
        for (const to of IDS) {
          if (parseTopic(PREFIX, said.topic)?.name !== 'signal' || said.topic.includes(`/${id}/`)) continue;
          fleet.broker.tell(id, topics.signal(PREFIX, 'north', to, said.from), said.payload);
        }
      }
      fleet.broker.deliver(said);
    };
    fleet.publish(fleet.trust(1, sample, '1.0.0'));
    await expectRight(devices, '1.0.0', sample);
    expectUnmoved(there, '1.0.0');
    expectOneAnswerEach(fleet);
    expect(there.all.flatMap(({ warnings }) => warnings.map(({ code }) => code))).toContain('E_MESSAGE_SIGNATURE');
  });

  it('P-12.5: brings no device back to an older rollout, nor to that of another group, not after a restart either', async () => {
    const [first, second] = await Promise.all([Sample.make('first'), Sample.make('second')]);
    const { fleet, devices } = await stage(first, second);
    const [older, newer] = [fleet.trust(1, first, '1.0.0'), fleet.trust(2, second, '2.0.0')];
    fleet.publish(older);
    await expectRight(devices, '1.0.0', first);
    fleet.publish(newer);
    await expectRight(devices, '2.0.0', second);
    const robots = topics.trust(PREFIX, 'robots');
    const ofRobots = encodeMessage({ t: 'trust', v: 2, bundle: TRUST.bundle('robots', []) });
    // Signed by a member that may say nothing here, with a bundle that is good.
    const member = await fleet.member('cam-9');
    const bundle = TRUST.bundle('cameras', [], { version: 3 });
    const ofDevice = sealEnvelope(TRUST_TOPIC, encodeMessage({ t: 'trust', v: 2, bundle }), member);
    const hostile = (id: string): void => {
      for (const retained of [true, false]) {
        fleet.broker.tell(id, TRUST_TOPIC, older, retained);
        fleet.broker.tell(id, TRUST_TOPIC, ofDevice, retained);
        fleet.broker.tell(id, robots, sealEnvelope(robots, ofRobots, fleet.publisher), retained);
        fleet.broker.tell(id, TRUST_TOPIC, sealEnvelope(robots, ofRobots, fleet.publisher), retained);
        fleet.broker.tell(id, TRUST_TOPIC, sealEnvelope(TRUST_TOPIC, ofRobots, fleet.publisher), retained);
      }
    };
    const [device] = devices;
    if (device === undefined) throw new Error('no device');
    hostile('cam-1');
    await device.agent.stop();
    // What it retains is now the older one.
    fleet.publish(older);
    const again = await fleet.agent('cam-1', 'device', [], { store: device.store });
    hostile('cam-1');
    await delay(200);
    const codes = (by: Watched): string[] => [...new Set(by.warnings.map(({ code }) => code))].sort();
    expect(codes(device)).toEqual(['E_MESSAGE_SIGNATURE', 'E_MESSAGE_UNTRUSTED', 'E_TRUST_ROLLBACK']);
    expect(codes(again)).toEqual(codes(device));
    expect(again.agent.status().rollouts).toEqual([]);
    fleet.publish(newer);
    expect((await again.complete('2.0.0')).version).toBe('2.0.0');
    expect(again.completed.map(({ version }) => version)).toEqual(['2.0.0']);
  });

  it('hands a restarted device the offers of before: the session that is made anew serves it all the same', async () => {
    const sample = await Sample.make('firmware', 1_000_000);
    const { fleet, devices } = await stage(sample);
    fleet.publish(fleet.trust(1, sample, '1.0.0'));
    await expectRight(devices, '1.0.0', sample);
    const [device] = devices;
    if (device === undefined) throw new Error('no device');
    const before: Said[] = fleet.broker.said.filter(({ topic }) => topic.includes('/signal/north/cam-1/'));
    await device.agent.stop();
    // The same member on an empty disk.
    const again = await fleet.agent('cam-1');
    for (let late = 0; late < 4; late++) {
      for (const { topic, payload } of before) fleet.broker.tell('cam-1', topic, payload);
      await delay(50);
    }
    await expectRight([again], '1.0.0', sample);
    expect(again.warnings.filter(({ code }) => !REFUSAL.test(code))).toEqual([]);
  });
});
