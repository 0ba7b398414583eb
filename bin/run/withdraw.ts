import { withdraw } from '../../broker/publish/withdraw.js';
import type { WithdrawFlags } from '../commands/withdraw.js';
import { memberOfFolder } from '../fleet_folder.js';
import { output } from '../output.js';

export async function runWithdraw(name: string, { fleet, group, broker, json }: WithdrawFlags): Promise<void> {
  const credential = await memberOfFolder(fleet, 'publisher');
  const { timestamp } = await withdraw({
    ...{ credential, fleetFolder: fleet, name, group },
    ...(broker !== undefined && { broker }),
  }).finally(() => credential.key.close());
  if (json) output.json({ name, group, timestamp });
  else output.line(`${name} is withdrawn from group ${group}, timestamp ${timestamp}`);
}
