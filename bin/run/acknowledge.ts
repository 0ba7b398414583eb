import { acknowledge } from '../../broker/status/acknowledge.js';
import type { AcknowledgeFlags } from '../commands/acknowledge.js';
import { memberOfFolder } from '../fleet_folder.js';
import { output } from '../output.js';

export async function runAcknowledge(device: string, flags: AcknowledgeFlags): Promise<void> {
  const { fleet, from, upto, timeout, broker, json } = flags;
  const done = await acknowledge({
    ...{ credential: await memberOfFolder(fleet, 'operator'), device, from, upto, timeoutMs: timeout * 1000 },
    ...(broker !== undefined && { broker }),
    waits: (row) =>
      output.note(
        row?.online === false ? `${device} is offline: it is told when it is back` : `${device} has not heard yet`,
      ),
  });
  if (json) output.json(done);
  else output.line(`${device}: ${done.acknowledged.length} acknowledged, ${done.left.length} left`);
}
