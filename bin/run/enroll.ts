import { Fleet } from '../../broker/fleet/fleet.js';
import type { EnrollFlags } from '../commands/enroll.js';
import { output } from '../output.js';

export async function runEnroll(
  device: string,
  { fleet: folder, role, site, group, days, renew, json }: EnrollFlags,
): Promise<void> {
  const fleet = await Fleet.open(folder);
  const bundle = await fleet.enroll(device, {
    renew: renew === true,
    ...(role !== undefined && { role }),
    ...(site !== undefined && { site }),
    ...(group !== undefined && { groups: group }),
    ...(days !== undefined && { days }),
  });
  if (!json) {
    output.line(bundle);
    return;
  }
  const member = fleet.roster.find(({ id }) => id === device);
  output.json({ bundle, ...member });
}
