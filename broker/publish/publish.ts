import { rename, rm, writeFile } from 'node:fs/promises';
import type { ArtifactIndex } from '../../shared/artifact/index.js';
import { indexFile } from '../../shared/artifact_file.js';
import { checkId, isVersion } from '../../shared/control/ids.js';
import { isSourceUrl } from '../../shared/control/source_url.js';
import { mayPublish } from '../../shared/control/topics.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import type { Credential } from '../../shared/identity/bundle.js';
import { DEFAULT_PRIORITY, MAX_PRIORITY, MAX_URLS } from '../../shared/limits.js';
import type { Audience } from '../../shared/trust/audience.js';
import type { RolloutCustom } from '../../shared/trust/verify.js';
import { connectMember } from '../member_link.js';
import { ONLINE_DAYS } from '../trust/ceremony.js';
import { Publication } from './publication.js';
import { changeOf } from './rollout_change.js';
import { shardCount } from './shards.js';

/** Publishing: a file becomes the rollout of its name in one group's trust bundle. */

export interface PublishOptions {
  /** Of a publisher. */
  readonly credential: Credential;
  readonly fleetFolder: string;
  readonly file: string;
  readonly name: string;
  readonly version: string;
  readonly group: string;
  /** How many devices the group has, for the number of shards. */
  readonly devices: number;
  readonly expiresDays?: number;
  /** Who else than the group's devices may have it: absent, whoever a director schedules it for (P-12.3). */
  readonly audience?: Audience;
  readonly urgent?: boolean;
  /** P-10.13; it is urgent too. */
  readonly emergency?: boolean;
  /** Default 5. */
  readonly priority?: number;
  readonly urls?: readonly string[];
  /** Where the index is written, before anything is sent: devices look for it at once (P-11.1). */
  readonly indexFile?: string;
  /** Instead of the bundle's. */
  readonly broker?: string;
  /** Seconds since the epoch. */
  readonly now?: () => number;
}

export interface Published {
  readonly name: string;
  readonly version: string;
  readonly group: string;
  /** Hex of the index hash (P-1.3). */
  readonly artifact: string;
  readonly size: number;
  readonly chunks: number;
  /** Version of the timestamp metadata that the group's bundle has. */
  readonly timestamp: number;
  /** Where there are any. */
  readonly urls?: readonly string[];
  /** Hex of the artifact that had this name and version until now, where it is another. */
  readonly replaced?: string;
}

/**
 * @throws E_ID, E_ARGUMENT, E_MESSAGE_UNTRUSTED before anything is read or sent; E_FILE_*; E_TRUST_SIGNATURE where a key that is needed is
 *   not in the fleet's folder, with what it is to sign staged there; E_BROKER_UNREACHABLE; E_BROKER_REFUSED where the broker does not hold
 *   the message afterwards; E_TIMEOUT.
 */
export async function publish(options: PublishOptions): Promise<Published> {
  const { credential, file, name, version, group, fleetFolder, indexFile: into, broker } = options;
  const { expiresDays: days = ONLINE_DAYS, now = () => Date.now() / 1000, audience, urls = [] } = options;
  checkArguments(options);
  const index = await indexFile(file);
  if (into !== undefined) await writeIndex(into, index);
  const link = await connectMember(credential, broker);
  try {
    const artifact = { name, version, index, ...(audience !== undefined && { audience }) };
    const change = changeOf(artifact, { group, name, version, how: howOf(options) }, days);
    const { timestamp, replaced } = await new Publication(link, { credential, fleetFolder, group, days, now }).run(
      change,
    );
    return {
      ...{ name, version, group, artifact: index.artifact, size: index.size, chunks: index.chunkCount, timestamp },
      ...(urls.length > 0 && { urls }),
      ...(replaced !== undefined && { replaced }),
    };
  } finally {
    await link.close();
  }
}

function howOf(options: PublishOptions): RolloutCustom {
  const { devices, urgent = false, emergency = false, priority = DEFAULT_PRIORITY, urls = [] } = options;
  return {
    shards: shardCount(devices),
    ...((urgent || emergency) && { urgent: true }),
    ...(emergency && { emergency }),
    ...(priority !== DEFAULT_PRIORITY && { priority }),
    ...(urls.length > 0 && { urls: [...urls] }),
  };
}

function checkArguments(options: PublishOptions): void {
  const { credential, name, version, group, audience = {}, priority = DEFAULT_PRIORITY, urls = [] } = options;
  checkId(name, 'name');
  checkId(group, 'group');
  for (const other of audience.groups ?? []) checkId(other, 'group');
  for (const site of audience.sites ?? []) checkId(site, 'site');
  if (audience.groups?.includes(group) === false) {
    throw new ChunkmeshError('E_ARGUMENT', `group ${group} is not among those that may have it`);
  }
  if (!Number.isInteger(priority) || priority < 0 || priority > MAX_PRIORITY) {
    throw new ChunkmeshError('E_ARGUMENT', `priority ${priority} is not a whole number from 0 to ${MAX_PRIORITY}`);
  }
  if (urls.length > MAX_URLS || !urls.every(isSourceUrl)) {
    throw new ChunkmeshError('E_ARGUMENT', `more than ${MAX_URLS} URLs, or one that breaks P-11`);
  }
  if (!isVersion(version)) throw new ChunkmeshError('E_ARGUMENT', `version ${JSON.stringify(version)} breaks P-1.2`);
  const { identity, prefix } = credential;
  if (!mayPublish(prefix, identity, `${prefix}/trust/${group}`)) {
    throw new ChunkmeshError('E_MESSAGE_UNTRUSTED', `${identity.id} is a ${identity.role}, not a publisher (P-2.2)`);
  }
}

/** Whole or not at all: a server may be serving that folder. @throws E_STORE_IO */
async function writeIndex(path: string, { bytes }: ArtifactIndex): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, bytes);
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw new ChunkmeshError('E_STORE_IO', `${path}: ${systemCode(cause) ?? 'cannot be written'}`, { cause });
  }
}
