import { chmod, copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { bringFolder } from '../../broker/publish/foreign_metadata.js';
import { refreshAll } from '../../broker/publish/refresh.js';
import { endingNotes } from '../../broker/trust/endings.js';
import { TrustRepository } from '../../broker/trust/repository.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import type { RefreshFlags, TrustFlags, TrustPublishFlags } from '../commands/trust.js';
import { memberOfFolder } from '../fleet_folder.js';
import { output } from '../output.js';
import { readFolder } from './trust_show.js';

/** A web server is another user. */
const READABLE_BY_ALL = 0o644;

/** Metadata brought to where it counts: to the broker, or to a web server's folder. */

export async function refresh({ fleet, expiresDays: days, broker, json }: RefreshFlags): Promise<void> {
  const credential = await memberOfFolder(fleet, 'publisher');
  const { groups, timestamp, waiting } = await refreshAll({
    ...{ credential, fleetFolder: fleet, days },
    ...(broker !== undefined && { broker }),
  });
  if (json) output.json({ groups, timestamp, waiting });
  else {
    output.line(`timestamp ${timestamp} for ${groups.length === 0 ? 'no group yet' : groups.join(' ')}`);
    for (const { file, signatures, threshold } of waiting) {
      output.line(`${file} still waits: ${signatures} of ${threshold} signatures`);
    }
  }
  for (const note of await endingNotes(fleet, Math.floor(Date.now() / 1000))) output.note(note);
}

export async function publishFolder(folder: string, { fleet, group, broker, json }: TrustPublishFlags): Promise<void> {
  const credential = await memberOfFolder(fleet, 'publisher');
  const files = await readFolder(folder);
  const { rollouts, timestampVersion } = await bringFolder(files, {
    ...{ credential, group },
    ...(broker !== undefined && { broker }),
  });
  const named = rollouts.map(({ name, version }) => `${name} ${version}`);
  if (json) output.json({ group, timestamp: timestampVersion, rollouts: named });
  else output.line(`timestamp ${timestampVersion} for group ${group}: ${named.join(', ') || 'no rollout'}`);
}

export async function exportMetadata(folder: string, { fleet, json }: TrustFlags): Promise<void> {
  const { metadata } = await TrustRepository.open(fleet);
  const files = (await metadata.list()).map(({ file }) => file);
  // What names the others goes last: a reader in the middle of it finds them.
  const ordered = [
    ...files.filter((file) => file !== 'timestamp.json'),
    ...files.filter((file) => file === 'timestamp.json'),
  ];
  try {
    await mkdir(folder, { recursive: true });
    for (const file of ordered) {
      await copyFile(join(metadata.path, file), join(folder, file));
      await chmod(join(folder, file), READABLE_BY_ALL);
    }
  } catch (cause) {
    throw new ChunkmeshError('E_STORE_IO', `${folder}: ${systemCode(cause) ?? 'cannot be written'}`, { cause });
  }
  if (json) output.json({ folder, files: ordered });
  else output.line(`${ordered.length} files in ${folder}`);
}
