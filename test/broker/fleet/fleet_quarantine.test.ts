import { expect, it, onTestFinished } from 'vitest';
import { Fleet } from '../../../broker/fleet/fleet.js';
import { FleetQuarantine } from '../../../broker/guard/fleet_quarantine.js';
import { withEntry } from '../../../broker/revocation/register.js';
import { readRegister, writeRegister } from '../../../broker/revocation/register_file.js';
import { recordName } from '../../../shared/control/revocation.js';
import { TestFleet } from '../../support/test_fleet.js';

const DAY = 86_400;

async function revokedFleet(since: number): Promise<TestFleet> {
  const fleet = await TestFleet.create();
  onTestFinished(() => fleet.remove());
  for (const id of ['cam-1', 'cam-2']) await fleet.enroll(id);
  const entry = {
    ...{ name: recordName('cam-1'), device: 'cam-1', list: 'revoked' as const, since, at: since },
    ...{ by: 'operator', reason: 'stolen', serials: [] },
  };
  await writeRegister(fleet.folder, withEntry(await readRegister(fleet.folder), entry));
  return fleet;
}

it('P-15.3: who is on the list is out; with a certificate from after that it is in, and what was reported up to then is over', async () => {
  const now = Math.floor(Date.now() / 1000);
  const fleet = await revokedFleet(now - 1);
  const options = { fleetFolder: fleet.folder, credential: await fleet.credential('operator') };
  const quarantine = new FleetQuarantine(options);
  expect(await quarantine.standing()).toEqual({ out: new Set(['cam-1']), restored: new Map() });
  await fleet.fleet.enroll('cam-1', { renew: true });
  expect(await quarantine.standing()).toEqual({ out: new Set(), restored: new Map([['cam-1', now - 1]]) });
});

it('P-14.10, P-12.6: who is revoked up to a day that is to come is not enrolled anew, and stays as it was', async () => {
  const now = Math.floor(Date.now() / 1000);
  const fleet = await revokedFleet(now + 364 * DAY);
  const before = fleet.fleet.roster.find(({ id }) => id === 'cam-1');
  await expect(fleet.fleet.enroll('cam-1', { renew: true, days: 400 })).rejects.toMatchObject({ code: 'E_ARGUMENT' });
  expect((await Fleet.open(fleet.folder)).roster.find(({ id }) => id === 'cam-1')).toEqual(before);
});
