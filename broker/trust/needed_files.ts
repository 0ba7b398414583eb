import { MetadataKind } from '@tufjs/models';
import { ChunkmeshError } from '../../shared/errors.js';
import type { Files } from '../../shared/trust/bundle.js';
import {
  artifactPath,
  DIRECTOR,
  directorRole,
  fileName,
  parseRolloutPath,
  TIMESTAMP_FILE,
} from '../../shared/trust/names.js';
import { parseFileName, parseMetadata } from './trust_folder.js';

/**
 * Of a folder of metadata, which may have many versions and groups, the files of one group's bundle (P-12.4). Nothing of it is verified here.
 * @throws E_TRUST_MISMATCH where one is missing, E_TRUST_MALFORMED
 */
export function bundleOf(files: Files, group: string): Files {
  const needed = new Map<string, Uint8Array>();
  const take = (file: string): Uint8Array => {
    const bytes = files.get(file);
    if (bytes === undefined) throw new ChunkmeshError('E_TRUST_MISMATCH', `there is no ${file}`);
    needed.set(file, bytes);
    return bytes;
  };
  for (const file of files.keys()) if (parseFileName(file)?.role === MetadataKind.Root) take(file);
  const timestamp = parseMetadata('timestamp', take(TIMESTAMP_FILE), TIMESTAMP_FILE).metadata.signed;
  const snapshotFile = fileName(MetadataKind.Snapshot, timestamp.snapshotMeta.version);
  const { meta } = parseMetadata('snapshot', take(snapshotFile), snapshotFile).metadata.signed;
  const takeRole = (role: string) => {
    const version = meta[`${role}.json`]?.version;
    if (version === undefined) return undefined;
    const file = fileName(role, version);
    return parseMetadata(role as 'targets', take(file), file).metadata.signed;
  };
  const targets = takeRole(MetadataKind.Targets);
  takeRole(DIRECTOR);
  for (const path of Object.keys(takeRole(directorRole(group))?.targets ?? {})) {
    const rollout = parseRolloutPath(path);
    if (rollout === null) continue;
    const artifact = artifactPath(rollout.name, rollout.version);
    for (const { role } of targets?.delegations?.rolesForTarget(artifact) ?? []) takeRole(role);
  }
  return needed;
}
