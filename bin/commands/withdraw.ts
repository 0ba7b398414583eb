import type { Command } from 'commander';
import { brokerAddress } from '../arguments.js';
import { fleetOption } from './fleet_option.js';

const EXAMPLES = `
Devices that have not got it yet fetch no more of it, and nobody serves it. Devices that have it keep it: to have them go back, publish the
version that they are to have. So that it can never be scheduled again, by whoever has the online keys: chunkmesh trust retire.

Examples:
  $ chunkmesh withdraw firmware --fleet ./plant --group cameras`;

export interface WithdrawFlags {
  fleet: string;
  group: string;
  broker?: string;
  json?: true;
}

export function addWithdraw(program: Command): void {
  program
    .command('withdraw')
    .description('end the rollout of a name in one group')
    .argument('<name>', 'id of what is rolled out, as firmware')
    .addOption(fleetOption())
    .option('--group <group>', 'whose devices', 'default')
    .option('--broker <address>', "mqtts://host:port, instead of the bundle's", brokerAddress)
    .addHelpText('after', EXAMPLES)
    .action(async (name, flags) => (await import('../run/withdraw.js')).runWithdraw(name, flags));
}
