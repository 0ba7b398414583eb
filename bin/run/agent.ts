import { Agent } from '../../agent/index.js';
import type { AgentOptions, CompletedArtifact, RolloutProgress } from '../../agent/options.js';
import { brokerAddress, listenAddress } from '../arguments.js';
import type { AgentFlags } from '../commands/agent.js';
import { resolveSettings, unknownVariables } from '../config/agent_config.js';
import type { AgentSettings } from '../config/settings.js';
import { stopRequested } from '../lifetime.js';
import { createLogger } from '../log.js';
import { output } from '../output.js';

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

export async function runAgent(flags: AgentFlags): Promise<void> {
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
