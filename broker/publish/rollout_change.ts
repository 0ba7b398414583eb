import { ChunkmeshError } from '../../shared/errors.js';
import { directorRole, rolloutPath } from '../../shared/trust/names.js';
import { promote } from '../trust/ceremony.js';
import type { Current, TrustRepository } from '../trust/repository.js';
import {
  groupsOf,
  type NewArtifact,
  releaseArtifact,
  releasedArtifact,
  type Scheduled,
  schedule,
} from '../trust/schedule.js';
import type { Change } from './publication.js';

/** What a publish changes: release signs the artifact, where it has not yet, and the director schedules it. */
export function changeOf(artifact: NewArtifact, scheduled: Scheduled, days: number): Change {
  return async (repository, now) => {
    await promote(repository, now, days);
    const before = await repository.current();
    const { name, version } = artifact;
    const replaced = await replacedBy(repository, before, artifact, scheduled.group);
    const bin = await releaseArtifact(repository, before, artifact, now);
    if (bin !== null) await repository.seal(before, new Map([[bin.role, bin.metadata]]), now, days);
    const current = await repository.current();
    const released = await releasedArtifact(repository, current, name, version);
    if (released === undefined)
      throw new ChunkmeshError('E_INTERNAL', `${name} ${version} was released and is not there`);
    await repository.seal(current, await schedule(repository, current, released, scheduled, { now, days }), now, days);
    return replaced;
  };
}

/**
 * Hex of what has the same name and version and other bytes.
 * @throws E_ARGUMENT where another group is to have those
 */
async function replacedBy(
  repository: TrustRepository,
  current: Current,
  { name, version, index }: NewArtifact,
  group: string,
): Promise<string | undefined> {
  const there = await releasedArtifact(repository, current, name, version);
  const known = (there?.custom.chunkmesh as { artifact?: string } | undefined)?.artifact;
  if (known === undefined || known === index.artifact) return undefined;
  for (const other of groupsOf(current)) {
    if (other === group) continue;
    const rollouts = await repository.targets(current, directorRole(other));
    if (rollouts.some(({ path }) => path === rolloutPath(other, name, version))) {
      throw new ChunkmeshError(
        'E_ARGUMENT',
        `group ${other} has ${name} ${version} with other bytes: give these another version`,
      );
    }
  }
  return known;
}
