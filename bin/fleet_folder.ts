import { join } from 'node:path';
import type { Fleet } from '../broker/fleet/fleet.js';
import { readFleetFile } from '../broker/fleet/fleet_file.js';
import type { Role } from '../shared/control/topics.js';
import { type Credential, loadCredential } from '../shared/identity/bundle.js';

/** What the operator's commands take from a fleet folder. None of it needs the CA's key, so that can be elsewhere. */

/** One of the bundles that a new fleet comes with. @throws E_FLEET_MISSING, and as loadCredential does */
export async function memberOfFolder(folder: string, bundle: (typeof Fleet.bundles)[number]): Promise<Credential> {
  return loadCredential(join(folder, `${bundle}.json`), Date.now() / 1000);
}

export interface GroupSize {
  readonly devices: number;
  readonly seeds: number;
}

/** Who of the roster follows `group`. @throws E_FLEET_MISSING, E_CONFIG */
export async function groupSize(folder: string, group: string): Promise<GroupSize> {
  const { roster } = await readFleetFile(folder);
  const count = (wanted: Role): number =>
    roster.filter(({ role, groups }) => role === wanted && groups.includes(group)).length;
  return { devices: count('device'), seeds: count('seed') };
}
