import { expect, it } from 'vitest';
import type { Member } from '../../../broker/fleet/fleet_file.js';
import { stillValid } from '../../../broker/fleet/member.js';

const NOW = 1000;
const fingerprint = 'a'.repeat(64);
const row = (id: string, role: Member['role'], notAfter: number): Member => ({
  ...{ id, role, site: 's', groups: [], fingerprint, notAfter },
});

it('P-13.8 a newcomer is gone from the roster in the second in which its token ends; a member stays, though its certificate ended', () => {
  const roster = [row('n-1', 'newcomer', NOW), row('n-2', 'newcomer', NOW + 1), row('cam-1', 'device', NOW - 1)];
  expect(stillValid(roster, NOW).map(({ id }) => id)).toEqual(['n-2', 'cam-1']);
});

it('P-13.12 a certificate that was renewed is good until it ends, and not longer', () => {
  const before = [
    { fingerprint, notAfter: NOW + 1 },
    { fingerprint, notAfter: NOW },
  ];
  expect(stillValid([{ ...row('cam-1', 'device', NOW + 9), before }], NOW)[0]?.before).toEqual([before[0]]);
  expect(stillValid([{ ...row('cam-1', 'device', NOW + 9), before }], NOW + 1)[0]).not.toHaveProperty('before');
});
