import { Fleet } from '../../broker/fleet/fleet.js';
import type { InitFlags } from '../commands/init.js';
import { output } from '../output.js';

export async function runInit(folder: string, { name, prefix, host, port, json }: InitFlags): Promise<void> {
  const fleet = await Fleet.init(folder, {
    fleet: name,
    port,
    ...(prefix !== undefined && { prefix }),
    ...(host !== undefined && { hosts: host }),
  });
  const bundles = Object.fromEntries(Fleet.bundles.map((id) => [id, fleet.bundlePath(id)]));
  if (json) {
    output.json({ folder: fleet.folder, fleet: fleet.fleet, prefix: fleet.prefix, broker: fleet.broker, bundles });
    return;
  }
  output.line(`fleet ${fleet.fleet} in ${fleet.folder}`);
  output.line(`topics below ${fleet.prefix}, broker at ${fleet.broker}`);
  for (const [id, path] of Object.entries(bundles)) output.line(`bundle of the ${id}: ${path}`);
  output.line(`next: chunkmesh enroll <device> --fleet ${folder}`);
}
