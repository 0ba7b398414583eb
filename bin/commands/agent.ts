import { type Command, Option } from 'commander';
import { RENEW_HOWS, type RenewHow } from '../../agent/enrolment/renew_how.js';
import { HTTP_USES, type HttpUse, MAX_HTTP_AFTER_SECONDS } from '../../agent/http_rules.js';
import { REPAIRS, type Repairs } from '../../agent/integrity/repair.js';
import { MAX_INTEGRITY_HOURS } from '../../agent/integrity_limits.js';
import { METERED, type Metered } from '../../agent/metered.js';
import { MAX_SEED_RATIO, MAX_SEED_SECONDS } from '../../agent/transfer/retirement.js';
import {
  brokerAddress,
  bytesArgument,
  choice,
  collect,
  daysArgument,
  decimal,
  integer,
  path,
  rateArgument,
  sizeArgument,
} from '../arguments.js';
import type { AgentSettings } from '../config/settings.js';
import { fromEnvironment } from './fleet_option.js';

const HOUR_MS = 3_600_000;
const LEAST_MS = 50;

const EXAMPLES = `
Settings come from flags, then CHUNKMESH_* variables, then the file of --config; docs/OPERATIONS.md lists them.
SIGTERM or Ctrl-C ends it cleanly and keeps its state; a second one ends it at once.
SIGUSR2 has it read rates, hours, the metered mode and what is held back anew from the file of --config.

Examples:
  $ chunkmesh agent --bundle /etc/chunkmesh/cam-1.json --store /var/lib/chunkmesh
  $ chunkmesh agent --bundle credential:cam-1.json --store /var/lib/chunkmesh
  $ chunkmesh agent --config /etc/chunkmesh/agent.json
  $ CHUNKMESH_LOG_LEVEL=debug chunkmesh agent --config agent.json --json`;

export interface AgentFlags {
  bundle?: string;
  store?: string;
  storeQuota?: number;
  recheckDays?: number;
  recheckRate?: number;
  installed?: readonly string[];
  integrityHours?: number;
  repair?: Repairs;
  alerts?: string;
  alertsGroup?: string;
  seed?: readonly string[];
  listen?: string;
  broker?: string;
  config?: string;
  statusInterval?: number;
  joinWindow?: number;
  seedSeconds?: number;
  seedRatio?: number;
  upRate?: number;
  downRate?: number;
  peerUpRate?: number;
  peerDownRate?: number;
  hours?: string;
  metered?: Metered;
  hold?: string;
  http?: HttpUse;
  httpAfter?: number;
  httpMaxBytes?: number;
  httpCa?: string;
  renew?: RenewHow;
  metrics?: string;
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
    .option(
      '--store-quota <size>',
      'most that artifacts in the store may take, as 500M or 20G; old ones are removed (default: no limit)',
      sizeArgument('--store-quota'),
    )
    .option(
      '--recheck-days <days>',
      'how often what it serves is read again to find what rotted, as 7 or 0.5; 0 for never (default: 7)',
      daysArgument('--recheck-days'),
    )
    .option('--recheck-rate <rate>', 'most that it reads for that (default: 4M)', rateArgument('--recheck-rate'))
    .option(
      '--installed <name=path>',
      'the file or block device that the rollout of that name is installed at, hashed again and again; may be repeated',
      collect,
    )
    .option(
      '--integrity-hours <hours>',
      'how often it is, as 24 or 0.5; 0 for never (default: 24)',
      decimal('--integrity-hours', MAX_INTEGRITY_HOURS),
    )
    .option(
      '--repair <where>',
      'never, store or installed: mend what is wrong there nowhere, in the store alone, or in place (default: never)',
      choice('--repair', REPAIRS),
    )
    .option(
      '--alerts <path>',
      'a unix socket by which processes of this device raise alerts (default: none)',
      path('--alerts'),
    )
    .option('--alerts-group <group>', 'name or number of a group that may write to it too (default: none)')
    .option('--seed <file>', 'a file or block device that this device has and may serve; may be repeated', collect)
    .option('--listen <host:port>', 'UDP address, no name (default: 0.0.0.0 and any free port)')
    .option('--broker <address>', "mqtts://host:port, instead of the bundle's", brokerAddress)
    .addOption(
      fromEnvironment(new Option('--config <file>', 'settings as JSON'), 'CHUNKMESH_CONFIG').argParser(
        path('--config'),
      ),
    )
    .option(
      '--status-interval <ms>',
      `shortest time between status messages, ${LEAST_MS} to ${HOUR_MS} (default: 2000)`,
      integer('--status-interval', LEAST_MS, HOUR_MS),
    )
    .option(
      '--join-window <ms>',
      `join a new rollout after a random part of this, ${LEAST_MS} to ${HOUR_MS} (default: 1000)`,
      integer('--join-window', LEAST_MS, HOUR_MS),
    )
    .option(
      '--seed-seconds <s>',
      'how long it serves what is complete (default: as long as a rollout names it)',
      integer('--seed-seconds', 0, MAX_SEED_SECONDS),
    )
    .option(
      '--seed-ratio <copies>',
      'how many copies it serves of what is complete (default: no limit)',
      decimal('--seed-ratio', MAX_SEED_RATIO),
    )
    .option(
      '--up-rate <rate>',
      'most that it sends, in bytes a second, as 500k or 2.5M (default: no limit)',
      rateArgument('--up-rate'),
    )
    .option('--down-rate <rate>', 'most that it has its peers send (default: no limit)', rateArgument('--down-rate'))
    .option(
      '--peer-up-rate <rate>',
      'most that it sends to one peer (default: no limit)',
      rateArgument('--peer-up-rate'),
    )
    .option(
      '--peer-down-rate <rate>',
      'most that it has one peer send (default: no limit)',
      rateArgument('--peer-down-rate'),
    )
    .option('--hours <spans>', 'when it fetches and serves what is not urgent, as 22:00-06:00 (default: always)')
    .option(
      '--metered <mode>',
      'off, fetch or urgent: over a link that costs money by the byte, serve nobody (default: off)',
      choice('--metered', METERED),
    )
    .option(
      '--hold <names>',
      'rollouts that it neither fetches nor writes, with commas between, or all; it serves what its own files share with them (default: none)',
    )
    .option(
      '--http <use>',
      "never, no-peer or always: ask the servers of a rollout's URLs not at all, for what no peer brings, or beside peers (default: no-peer)",
      choice('--http', HTTP_USES),
    )
    .option(
      '--http-after <seconds>',
      `not sooner after a rollout begins, 0 to ${MAX_HTTP_AFTER_SECONDS} (default: 10)`,
      integer('--http-after', 0, MAX_HTTP_AFTER_SECONDS),
    )
    .option(
      '--http-max-bytes <bytes>',
      'most that is asked of them for one artifact, as 500k or 2.5G (default: no limit)',
      bytesArgument('--http-max-bytes'),
    )
    .option('--http-ca <file>', 'certificates of who may vouch for https servers', path('--http-ca'))
    .option(
      '--renew <how>',
      'never, same-key or new-key: how its certificate is renewed before it ends (default: same-key)',
      choice('--renew', RENEW_HOWS),
    )
    .option(
      '--metrics <host:port>',
      'serve metrics for Prometheus there; :9464 is of this host alone (default: nowhere)',
    )
    .option('--log-level <level>', 'debug, info, warn, error or silent (default: info)')
    .addOption(new Option('--until-stdin-ends').hideHelp())
    .addHelpText('after', EXAMPLES)
    .action(async (flags) => (await import('../run/agent.js')).runAgent(flags));
}
