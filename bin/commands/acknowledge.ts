import type { Command } from 'commander';
import { brokerAddress, integer } from '../arguments.js';
import { fleetOption } from './fleet_option.js';

const DEFAULT_TIMEOUT_SECONDS = 60;
const MAX_TIMEOUT_SECONDS = 86_400;

const EXAMPLES = `
\`chunkmesh status\` shows each alert with its number. The device is told until it shows that it heard, which it does only while it is online.

Examples:
  $ chunkmesh acknowledge cam-4 --fleet ./plant --upto 41
  $ chunkmesh acknowledge cam-4 --fleet ./plant --from 38 --upto 41 --json`;

export interface AcknowledgeFlags {
  fleet: string;
  from: number;
  upto: number;
  timeout: number;
  broker?: string;
  json?: true;
}

export function addAcknowledge(program: Command): void {
  program
    .command('acknowledge')
    .description('tell a device that its alerts were seen, so that it says them no more')
    .argument('<device>', 'id of the device')
    .addOption(fleetOption())
    .requiredOption('--upto <number>', 'the last alert that was seen', integer('--upto', 1, Number.MAX_SAFE_INTEGER))
    .option('--from <number>', 'the first', integer('--from', 0, Number.MAX_SAFE_INTEGER), 0)
    .option(
      '--timeout <seconds>',
      'how long the device may take to show that it heard',
      integer('--timeout', 1, MAX_TIMEOUT_SECONDS),
      DEFAULT_TIMEOUT_SECONDS,
    )
    .option('--broker <address>', "mqtts://host:port, instead of the bundle's", brokerAddress)
    .addHelpText('after', EXAMPLES)
    .action(async (device, flags) => (await import('../run/acknowledge.js')).runAcknowledge(device, flags));
}
