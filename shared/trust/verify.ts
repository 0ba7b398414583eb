import type { TargetFile } from '@tufjs/models';
import { z } from 'zod';
import { isArtifactName, isId } from '../control/ids.js';
import type { Rollout } from '../control/messages.js';
import { isSourceUrl } from '../control/source_url.js';
import { asError, ChunkmeshError } from '../errors.js';
import {
  MAX_ARTIFACT_BYTES,
  MAX_CHUNKS,
  MAX_GROUPS,
  MAX_PRIORITY,
  MAX_ROLLOUTS,
  MAX_SHARDS,
  MAX_URLS,
} from '../limits.js';
import type { Audience } from './audience.js';
import type { Files } from './bundle.js';
import { artifactPath, DIRECTOR, directorRole, parseRolloutPath } from './names.js';
import { TrustedSet, type TrustState } from './trusted_set.js';

/** What one group's bundle lets a device install (P-12.7): what its director schedules, of what release signed. Pure. */

const MAX_SITES = 64;
const ids = (most: number) => z.array(z.string().refine(isId)).min(1).max(most).optional();

/** P-12.3: what release says of an artifact. */
export const artifactCustomSchema = z.object({
  artifact: z.string().refine(isArtifactName),
  chunks: z.int().min(1).max(MAX_CHUNKS),
  groups: ids(MAX_GROUPS),
  sites: ids(MAX_SITES),
});

/** P-12.3: what a director says of a rollout. */
export const rolloutCustomSchema = z.object({
  shards: z
    .int()
    .min(1)
    .max(MAX_SHARDS)
    .refine((n) => (n & (n - 1)) === 0, 'not a power of two'),
  urgent: z.literal(true).optional(),
  /** P-10.13 */
  emergency: z.literal(true).optional(),
  priority: z.int().min(0).max(MAX_PRIORITY).optional(),
  urls: z.array(z.string().refine(isSourceUrl)).max(MAX_URLS).optional(),
});
export type RolloutCustom = Readonly<z.infer<typeof rolloutCustomSchema>>;

export interface ArtifactCustom extends Audience {
  /** Hex of the index hash (P-1.3). */
  readonly artifact: string;
  readonly chunks: number;
}

export interface Verdict {
  /** What is trusted from now on: to be kept, also where `error` is there. */
  readonly state: TrustState;
  /** Why nothing of the bundle counts. */
  readonly error?: ChunkmeshError;
  readonly rollouts: readonly Rollout[];
  /** Rollouts that are not to be believed; the others are. */
  readonly refused: readonly ChunkmeshError[];
  /** When the bundle was signed, as far as it says (P-12.6). Seconds since the epoch, as `expires`. */
  readonly signedAt?: number;
  readonly expires: number;
  readonly rootVersion: number;
  /** 0 where none is trusted. */
  readonly timestampVersion: number;
  /** The key ids of the timestamp role: who else says what time it is (P-12.6). */
  readonly timestampKeys: string;
}

/** What time it is, of a bundle that was signed `signedAt` by the timestamp keys named (P-12.6). Seconds since the epoch. */
export type TimeOf = (signedAt: number | undefined, timestampKeys: string) => number;

/**
 * @param state what was trusted before
 * @throws E_TRUST_* where `state` itself is not to be believed
 */
export function verifyBundle(state: TrustState, files: Files, group: string, timeOf: TimeOf): Verdict {
  const set = new TrustedSet(state, files);
  let error: ChunkmeshError | undefined;
  let signedAt: number | undefined;
  const rollouts: Rollout[] = [];
  const refused: ChunkmeshError[] = [];
  try {
    set.takeRoots();
    signedAt = set.signedAt();
    set.takeTop(timeOf(signedAt, set.timestampKeys));
    for (const path of scheduled(set, group)) {
      try {
        const rollout = rolloutAt(set, path, group);
        if (rollouts.some(({ name }) => name === rollout.name)) {
          throw new ChunkmeshError('E_TRUST_ARTIFACT', `${path} is a second version of ${rollout.name}`);
        }
        rollouts.push(rollout);
      } catch (cause) {
        refused.push(asError(cause, path));
      }
    }
  } catch (cause) {
    error = asError(cause, 'the trust bundle');
  }
  return {
    ...{ state: set.state, rollouts, refused, expires: set.expires, rootVersion: set.rootVersion },
    ...{ timestampVersion: set.timestampVersion ?? 0, timestampKeys: set.timestampKeys },
    ...(error !== undefined && { error, rollouts: [] }),
    ...(signedAt !== undefined && { signedAt }),
  };
}

/** P-12.2. A group of which the director said nothing yet has no rollouts. */
function scheduled(set: TrustedSet, group: string): readonly string[] {
  const role = directorRole(group);
  if (!set.hasRole(DIRECTOR) || !set.hasRole(role)) return [];
  const paths = set.targetsOf([DIRECTOR, role]);
  if (paths.length > MAX_ROLLOUTS) {
    throw new ChunkmeshError('E_TRUST_MALFORMED', `${role} has ${paths.length} rollouts, more than ${MAX_ROLLOUTS}`);
  }
  return paths;
}

function rolloutAt(set: TrustedSet, path: string, group: string): Rollout {
  const named = parseRolloutPath(path);
  const rollout = named?.group === group ? set.find(path) : undefined;
  // P-12.7: by the delegations' own patterns, so that a group's director schedules for no other.
  if (named === null || rollout?.role !== directorRole(group)) {
    throw new ChunkmeshError('E_TRUST_ARTIFACT', `${path} is not the director's of group ${group} to schedule`);
  }
  const { name, version } = named;
  const released = set.find(artifactPath(name, version));
  if (released === undefined) {
    throw new ChunkmeshError('E_TRUST_ARTIFACT', `${name} ${version} is scheduled and was never signed by release`);
  }
  if (!sameBytes(released.target, rollout.target)) {
    throw new ChunkmeshError(
      'E_TRUST_ARTIFACT',
      `${name} ${version} is scheduled with other bytes than release signed`,
    );
  }
  const { artifact, chunks, ...audience } = custom(
    artifactCustomSchema,
    released.target,
    `artifact ${name} ${version}`,
  );
  const { length: size } = released.target;
  if (size < 1 || size > MAX_ARTIFACT_BYTES) throw new ChunkmeshError('E_TRUST_ARTIFACT', `${path} has ${size} bytes`);
  const how = custom(rolloutCustomSchema, rollout.target, path);
  return {
    name,
    version,
    artifact: new Uint8Array(Buffer.from(artifact, 'hex')),
    size,
    chunks,
    ...defined(how),
    audience,
  };
}

/** Both name SHA-256, and all that both name are equal. */
function sameBytes(a: TargetFile, b: TargetFile): boolean {
  const [one, two] = [a.hashes, b.hashes];
  return a.length === b.length && one.sha256 !== undefined && one.sha256 === two.sha256;
}

function custom<T extends z.ZodType>(schema: T, target: TargetFile, what: string): z.infer<T> {
  const parsed = schema.safeParse(target.custom.chunkmesh);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new ChunkmeshError('E_TRUST_ARTIFACT', `${what}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
}

function defined(how: RolloutCustom): Pick<Rollout, 'shards' | 'urgent' | 'emergency' | 'priority' | 'urls'> {
  const { shards, urgent, emergency, priority, urls } = how;
  return {
    shards,
    ...(urgent !== undefined && { urgent }),
    ...(emergency !== undefined && { emergency }),
    ...(priority !== undefined && { priority }),
    ...(urls !== undefined && urls.length > 0 && { urls }),
  };
}
