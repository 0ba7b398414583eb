import type { RevocationOptions } from '../broker/revocation/revoke.js';
import { memberOfFolder } from './fleet_folder.js';

/** As they are typed, for every command that changes the revocation list. */
export interface RevocationFlags {
  fleet: string;
  broker?: string;
  mosquitto?: true;
}

/** @throws E_FLEET_MISSING, and as loadCredential does */
export async function revocationOptions({ fleet, broker, mosquitto }: RevocationFlags): Promise<RevocationOptions> {
  const common = {
    fleetFolder: fleet,
    credential: await memberOfFolder(fleet, 'operator'),
    ...(broker !== undefined && { broker }),
  };
  if (mosquitto !== true) return common;
  const { followRegister } = await import('../broker/mosquitto/dynamic_security.js');
  return { ...common, published: (link, register) => followRegister(link, fleet, register) };
}
