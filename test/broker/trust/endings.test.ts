import { describe, expect, it } from 'vitest';
import { endingLine, endingNotes, endingsOf } from '../../../broker/trust/endings.js';
import { NOW, OfflineFleet } from '../../support/offline_fleet.js';

const DAY = 86_400;

describe('what ends soon', () => {
  it('is told by who is to sign it, with the first of each, and nothing that has time', () => {
    const roles = [
      ['root', NOW + 59 * DAY],
      ['targets', NOW + 61 * DAY],
      ['release-00', NOW + 40 * DAY],
      ['release-ff', NOW + 30 * DAY],
      ['timestamp', NOW + 2 * DAY],
      ['snapshot', NOW + 3 * DAY],
      ['director-cameras', NOW - 1],
    ] as const;
    expect(endingsOf(roles, NOW).map((one) => endingLine(one, NOW))).toEqual([
      'trust: what root signed expires in 59 d: chunkmesh trust renew --role root',
      'trust: what release signed expires in 30 d: chunkmesh trust renew --role release',
      'trust: what is signed online has expired, and devices take nothing new: chunkmesh trust refresh',
    ]);
    expect(endingsOf([['root', NOW + 60 * DAY] as const, ['director', NOW + 3 * DAY] as const], NOW)).toEqual([]);
  });

  it('is found in a fleet’s folder; one without metadata has none', async () => {
    const { fleet } = await OfflineFleet.ready(1, 1);
    await fleet.publish('firmware', '1');
    expect(await endingNotes(fleet.folder, NOW)).toEqual([]);
    expect(await endingNotes(fleet.folder, NOW + 28 * DAY)).toEqual([
      'trust: what is signed online expires in 2 d: chunkmesh trust refresh',
    ]);
    expect(await endingNotes(fleet.folder, NOW + 731 * DAY)).toHaveLength(3);
    const { fleet: empty } = await OfflineFleet.create(1, 1);
    expect(await endingNotes(empty.folder, NOW)).toEqual([]);
  });
});
