import { access, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { writePrivateFile } from '../../shared/private_file.js';
import type { Authority } from '../fleet/authority.js';
import type { FleetFile } from '../fleet/fleet_file.js';
import { mosquittoAcl } from '../policy/mosquitto_acl.js';
import { type Register, revokedIn, standingIn } from './register.js';

/** What a broker of another make is given of a fleet folder: the access list and the CRL, always as register and roster say (P-14.9). */

export function aclOf(
  { fleet, prefix, roster }: Pick<FleetFile, 'fleet' | 'prefix' | 'roster'>,
  register: Register,
): string {
  return mosquittoAcl(fleet, prefix, roster, ({ id, notBefore }) => standingIn(register, id, notBefore));
}

/** Whoever revokes from elsewhere may have a folder without what a broker reads. @throws E_STORE_IO */
export async function writeAcl(folder: string, file: FleetFile, register: Register): Promise<void> {
  const path = join(folder, 'broker/acl');
  try {
    await mkdir(join(folder, 'broker'), { recursive: true, mode: 0o700 });
    await writePrivateFile(path, aclOf(file, register));
  } catch (cause) {
    throw new ChunkmeshError('E_STORE_IO', `${path}: ${systemCode(cause) ?? 'cannot be written'}`, { cause });
  }
}

/** Who is in quarantine or to be wiped is not on it: it has to be reached. @throws E_STORE_IO */
export async function writeCrl(folder: string, authority: Authority, register: Register): Promise<void> {
  const revoked = register.entries.flatMap((entry) => {
    const { serials, since } = revokedIn(entry) ?? { serials: [], since: 0 };
    return serials.map((serial) => ({ serial, since }));
  });
  const path = join(folder, 'broker/ca.crl');
  try {
    await writePrivateFile(path, await authority.issueCrl(revoked, register.version, Date.now()));
  } catch (cause) {
    throw new ChunkmeshError('E_STORE_IO', `${path}: ${systemCode(cause) ?? 'cannot be written'}`, { cause });
  }
}

/** Whether the folder can make a CRL: the CA's key may be elsewhere. */
export async function hasAuthority(folder: string): Promise<boolean> {
  return access(join(folder, 'ca.key')).then(
    () => true,
    () => false,
  );
}
