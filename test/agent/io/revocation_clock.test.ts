import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { sealEnvelope } from '../../../shared/control/envelope.js';
import { encodeMessage } from '../../../shared/control/messages.js';
import { packRecords } from '../../../shared/control/revocation.js';
import { topics } from '../../../shared/control/topics.js';
import { CaptiveFleet, type Watched } from '../../support/captive_fleet.js';
import { FLEET, NOW, PREFIX } from '../../support/members.js';
import { Sample } from '../../support/store_fixture.js';

/** Agents whose clock is behind, or that have none, and the revocation list (P-14.2, P-14.3): real sessions, real files. */

const HOUR = 3600;
const DAY = 86_400;
const CLOCKS = [
  ['an hour behind', -HOUR],
  ['two months behind', -60 * DAY],
  ['that says 1970', -NOW],
] as const;

const sample = Sample.make('late', 2 ** 20);
const later = { timeout: 15_000, interval: 20 };
const codes = ({ warnings }: Watched): string[] => warnings.map(({ code }) => code);

describe.each(CLOCKS)('P-14.2 a device with a clock %s', (_, behind) => {
  it('takes the list, and trusts nobody who is on it', async () => {
    const fleet = await CaptiveFleet.create();
    await fleet.revoke({ version: 2, revoked: [{ device: 'cam-2', since: NOW }] });
    fleet.setClock(behind);
    const seed = await fleet.agent('depot', 'seed', [await sample]);
    const [stolen, good] = [await fleet.agent('cam-2'), await fleet.agent('cam-1')];
    fleet.publish(fleet.trust(1, await sample, '1'));
    await good.complete('1');
    expect([seed.agent.status().revoked, good.agent.status().revoked]).toEqual([2, 2]);
    expect(codes(stolen)).toContain('E_REVOKED');
    expect([stolen.completed, stolen.agent.status().peers]).toEqual([[], 0]);
  });

  it('gets its update from peers that hold the list', async () => {
    const fleet = await CaptiveFleet.create();
    await fleet.revoke({ version: 2, revoked: [{ device: 'cam-9', since: NOW }] });
    const seed = await fleet.agent('depot', 'seed', [await sample]);
    await vi.waitFor(() => expect(seed.agent.status().revoked).toBe(2), later);
    fleet.setClock(behind);
    const cam = await fleet.agent('cam-1');
    fleet.publish(fleet.trust(1, await sample, '1'));
    await cam.complete('1');
  });
});

describe('P-14.3 a list that is refused for its time alone', () => {
  it('is no silence: nobody is met before one comes that is taken', async () => {
    const fleet = await CaptiveFleet.create();
    const operator = await fleet.member('operator', 'operator');
    const topic = topics.revoked(PREFIX);
    const none = new Uint8Array();
    const lists = { revoked: packRecords([{ device: 'cam-2', since: NOW }]), quarantined: none, wiped: none };
    const message = { t: 'revoked', v: 1, fleet: FLEET, version: 2, at: NOW + 3650 * DAY, ...lists } as const;
    const payload = Buffer.from(sealEnvelope(topic, encodeMessage(message), operator));
    fleet.broker.hear({ from: 'operator', topic, payload, retain: true });
    await fleet.agent('depot', 'seed', [await sample]);
    const cam = await fleet.agent('cam-1');
    fleet.publish(fleet.trust(1, await sample, '1'));
    await vi.waitFor(() => expect(codes(cam)).toContain('E_MESSAGE_TIME'), later);
    // Longer than the silence that would be taken for an empty list.
    await delay(3000);
    expect([cam.completed, cam.agent.status().peers]).toEqual([[], 0]);
    await fleet.revoke({ version: 3, revoked: [{ device: 'cam-2', since: NOW }] });
    await cam.complete('1');
  });
});
