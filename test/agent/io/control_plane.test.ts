import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { sealEnvelope } from '../../../shared/control/envelope.js';
import { encodeMap } from '../../../shared/control/message_pack.js';
import { topics } from '../../../shared/control/topics.js';
import { CaptiveFleet } from '../../support/captive_fleet.js';
import { NOW, PREFIX } from '../../support/members.js';
import { Sample } from '../../support/store_fixture.js';

/** An agent and what it hears, with nothing between them. */

const FLOOD = 5_000;

describe('P-3.6 a device whose clock was wrong', () => {
  it.each([
    ['behind, for a rollout that came after another', -310],
    ['a day behind, where the publisher’s certificate is not valid yet', -86_410],
  ])('P-12.6: %s, takes what is signed all the same', async (_what, wrong) => {
    const { fleet, second, device } = await withFirst();
    fleet.setClock(wrong);
    fleet.publish(fleet.trust(2, second, '2.0.0'));
    await device.complete('2.0.0');
  });

  it('P-12.6: ahead, where the metadata is past its time, is not told otherwise by its clock, but by what is signed anew', async () => {
    const { fleet, second, device } = await withFirst();
    const noticed = fleet.saidAndQuiet('cam-1');
    fleet.setClock(7_200);
    await noticed;
    const refused = once(device.agent, 'warning');
    fleet.publish(fleet.trust(2, second, '2.0.0', { expires: NOW + 3_600 }));
    expect((await refused)[0]).toMatchObject({ code: 'E_TRUST_EXPIRED' });
    fleet.setClock(-7_200);
    await fleet.saidAndQuiet('cam-1');
    expect(device.completed.map(({ version }) => version)).toEqual(['1.0.0']);
    fleet.publish(fleet.trust(3, second, '2.0.0', { expires: NOW + 10_800 }));
    await device.complete('2.0.0');
  });
});

async function withFirst() {
  const fleet = await CaptiveFleet.create();
  const [first, second] = await Promise.all([Sample.make('first'), Sample.make('second')]);
  await fleet.agent('seed-1', 'seed', [first, second]);
  const device = await fleet.agent('cam-1');
  fleet.publish(fleet.trust(1, first, '1.0.0'));
  await device.complete('1.0.0');
  return { fleet, second, device };
}

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
