import { type Command, Option } from 'commander';
import { DEFAULT_WINDOW_DAYS, LEAST_THRESHOLD, MAX_ACCUSED_BY_ONE } from '../../broker/guard/verdict.js';
import { brokerAddress, integer, path } from '../arguments.js';
import { fleetOption } from './fleet_option.js';

const MOST_REPORTERS = 1000;
const MOST_SITES = 100;
const MOST_DAYS = 365;

const EXAMPLES = `
Devices report who sent them bytes that are not what their hash says. Any one of them may lie, or have a bad memory: so it takes
--threshold of them, never fewer than ${LEAST_THRESHOLD}, to have a device quarantined without a person. Choose it above the number of devices that one
attacker may have in hand. Who accuses more than ${MAX_ACCUSED_BY_ONE} devices at a time is not counted. Whoever is thrown out is told on stderr, loudly,
and with --json as {"event": "quarantine", ...}; what is below the threshold too, as "accused". SIGTERM or Ctrl-C ends it.

A broker lets an id be connected once, and each new connection ends the one before. So a guard that watches takes a bundle of
its own: with the fleet's operator.json every \`chunkmesh status\` would throw it off.

Examples:
  $ chunkmesh enroll guard --fleet ./plant --role operator
  $ chunkmesh guard --fleet ./plant --bundle ./plant/devices/guard.json --threshold 3 --sites 2
  $ chunkmesh guard --fleet ./plant --threshold 3 --once --dry-run --json`;

export interface GuardFlags {
  fleet: string;
  bundle?: string;
  threshold: number;
  sites: number;
  days: number;
  once?: true;
  dryRun?: true;
  broker?: string;
  mosquitto?: true;
  untilStdinEnds?: true;
  json?: true;
}

export function addGuard(program: Command): void {
  program
    .command('guard')
    .description('quarantine by itself a device that enough others report for wrong bytes')
    .addOption(fleetOption())
    .option(
      '--bundle <file>',
      "watch by this operator's bundle, which `enroll --role operator` makes (default: the fleet's operator.json)",
      path('--bundle'),
    )
    .requiredOption(
      '--threshold <devices>',
      `how many have to report it, ${LEAST_THRESHOLD} at least`,
      integer('--threshold', LEAST_THRESHOLD, MOST_REPORTERS),
    )
    .option('--sites <number>', 'of how many sites they have to be', integer('--sites', 1, MOST_SITES), 1)
    .option('--days <days>', 'older reports do not count', integer('--days', 1, MOST_DAYS), DEFAULT_WINDOW_DAYS)
    .option('--once', 'look once at what is reported now, and end')
    .option('--dry-run', 'say what would be done, and do nothing')
    .option('--mosquitto', 'have a mosquitto with the dynamic security plugin end the connection too')
    .option('--broker <address>', "mqtts://host:port, instead of the bundle's", brokerAddress)
    .addOption(new Option('--until-stdin-ends').hideHelp())
    .addHelpText('after', EXAMPLES)
    .action(async (flags) => (await import('../run/guard.js')).runGuard(flags));
}
