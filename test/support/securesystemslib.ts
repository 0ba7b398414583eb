import { execFileSync } from 'node:child_process';
import { requirement } from './requirement.js';

/** The Python that Debian's packages are of, whatever other there is in the PATH. */
export const PYTHON = '/usr/bin/python3';

function hasLibrary(): boolean {
  try {
    execFileSync(PYTHON, ['-c', 'import securesystemslib.keys, nacl.signing'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** What the reference implementation of TUF signs with. */
export const withSecuresystemslib = requirement(
  'securesystemslib',
  hasLibrary(),
  'apt-get install python3-securesystemslib python3-nacl',
);
