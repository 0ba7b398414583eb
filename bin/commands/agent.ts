import { type Command, Option } from 'commander';
import { brokerAddress, collect, integer } from '../arguments.js';
import type { AgentSettings } from '../config/settings.js';

const HOUR_MS = 3_600_000;
const LEAST_MS = 50;

const EXAMPLES = `
Settings come from flags, then CHUNKMESH_* variables, then the file of --config; docs/OPERATIONS.md lists them.
SIGTERM or Ctrl-C ends it cleanly and keeps its state; a second one ends it at once.

Examples:
  $ chunkmesh agent --bundle /etc/chunkmesh/cam-1.json --store /var/lib/chunkmesh
  $ chunkmesh agent --config /etc/chunkmesh/agent.json
  $ CHUNKMESH_LOG_LEVEL=debug chunkmesh agent --config agent.json --json`;

export interface AgentFlags {
  bundle?: string;
  store?: string;
  seed?: readonly string[];
  listen?: string;
  broker?: string;
  config?: string;
  statusInterval?: number;
  joinWindow?: number;
  logLevel?: AgentSettings['logLevel'];
  untilStdinEnds?: true;
  json?: true;
}

export function addAgent(program: Command): void {
  program
    .command('agent')
    .description('run a device: follow its rollouts, fetch, verify, serve')
    .option('--bundle <file>', 'credential bundle of this device (required)')
    .option('--store <folder>', 'where artifacts are kept; one agent at a time (required)')
    .option('--seed <file>', 'a file that this device has already and may serve; may be repeated', collect)
    .option('--listen <host:port>', 'UDP address (default: 0.0.0.0 and any free port)')
    .option('--broker <address>', "mqtts://host:port, instead of the bundle's", brokerAddress)
    .addOption(new Option('--config <file>', 'settings as JSON').env('CHUNKMESH_CONFIG'))
    .option(
      '--status-interval <ms>',
      'shortest time between status messages (default: 2000)',
      integer('--status-interval', LEAST_MS, HOUR_MS),
    )
    .option(
      '--join-window <ms>',
      'join a new rollout after a random part of this (default: 1000)',
      integer('--join-window', LEAST_MS, HOUR_MS),
    )
    .option('--log-level <level>', 'debug, info, warn, error or silent (default: info)')
    .addOption(new Option('--until-stdin-ends').hideHelp())
    .addHelpText('after', EXAMPLES)
    .action(async (flags) => (await import('../run/agent.js')).runAgent(flags));
}
