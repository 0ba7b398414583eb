import type { IntegrityRow } from '../../shared/control/messages.js';
import type { Entry, Known } from './memory.js';

/** What the status says of a place that something is installed at (P-4.7, P-15.5). Pure. */

/**
 * @param inForce the versions of the name that are, by what is known now: a verdict stays as it is when another comes into force.
 * @returns undefined where no look came to its end yet
 */
export function rowOf(
  name: string,
  entry: Entry,
  inForce: readonly Pick<Known, 'artifact' | 'version'>[],
): IntegrityRow | undefined {
  const { verdict, installed, repaired } = entry;
  if (verdict === undefined) return undefined;
  const { kind, at, of = kind === 'unreadable' ? installed : undefined, ranges, more } = verdict;
  // The same bytes may have come into force under another version.
  const named = inForce.find(({ artifact }) => artifact === of?.artifact) ?? of;
  return {
    name,
    ...(named !== undefined && { version: named.version }),
    state: stateOf(kind, of?.artifact, inForce),
    at,
    ...(ranges.length > 0 && { ranges: ranges.map(([from, length]): [number, number] => [from, length]) }),
    ...(more && { more }),
    ...(repaired > 0 && { repaired }),
  };
}

function stateOf(
  kind: NonNullable<Entry['verdict']>['kind'],
  found: string | undefined,
  inForce: readonly Pick<Known, 'artifact'>[],
): IntegrityRow['state'] {
  if (kind === 'unreadable') return kind;
  if (kind === 'wrong') return 'mismatch';
  if (kind === 'unknown') return 'other';
  // With no rollout of the name in force, what was installed is right as it is.
  return inForce.length === 0 || inForce.some(({ artifact }) => artifact === found) ? 'ok' : 'other';
}
