import { ChunkmeshError } from '../../shared/errors.js';
import { artifactPath, binRoleOfArtifact, directorRole, rolloutPath } from '../../shared/trust/names.js';
import { OFFLINE_DAYS, ONLINE_DAYS, promote } from './ceremony.js';
import { binKeysOf, makeTargetList } from './metadata_edits.js';
import type { TrustRepository } from './repository.js';
import { groupsOf, refuseDuringKeyChange, targetsOf } from './schedule.js';
import { artifactsOf, stage, type Waiting } from './staging.js';

const DAY_SECONDS = 86_400;

/**
 * Release signs its bin without the artifact: nobody can schedule it any more, with whatever online keys, once devices have seen the next
 * snapshot (TUF 5.5.5).
 * @param now seconds since the epoch @returns what waits for signatures
 * @throws E_ARGUMENT where release never signed it, or a group is to have it still; E_TRUST_SIGNATURE where a change of keys waits
 */
export async function retireArtifact(
  repository: TrustRepository,
  name: string,
  version: string,
  now: number,
): Promise<readonly Waiting[]> {
  await promote(repository, now, ONLINE_DAYS);
  const current = await repository.current();
  const targets = await targetsOf(repository, current);
  await refuseDuringKeyChange(repository);
  const role = binRoleOfArtifact(name, version);
  const path = artifactPath(name, version);
  const listed = await artifactsOf(repository, current, role);
  const rest = listed.filter((one) => one.path !== path);
  if (rest.length === listed.length) {
    throw new ChunkmeshError('E_ARGUMENT', `release has not signed ${name} ${version}, or it is retired already`);
  }
  for (const group of groupsOf(current)) {
    const rollouts = await repository.targets(current, directorRole(group));
    if (rollouts.every((one) => one.path !== rolloutPath(group, name, version))) continue;
    throw new ChunkmeshError(
      'E_ARGUMENT',
      `group ${group} is to have ${name} ${version}: publish another version to it first, or withdraw it`,
    );
  }
  const next = { version: (current.meta[role]?.version ?? 0) + 1, expires: now + OFFLINE_DAYS * DAY_SECONDS };
  await stage(repository, role, makeTargetList(rest, next), binKeysOf(targets));
  return promote(repository, now, ONLINE_DAYS);
}
