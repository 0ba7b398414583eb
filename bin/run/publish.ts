import { type Published, publish } from '../../broker/publish/publish.js';
import type { PublishFlags } from '../commands/publish.js';
import { type GroupSize, groupSize, memberOfFolder } from '../fleet_folder.js';
import { INTERRUPTED, stopRequested } from '../lifetime.js';
import { output } from '../output.js';
import { formatBytes } from '../units.js';

/** What is no error and hardly meant. */
export function notesOn(
  { name, version, group, replaced, urls = [] }: Published,
  { devices, seeds }: GroupSize,
  index?: string,
): string[] {
  const notes: string[] = [];
  if (devices === 0) notes.push(`no device of the roster is in group ${group}`);
  if (seeds === 0 && urls.length === 0) {
    notes.push(`no seed of the roster is in group ${group}: nobody may serve the file yet`);
  }
  if (seeds === 0 && urls.length > 0 && index === undefined) {
    notes.push('without a seed, devices need the index from the HTTP server, as <url>.cmix: --index writes it');
  }
  if (replaced !== undefined) {
    notes.push(
      `${name} ${version} had other bytes until now (artifact ${replaced}): better give other bytes another version`,
    );
  }
  return notes;
}

export async function runPublish(file: string, flags: PublishFlags): Promise<void> {
  const { fleet, name, group, onlyGroup, onlySite, expiresDays, broker, json, url: urls, index } = flags;
  if (flags.untilStdinEnds) void stopRequested({ untilStdinEnds: true }).then(() => process.exit(INTERRUPTED));
  const size = await groupSize(fleet, group);
  const published = await publish({
    credential: await memberOfFolder(fleet, 'publisher'),
    fleetFolder: fleet,
    file,
    name,
    version: flags.version,
    group,
    devices: size.devices + size.seeds,
    expiresDays,
    ...((onlyGroup ?? onlySite) !== undefined && { audience: { groups: onlyGroup, sites: onlySite } }),
    urgent: flags.urgent === true,
    emergency: flags.emergency === true,
    priority: flags.priority,
    ...(urls !== undefined && { urls }),
    ...(index !== undefined && { indexFile: index }),
    ...(broker !== undefined && { broker }),
  });
  const notes = notesOn(published, size, index);
  if (json) {
    output.json({ ...published, notes });
  } else {
    const { artifact, chunks, timestamp } = published;
    const bytes = formatBytes(published.size);
    output.line(`${name} ${flags.version} for group ${group}: ${bytes} in ${chunks} chunks, timestamp ${timestamp}`);
    output.line(`artifact ${artifact}`);
  }
  for (const note of notes) output.note(`note: ${note}`);
}
