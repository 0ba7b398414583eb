import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { sealEnvelope } from '../../../shared/control/envelope.js';
import { encodeMap } from '../../../shared/control/message_pack.js';
import { topics } from '../../../shared/control/topics.js';
import { CaptiveFleet, TRUST_TOPIC } from '../../support/captive_fleet.js';
import { PREFIX } from '../../support/members.js';
import { Sample } from '../../support/store_fixture.js';

/** An agent and what it hears, with nothing between them. */

const FLOOD = 5_000;
/** Well below the heartbeat, which would ask again by itself. */
const SOON_MS = 10_000;

describe('P-3.6 a device whose clock was wrong', () => {
  it.each([
    ['behind, for a rollout that came after another', -310],
    ['a day behind, where the publisher’s certificate is not valid yet', -86_410],
    ['ahead, where the message is past its time', 86_410],
  ])('%s, asks for it again as soon as the clock is set', async (_what, wrong) => {
    const fleet = await CaptiveFleet.create();
    const [first, second] = await Promise.all([Sample.make('first'), Sample.make('second')]);
    const seed = await fleet.agent('seed-1', 'seed', [first, second]);
    const device = await fleet.agent('cam-1');
    fleet.publish(fleet.trust(1, first, '1.0.0'));
    await device.complete('1.0.0');
    const noticed = fleet.saidAndQuiet('cam-1');
    fleet.setClock(wrong);
    await noticed;
    const refused = once(device.agent, 'warning');
    fleet.publish(fleet.trust(2, second, '2.0.0'));
    const [{ code }] = await refused;
    expect(['E_MESSAGE_TIME', 'E_CERT_EXPIRED']).toContain(code);
    const asked = fleet.broker.asked.length;
    fleet.setClock(-wrong);
    const rollout = once(device.agent, 'rollout', { signal: AbortSignal.timeout(SOON_MS) });
    expect((await rollout)[0]).toMatchObject({ version: '2.0.0' });
    expect(fleet.broker.asked.slice(asked)).toContainEqual({ by: 'cam-1', filter: TRUST_TOPIC });
    await device.complete('2.0.0');
    expect(seed.warnings.every((error) => error.code === code)).toBe(true);
  });
});

describe('P-3.7 a member that floods', () => {
  it('fills no log, and keeps no other device from being heard', async () => {
    const fleet = await CaptiveFleet.create();
    const sample = await Sample.make('firmware');
    const victim = await fleet.agent('cam-1');
    const mallory = await fleet.member('mallory');
    fleet.publish(fleet.trust(1, sample, '1.0.0'));
    await once(victim.agent, 'rollout');
    const topic = topics.signal(PREFIX, 'north', 'cam-1', 'mallory');
    const [nonsense, garbage] = [sealEnvelope(topic, encodeMap({ t: 'x' }), mallory), Buffer.from('garbage')];
    const have = topics.have(PREFIX, sample.index.artifact, 0, 'mallory');
    let flooding = true;
    const flood = async (): Promise<void> => {
      for (let i = 0; flooding || i < FLOOD; i++) {
        fleet.broker.tell('cam-1', topic, i % 2 === 0 ? nonsense : garbage);
        fleet.broker.tell('cam-1', have, garbage);
        if (i % 100 === 0) await delay(1);
      }
    };
    const flooded = flood();
    await fleet.agent('seed-1', 'seed', [sample]);
    await victim.complete('1.0.0');
    flooding = false;
    await flooded;
    const codes = victim.lines.map(({ code }) => code);
    expect(codes.filter((code) => code === 'E_MESSAGE_RATE').length).toBeGreaterThan(5);
    // Four codes of one sender, each at the 1st, 2nd, 4th, ... time.
    expect(victim.lines.length).toBeLessThan(80);
    expect(victim.warnings.length).toBe(victim.lines.length);
    expect(victim.lines.map(({ times = 0 }) => Math.log2(times)).every(Number.isInteger)).toBe(true);
    expect(victim.warnings.map(({ message }) => message).join()).toContain('mallory');
  });
});
