import { publish } from '../../broker/publish/publish.js';
import type { PublishFlags } from '../commands/publish.js';
import { groupSize, memberOfFolder } from '../fleet_folder.js';
import { INTERRUPTED, stopRequested } from '../lifetime.js';
import { output } from '../output.js';
import { formatBytes } from '../units.js';

export async function runPublish(file: string, flags: PublishFlags): Promise<void> {
  const { fleet, name, group, expiresDays, broker, json } = flags;
  if (flags.untilStdinEnds) void stopRequested({ untilStdinEnds: true }).then(() => process.exit(INTERRUPTED));
  const published = await publish({
    credential: await memberOfFolder(fleet, 'publisher'),
    fleetFolder: fleet,
    file,
    name,
    version: flags.version,
    group,
    devices: await groupSize(fleet, group),
    expiresDays,
    ...(broker !== undefined && { broker }),
  });
  if (json) {
    output.json(published);
    return;
  }
  const { artifact, size, chunks, seq } = published;
  output.line(`${name} ${flags.version} for group ${group}: ${formatBytes(size)} in ${chunks} chunks, sequence ${seq}`);
  output.line(`artifact ${artifact}`);
}
