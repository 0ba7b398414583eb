import type { RevocationOptions } from '../broker/revocation/revoke.js';
import { loadCredential } from '../shared/identity/bundle.js';
import { memberOfFolder } from './fleet_folder.js';

/** As they are typed, for every command that changes the revocation list. */
export interface RevocationFlags {
  fleet: string;
  broker?: string;
  mosquitto?: true;
  bundle?: string;
}

/** @throws E_FLEET_MISSING, and as loadCredential does */
export async function revocationOptions({
  fleet,
  broker,
  mosquitto,
  bundle,
}: RevocationFlags): Promise<RevocationOptions> {
  const common = {
    fleetFolder: fleet,
    credential:
      bundle === undefined ? await memberOfFolder(fleet, 'operator') : await loadCredential(bundle, Date.now() / 1000),
    ...(broker !== undefined && { broker }),
  };
  if (mosquitto !== true) return common;
  const { followRegister } = await import('../broker/mosquitto/dynamic_security.js');
  return { ...common, published: (link, register) => followRegister(link, fleet, register) };
}
