import { type Command, Option } from 'commander';
import { brokerAddress, choice, integer, path } from '../arguments.js';
import { LOG_LEVELS, type LogLevel } from '../log.js';
import { fleetOption } from './fleet_option.js';

const MOST_DAYS = 3650;

const EXAMPLES = `
It answers devices that come with a token, and renews certificates before they end. It needs the fleet's ca.key: run it where
you enroll. A mosquitto is told to reload whenever the roster has changed; the embedded broker sees it by itself.
SIGTERM or Ctrl-C ends it.

Examples:
  $ chunkmesh registrar --fleet ./plant
  $ chunkmesh registrar --fleet ./plant --reload-pid /run/mosquitto/mosquitto.pid
  $ chunkmesh registrar --fleet ./plant --reload-command 'systemctl reload mosquitto' --json`;

export interface RegistrarFlags {
  fleet: string;
  broker?: string;
  days?: number;
  reloadPid?: string;
  reloadCommand?: string;
  logLevel: LogLevel;
  untilStdinEnds?: true;
  json?: true;
}

export function addRegistrar(program: Command): void {
  program
    .command('registrar')
    .description('answer devices that ask for a certificate over the broker')
    .addOption(fleetOption())
    .option('--broker <address>', "mqtts://host:port, instead of the bundle's", brokerAddress)
    .option(
      '--days <days>',
      'how long a renewed certificate is valid (default: as long as before)',
      integer('--days', 1, MOST_DAYS),
    )
    .option(
      '--reload-pid <file>',
      'has the process id of a mosquitto to send SIGHUP when the roster changes',
      path('--reload-pid'),
    )
    .option('--reload-command <command>', 'for the shell, when the roster changes', path('--reload-command'))
    .option('--log-level <level>', LOG_LEVELS.join(', '), choice('--log-level', LOG_LEVELS), 'info')
    .addOption(new Option('--until-stdin-ends').hideHelp())
    .addHelpText('after', EXAMPLES)
    .action(async (flags) => (await import('../run/registrar.js')).runRegistrar(flags));
}
