import type { Command } from 'commander';
import { brokerAddress } from '../arguments.js';
import { fleetOption } from './fleet_option.js';

const EXAMPLES = `
A device of the roster that has not reported is listed as never seen (with --json: "seen": false).
With --watch the table is drawn anew each second until Ctrl-C; with --watch --json each second gives one object on one line.

Examples:
  $ chunkmesh status --fleet ./plant
  $ chunkmesh status --fleet ./plant --watch
  $ chunkmesh status --fleet ./plant --json | jq '.devices[] | select(.online | not) | .device'`;

export interface StatusFlags {
  fleet: string;
  watch?: true;
  broker?: string;
  json?: true;
}

export function addStatus(program: Command): void {
  program
    .command('status')
    .description('every device: version, progress, peers, last seen')
    .addOption(fleetOption())
    .option('--watch', 'go on until Ctrl-C')
    .option('--broker <address>', "mqtts://host:port, instead of the bundle's", brokerAddress)
    .addHelpText('after', EXAMPLES)
    .action(async (flags) => (await import('../run/status.js')).runStatus(flags));
}
