import type { Verdict } from '../../shared/trust/verify.js';
import { ForgedFleet } from './forged_trust.js';

/** A forged fleet with one artifact that one group is to have. */

export const names = (verdict: Verdict): string[] => verdict.rollouts.map(({ name, version }) => `${name} ${version}`);

export function fleet(): ForgedFleet {
  const made = new ForgedFleet();
  made.publish('firmware', '1');
  return made;
}

export const signedRoles = ['timestamp', 'snapshot', 'targets', 'director', 'director-cameras'] as const;
export const binOfFirmware = (made: ForgedFleet): string =>
  [...made.files().keys()].find((file) => /^1\.release-/.test(file))?.replace(/^1\.|\.json$/g, '') ?? '';
