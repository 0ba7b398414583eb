import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where distributions put daemons, which the PATH of an ordinary user often leaves out. */
const SBIN = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

export const INSTALL_MOSQUITTO = 'apt-get install mosquitto';

/** The path of the installed `mosquitto`, or null. */
export function findMosquitto(path = process.env.PATH ?? ''): string | null {
  for (const folder of [...path.split(delimiter), ...SBIN]) {
    const candidate = join(folder, 'mosquitto');
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      // Not in this folder.
    }
  }
  return null;
}
