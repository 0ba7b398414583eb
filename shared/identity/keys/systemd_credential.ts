import { isAbsolute, join } from 'node:path';
import { ChunkmeshError } from '../../errors.js';

/** Where systemd puts what a unit's LoadCredential= names: one folder for each service, its path in $CREDENTIALS_DIRECTORY. */

const VARIABLE = 'CREDENTIALS_DIRECTORY';
/** Names that systemd takes and that lead nowhere else: no slash, and no dot at the start. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

export function isCredentialName(name: string): boolean {
  return NAME.test(name);
}

/**
 * The path of the credential `name`.
 * @throws E_KEY_REFERENCE where no systemd started this process with credentials, or the name would lead out of their folder
 */
export function credentialPath(name: string, environment: NodeJS.ProcessEnv = process.env): string {
  if (!isCredentialName(name)) {
    throw new ChunkmeshError('E_KEY_REFERENCE', `${JSON.stringify(name.slice(0, 80))} is not the name of a credential`);
  }
  const folder = environment[VARIABLE];
  if (folder === undefined || !isAbsolute(folder)) {
    const how = `credential ${name}: ${VARIABLE} is not set; the unit of the service needs LoadCredential=${name}:<file>`;
    throw new ChunkmeshError('E_KEY_REFERENCE', how);
  }
  return join(folder, name);
}
