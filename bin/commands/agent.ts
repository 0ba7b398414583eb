import { type Command, Option } from 'commander';
import { Agent } from '../../agent/index.js';
import type { AgentOptions, CompletedArtifact, RolloutProgress } from '../../agent/options.js';
import { brokerAddress, collect, integer, listenAddress } from '../arguments.js';
import { resolveSettings, unknownVariables } from '../config/agent_config.js';
import type { AgentSettings } from '../config/settings.js';
import { stopRequested } from '../lifetime.js';
import { createLogger } from '../log.js';
import { output } from '../output.js';

const HOUR_MS = 3_600_000;
const LEAST_MS = 50;

const EXAMPLES = `
Settings come from flags, then CHUNKMESH_* variables, then the file of --config; docs/OPERATIONS.md lists them.
SIGTERM or Ctrl-C ends it cleanly and keeps its state; a second one ends it at once.

Examples:
  $ chunkmesh agent --bundle /etc/chunkmesh/cam-1.json --store /var/lib/chunkmesh
  $ chunkmesh agent --config /etc/chunkmesh/agent.json
  $ CHUNKMESH_LOG_LEVEL=debug chunkmesh agent --config agent.json --json`;

interface AgentFlags {
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
    .option('--bundle <file>', 'credential bundle of this device')
    .option('--store <folder>', 'where artifacts are kept; one agent at a time')
    .option('--seed <file>', 'a file that this device has already and may serve; may be repeated', collect)
    .option('--listen <host:port>', 'UDP address (default: 0.0.0.0 and any free port)')
    .option('--broker <address>', "mqtts://host:port, instead of the bundle's", brokerAddress)
    .addOption(new Option('--config <file>', 'settings as JSON').env('CHUNKMESH_CONFIG'))
    .option(
      '--status-interval <ms>',
      'shortest time between status messages',
      integer('--status-interval', LEAST_MS, HOUR_MS),
    )
    .option(
      '--join-window <ms>',
      'join a new rollout after a random part of this',
      integer('--join-window', LEAST_MS, HOUR_MS),
    )
    .option('--log-level <level>', 'debug, info, warn, error or silent (default: info)')
    .addOption(new Option('--until-stdin-ends').hideHelp())
    .addHelpText('after', EXAMPLES)
    .action(runAgent);
}

function settingsOf(flags: AgentFlags): AgentSettings {
  const { bundle, store, seed, listen, broker, statusInterval, joinWindow, logLevel } = flags;
  return {
    ...(bundle !== undefined && { bundle }),
    ...(store !== undefined && { store }),
    ...(seed !== undefined && { seeds: [...seed] }),
    ...(listen !== undefined && { listen }),
    ...(broker !== undefined && { broker }),
    ...(statusInterval !== undefined && { statusIntervalMs: statusInterval }),
    ...(joinWindow !== undefined && { joinWindowMs: joinWindow }),
    ...(logLevel !== undefined && { logLevel }),
  };
}

/** Bytes as hex: JSON has none. */
function plain(progress: RolloutProgress): object {
  return { ...progress, artifact: Buffer.from(progress.artifact).toString('hex') };
}

/** The finished artifact with the account of where its bytes came from. */
function completion(agent: Agent, done: CompletedArtifact): object {
  const progress = agent.status().rollouts.find(({ name, version }) => name === done.name && version === done.version);
  return { event: 'complete', ...(progress && plain(progress)), ...done };
}

function printEvents(agent: Agent): void {
  agent.on('online', () => output.json({ event: 'online' }));
  agent.on('offline', () => output.json({ event: 'offline' }));
  agent.on('rollout', (rollout) => output.json({ event: 'rollout', ...rollout }));
  agent.on('progress', (progress) => output.json({ event: 'progress', ...plain(progress) }));
  agent.on('complete', (done) => output.json(completion(agent, done)));
  agent.on('warning', ({ code, message, remedy }) => output.json({ event: 'warning', code, message, remedy }));
}

async function runAgent(flags: AgentFlags): Promise<void> {
  const settings = await resolveSettings({
    flags: settingsOf(flags),
    environment: process.env,
    ...(flags.config !== undefined && { file: flags.config }),
  });
  const { bundle, store, seeds, listen, broker, statusIntervalMs, joinWindowMs, logLevel = 'info' } = settings;
  const logger = createLogger(logLevel);
  for (const line of unknownVariables(process.env)) logger.warn({}, line);
  const options: AgentOptions = {
    credential: bundle,
    store,
    logger,
    ...(seeds !== undefined && { seeds }),
    ...(listen !== undefined && { listen: listenAddress(listen) }),
    ...(broker !== undefined && { broker: brokerAddress(broker) }),
    ...(statusIntervalMs !== undefined && { statusIntervalMs }),
    ...(joinWindowMs !== undefined && { joinWindowMs }),
  };
  const agent = new Agent(options);
  if (flags.json) printEvents(agent);
  const stop = stopRequested({ untilStdinEnds: flags.untilStdinEnds === true });
  // A wish to stop does not wait for the start to end.
  const why = await Promise.race([stop, agent.start().then(() => stop)]);
  logger.info({ why }, 'stopping');
  await agent.stop();
}
