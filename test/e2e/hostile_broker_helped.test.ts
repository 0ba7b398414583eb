import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { parseTopic, topics } from '../../shared/control/topics.js';
import { ControlLink } from '../../shared/mqtt/control_link.js';
import { Colluder } from './support/hostile/colluder.js';
import { HostileFleet } from './support/hostile/hostile_fleet.js';
import { Member } from './support/member.js';
import { GatedSource } from './support/source.js';

/** A hostile broker with a member on its side, and one that wants a device's memory. */

const IDS = ['cam-1', 'cam-2', 'cam-3'];
const V1 = '1.0.0';
const HOSTILE_MS = 3_000;

async function recovers(fleet: HostileFleet, version: string): Promise<void> {
  fleet.broker.behave();
  await fleet.complete(version);
  await fleet.expectUnharmed();
}

describe('a hostile broker', () => {
  it('that a member helps, who answers for others and repeats their keys, opens nothing of theirs (P-5.3, P-5.5)', async () => {
    const fleet = await HostileFleet.create([V1], IDS);
    const { broker } = fleet;
    const colluder = await Colluder.join(await fleet.credential('mallory'), broker, fleet.ledger);
    broker.pass = (said) => {
      colluder.read(said);
      broker.deliver(said);
    };
    await fleet.publish(V1);
    await fleet.complete(V1);
    expect(colluder.tried).toBeGreaterThan(20);
    expect(fleet.ledger.agreed.some(({ byColluder }) => byColluder)).toBe(true);
    await recovers(fleet, V1);
  });

  it('that a member helps, who alone is let through and serves wrong bytes, spoils nothing (P-9.8, P-10.4)', async () => {
    const fleet = await HostileFleet.create([V1], IDS);
    const { broker } = fleet;
    const source = await GatedSource.make(fleet.bytesOf(V1), (_, bytes) => {
      bytes[0] = (bytes[0] ?? 0) ^ 1;
    });
    source.allowAll();
    const isHers = (said: { from: string; topic: string }): boolean =>
      ['mallory', 'publisher'].includes(said.from) || said.topic.includes('/mallory/') || said.topic.includes('/have/');
    broker.pass = (said) => {
      if (isHers(said)) broker.deliver(said);
    };
    await fleet.publish(V1);
    await Member.join(await fleet.credential('mallory'), source, broker.url);
    await delay(HOSTILE_MS);
    expect(fleet.devices.flatMap(({ completed }) => completed)).toEqual([]);
    expect(fleet.devices.some(({ codes }) => codes.includes('E_CHUNK_WRONG'))).toBe(true);
    await recovers(fleet, V1);
  });

  it('that acknowledges nothing fills no memory, holds no end off, and is left for another connection', async () => {
    const fleet = await HostileFleet.create([V1], []);
    const { broker } = fleet;
    broker.acknowledges = () => false;
    const credential = await fleet.credential('cam-1');
    const link = new ControlLink(credential, { broker: broker.url });
    await link.waitOnline(10_000);
    const topic = topics.status(credential.prefix, 'cam-1');
    const say = (times: number): void => {
      for (let i = 0; i < times; i++) link.publish(topic, new Uint8Array(100), { qos: 1, retain: false });
    };
    const told = (): number => broker.said.filter(({ from }) => from === 'cam-1').length;
    say(1_000);
    await vi.waitFor(() => expect(told()).toBe(256));
    const [now, online] = [performance.now.bind(performance), once(link, 'online')];
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + 10_000);
    say(1);
    clock.mockRestore();
    broker.behave();
    await online;
    say(1);
    await vi.waitFor(() => expect(told()).toBe(257));
    broker.acknowledges = () => false;
    say(1);
    const began = performance.now();
    await link.close();
    expect(performance.now() - began).toBeLessThan(2_000);
  });

  it('that floods with replays fills no memory (P-3.7, P-3.8)', async () => {
    const fleet = await HostileFleet.create([V1], ['cam-1', 'cam-2']);
    const { broker } = fleet;
    await fleet.publish(V1);
    await fleet.complete(V1);
    const captured = broker.said.filter(({ topic }) =>
      ['have', 'signal'].includes(parseTopic(fleet.members.prefix, topic)?.name ?? ''),
    );
    const flood = async (times: number): Promise<number> => {
      for (let i = 0; i < times; i++) {
        for (const { topic, payload } of captured) for (const id of ['cam-1', 'cam-2']) broker.tell(id, topic, payload);
        while (broker.backlog('cam-1') + broker.backlog('cam-2') > 2 ** 20) await delay(1);
        // What a malicious broker keeps of what it is told is no matter here.
        broker.heard.length = 0;
        await delay(0);
      }
      await delay(300);
      globalThis.gc?.();
      return process.memoryUsage().heapUsed;
    };
    const before = await flood(100);
    const after = await flood(1_000);
    expect(after - before).toBeLessThan(24 * 2 ** 20);
    await recovers(fleet, V1);
  });
});
