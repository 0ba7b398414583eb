import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { sealEnvelope } from '../../shared/control/envelope.js';
import { encodeMap } from '../../shared/control/message_pack.js';
import { parseTopic, topics } from '../../shared/control/topics.js';
import { MAX_MESSAGE_BYTES } from '../../shared/limits.js';
import { SeededRandom, simulationSeed } from '../sim/random.js';
import { TestFleet } from '../support/test_fleet.js';
import { HostileFleet } from './support/hostile/hostile_fleet.js';
import { changed, dropping, shuffling, swapping } from './support/hostile/tricks.js';

/**
 * A broker in an enemy's hand can keep a fleet from being updated, for as long as it likes, and nothing else: each thing that it may do
 * is a test here, with real agents, sockets and TLS. CHUNKMESH_SEED repeats what is random.
 */

const seed = simulationSeed(1);
const random = new SeededRandom(seed);
const IDS = ['cam-1', 'cam-2', 'cam-3'];
const [V1, V2] = ['1.0.0', '2.0.0'];
const HOSTILE_MS = 3_000;

/** In every test: whatever was tried, nothing wrong was believed, and once the broker behaves all is as it should be. */
async function recovers(fleet: HostileFleet, version: string): Promise<void> {
  fleet.broker.behave();
  await fleet.complete(version);
  await fleet.expectUnharmed();
}

const states = (fleet: HostileFleet): string[] =>
  fleet.devices.flatMap(({ agent }) => agent.status().rollouts.map(({ version, state }) => `${version} ${state}`));

describe(`a hostile broker (CHUNKMESH_SEED=${seed})`, () => {
  it('that drops most messages, and acknowledges few, delays an update and spoils none (P-10.1)', async () => {
    const fleet = await HostileFleet.create([V1], IDS);
    fleet.broker.pass = dropping(fleet.broker, random, 0.7);
    fleet.broker.acknowledges = ({ from }) => from === 'publisher' || random.chance(0.3);
    await fleet.publish(V1);
    await delay(HOSTILE_MS);
    await recovers(fleet, V1);
  });

  it('that delays, duplicates and reorders has each message taken once (P-3.8)', async () => {
    const fleet = await HostileFleet.create([V1], IDS);
    fleet.broker.pass = shuffling(fleet.broker, random, 400);
    await fleet.publish(V1);
    await fleet.complete(V1);
    await delay(500);
    const metrics = await Promise.all(fleet.devices.map(({ agent }) => agent.metrics()));
    expect(metrics.every(({ replayed }) => replayed > 0)).toBe(true);
    for (const { agent } of fleet.devices) expect(agent.status().peers).toBeLessThanOrEqual(IDS.length);
    await recovers(fleet, V1);
  });

  it('that replays all it ever heard, on every topic and after restarts, moves nobody (P-3.2, P-3.8, P-4.3)', async () => {
    const fleet = await HostileFleet.create([V1, V2], IDS);
    const { broker } = fleet;
    await fleet.publish(V1);
    await fleet.complete(V1);
    await fleet.publish(V2);
    await fleet.complete(V2);
    await fleet.restart('cam-1');
    const captured = broker.said.slice();
    broker.pass = () => {};
    const before = fleet.ledger.agreed.length;
    for (const { topic, payload } of captured) {
      for (const id of [...IDS, 'depot']) {
        broker.tell(id, topic, payload);
        broker.tell(id, topic, payload, { retain: true });
        broker.tell(id, topic, payload, { dup: true, qos: 0 });
        for (const other of captured) {
          if (random.chance(4 / captured.length)) broker.tell(id, other.topic, payload);
        }
      }
      await delay(1);
    }
    await delay(1_000);
    expect(new Set(states(fleet))).toEqual(new Set([`${V2} complete`]));
    // Those that were running take none of it. The one that was restarted may answer offers that are still good, once each (P-5.2),
    // and nobody holds the secret of their other end.
    const since = fleet.ledger.agreed.slice(before);
    expect(since.filter(({ context: { answerer } }) => answerer.device !== 'cam-1')).toEqual([]);
    expect(since.filter(({ opened: [one, other] }) => one + other > 0)).toEqual([]);
    await recovers(fleet, V2);
  });

  it('that swaps offers and answers between devices makes no session with another than who is named (P-5.3, P-2.2)', async () => {
    const fleet = await HostileFleet.create([V1], IDS);
    fleet.broker.pass = swapping(fleet.broker, fleet.members.prefix);
    await fleet.publish(V1);
    await fleet.complete(V1);
    expect(fleet.ledger.opened.length).toBeGreaterThan(2);
    expect(fleet.devices.some(({ codes }) => codes.includes('E_MESSAGE_SIGNATURE'))).toBe(true);
    await recovers(fleet, V1);
  });

  it('that changes payloads, numbers and signatures is not believed (P-3.2)', async () => {
    const fleet = await HostileFleet.create([V1], IDS);
    const { broker } = fleet;
    broker.pass = (said) => {
      if (said.from !== 'publisher') {
        for (const id of broker.ids) broker.tell(id, said.topic, changed(said, random));
      }
      broker.deliver(said);
    };
    await fleet.publish(V1);
    await fleet.complete(V1);
    expect(fleet.devices.every(({ codes }) => codes.includes('E_MESSAGE_SIGNATURE'))).toBe(true);
    await recovers(fleet, V1);
  });

  it('that injects messages of its own CA, of another fleet and of members in each other’s place is refused (P-3.4)', async () => {
    const fleet = await HostileFleet.create([V1], IDS);
    const { broker, members } = fleet;
    const { prefix } = members;
    const foreign = await TestFleet.create('plant');
    const other = await TestFleet.create('other');
    try {
      const signers = [
        await foreign.credential('publisher'),
        await foreign.enroll('depot', { role: 'seed' }),
        await other.credential('publisher'),
        await other.enroll('cam-2'),
        // Valid members of the fleet that may not say it.
        await members.credential('auditor'),
        await members.credential('operator'),
        await fleet.credential('mallory'),
      ];
      await fleet.publish(V1);
      await fleet.complete(V1);
      const [trust] = broker.said.filter(({ topic }) => parseTopic(prefix, topic)?.name === 'trust');
      const read = [topics.trust(prefix, 'default'), ...broker.said.map(({ topic }) => topic)];
      const before = fleet.ledger.agreed.length;
      for (const by of signers) {
        for (const topic of new Set(read)) {
          const own = by.identity.id === 'mallory' && topic.endsWith('/mallory');
          const payload = encodeMap({ t: own ? 'none' : 'trust', at: 1, seq: 99 });
          for (const id of IDS)
            broker.tell(id, topic, sealEnvelope(topic, payload, by), { retain: topic === trust?.topic });
        }
      }
      await delay(500);
      expect(fleet.ledger.agreed.length).toBe(before);
      const codes = new Set(fleet.devices.flatMap((device) => device.codes));
      for (const code of ['E_CERT_FOREIGN', 'E_MESSAGE_UNTRUSTED']) expect(codes).toContain(code);
      await recovers(fleet, V1);
    } finally {
      await Promise.all([foreign.remove(), other.remove()]);
    }
  });

  it('that hands out an old trust message, retained, brings no device back (P-4.3)', async () => {
    const fleet = await HostileFleet.create([V1, V2], IDS);
    const { broker } = fleet;
    await fleet.publish(V1);
    await fleet.complete(V1);
    const old = broker.said.filter(({ from }) => from === 'publisher').at(-1);
    if (old === undefined) throw new Error('nothing was published');
    await fleet.publish(V2);
    await fleet.complete(V2);
    broker.keep(old);
    for (const id of IDS) await fleet.restart(id);
    for (const id of IDS) broker.tell(id, old.topic, old.payload, { retain: true });
    await delay(1_000);
    expect(states(fleet)).toEqual([]);
    expect(fleet.devices.every(({ codes }) => codes.includes('E_TRUST_ROLLBACK'))).toBe(true);
    await fleet.publish(V2);
    await recovers(fleet, V2);
  });

  it('that sends what is huge or malformed costs a connection, or nothing (P-2.7, P-3.3)', async () => {
    const fleet = await HostileFleet.create([V1], IDS);
    const { broker, members } = fleet;
    const topic = topics.trust(members.prefix, 'default');
    const junk = [
      ...[Buffer.alloc(0), Buffer.of(0xc1), Buffer.of(0xdf, 0xff, 0xff, 0xff, 0xff), Buffer.alloc(5000, 0x91)],
      ...[
        random.bytes(300),
        Buffer.alloc(MAX_MESSAGE_BYTES),
        Buffer.alloc(MAX_MESSAGE_BYTES + 1),
        Buffer.alloc(2 ** 21),
      ],
    ];
    for (const payload of junk) {
      for (const id of IDS) {
        broker.tell(id, topic, payload, { retain: true });
        broker.tell(id, topics.signal(members.prefix, 'default', id, 'cam-1'), payload);
      }
      await delay(50);
    }
    for (const id of IDS) broker.raw(id, Buffer.concat([Buffer.of(0x30, 0xff, 0xff, 0xff, 0x7f), random.bytes(5000)]));
    await fleet.publish(V1);
    await recovers(fleet, V1);
  });

  it('that withholds what one device says keeps that one waiting, and no other', async () => {
    const fleet = await HostileFleet.create([V1], IDS);
    const { broker } = fleet;
    broker.pass = (said) => {
      const to = parseTopic(fleet.members.prefix, said.topic);
      if (said.from !== 'cam-3' && !(to?.name === 'signal' && to.to === 'cam-3')) broker.deliver(said);
    };
    await fleet.publish(V1);
    await fleet.complete(V1, ['cam-1', 'cam-2']);
    expect(fleet.agents.get('cam-3')?.completed).toEqual([]);
    await recovers(fleet, V1);
  });

  it('that acknowledges subscriptions and delivers nothing is asked again (P-10.1)', async () => {
    const fleet = await HostileFleet.create([V1], IDS);
    fleet.broker.grants = (id) => id === 'publisher';
    await fleet.publish(V1);
    await delay(HOSTILE_MS);
    expect(states(fleet)).toEqual([]);
    await recovers(fleet, V1);
  });

  it('that sets the retained flag where nothing is retained is not heard (P-2.6)', async () => {
    const fleet = await HostileFleet.create([V1], IDS);
    const { broker } = fleet;
    broker.pass = (said) => {
      if (parseTopic(fleet.members.prefix, said.topic)?.name === 'trust') broker.deliver(said);
      else for (const id of broker.ids) broker.tell(id, said.topic, said.payload, { retain: true });
    };
    await fleet.publish(V1);
    await delay(HOSTILE_MS);
    expect(fleet.ledger.agreed).toEqual([]);
    await recovers(fleet, V1);
  });

  it('that sends what nobody subscribed, of others and of no topic at all, is not heard (P-3.4)', async () => {
    const fleet = await HostileFleet.create([V1], IDS);
    const { broker } = fleet;
    const { prefix } = fleet.members;
    broker.pass = (said) => {
      for (const id of broker.ids) {
        if (id === 'publisher') continue;
        broker.tell(id, said.topic, said.payload);
        for (const topic of [
          '$SYS/broker',
          `${prefix}/unknown/x`,
          `${prefix}x/status/cam-1`,
          `${prefix}/status/${id}`,
        ]) {
          broker.tell(id, topic, said.payload);
        }
      }
      if (said.from === 'publisher') broker.deliver(said);
    };
    await fleet.publish(V1);
    await fleet.complete(V1);
    const offers = fleet.ledger.agreed.map(({ context: { offerer, answerer } }) => [offerer.device, answerer.device]);
    for (const pair of offers) for (const device of pair) expect([...IDS, 'depot']).toContain(device);
    await recovers(fleet, V1);
  });
});
