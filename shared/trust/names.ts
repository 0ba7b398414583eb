import { createHash } from 'node:crypto';
import { isId, isVersion } from '../control/ids.js';

/** How the roles, files and target paths of a fleet's metadata are called (P-12.2, P-12.3). */

export const DIRECTOR = 'director';
/** One hexadecimal byte: a fleet's thousand artifacts are four to a bin, and a release signs one bin. */
const BIN_DIGITS = 2;
/** P-12.2. Delegated by `targets`, in this order, as `path_hash_prefixes` (TUF 4.5). */
export const BINS: readonly string[] = Array.from({ length: 16 ** BIN_DIGITS }, (_, i) =>
  i.toString(16).padStart(BIN_DIGITS, '0'),
);
export const ROLLOUT_PATTERN = 'rollouts/*/*/*';

export const binRole = (bin: string): string => `release-${bin}`;
export const directorRole = (group: string): string => `${DIRECTOR}-${group}`;
export const rolloutPatternOf = (group: string): string => `rollouts/${group}/*/*`;
export const artifactPath = (name: string, version: string): string => `artifacts/${name}/${version}`;
export const rolloutPath = (group: string, name: string, version: string): string =>
  `rollouts/${group}/${name}/${version}`;

/** TUF 4.5: a path is in the bin that the SHA-256 of its UTF-8 begins with. */
export function binOf(path: string): string {
  return createHash('sha256').update(path).digest('hex').slice(0, BIN_DIGITS);
}

/** Null for a path of another form. */
export function parseRolloutPath(path: string): { group: string; name: string; version: string } | null {
  const [kind, group = '', name = '', version = '', ...rest] = path.split('/');
  const fits = kind === 'rollouts' && rest.length === 0 && isId(group) && isId(name) && isVersion(version);
  return fits ? { group, name, version } : null;
}

/** TUF 6.2.1, consistent snapshots: every file but `timestamp.json` has its version before its name. */
export const fileName = (role: string, version: number): string => `${version}.${role}.json`;
export const TIMESTAMP_FILE = 'timestamp.json';

const ROLE_NAME = /^[A-Za-z0-9_.-]{1,80}$/;

/** `director-` and an id of 64 are 73. The library keeps roles in plain objects, which have a `constructor` already. */
export function isRoleName(value: string): boolean {
  return ROLE_NAME.test(value) && !(value in Object.prototype);
}

/** The role of the bin that the artifact of a rollout is in. */
export function binRoleOfArtifact(name: string, version: string): string {
  return binRole(binOf(artifactPath(name, version)));
}
