import { Agent } from '../../agent/index.js';
import type {
  AgentOptions,
  CompletedArtifact,
  HttpOptions,
  Limits,
  Logger,
  RolloutProgress,
} from '../../agent/options.js';
import { asError, ChunkmeshError } from '../../shared/errors.js';
import { brokerAddress, listenAddress, metricsAddress } from '../arguments.js';
import type { AgentFlags } from '../commands/agent.js';
import { namedPaths, resolveSettings, unknownVariables } from '../config/agent_config.js';
import type { AgentSettings } from '../config/settings.js';
import { stopRequested } from '../lifetime.js';
import { createLogger } from '../log.js';
import type { MetricsServer } from '../metrics/metrics_server.js';
import { output } from '../output.js';

/** Of flags or settings: they have the same names. */
function limitsOf({ upRate, downRate, peerUpRate, peerDownRate, hours, metered, hold }: Limits): Limits {
  return {
    ...(upRate !== undefined && { upRate }),
    ...(downRate !== undefined && { downRate }),
    ...(peerUpRate !== undefined && { peerUpRate }),
    ...(peerDownRate !== undefined && { peerDownRate }),
    ...(hours !== undefined && { hours }),
    ...(metered !== undefined && { metered }),
    ...(hold !== undefined && { hold }),
  };
}

type StoreLimits = Pick<AgentOptions, 'storeQuota' | 'recheckDays' | 'recheckRate'>;

/** Of flags or settings, as above. */
function storeLimitsOf({
  storeQuota,
  recheckDays,
  recheckRate,
}: Partial<Record<keyof StoreLimits, number | undefined>>): StoreLimits {
  return {
    ...(storeQuota !== undefined && { storeQuota }),
    ...(recheckDays !== undefined && { recheckDays }),
    ...(recheckRate !== undefined && { recheckRate }),
  };
}

type StandingOptions = Pick<AgentOptions, 'installed' | 'integrityHours' | 'repair' | 'alerts' | 'alertsGroup'>;

/** Of settings, or of flags but for what is installed. */
function standingOf({
  installed,
  integrityHours,
  repair,
  alerts,
  alertsGroup,
}: { [K in keyof StandingOptions]?: StandingOptions[K] | undefined }): StandingOptions {
  return {
    ...(installed !== undefined && { installed }),
    ...(integrityHours !== undefined && { integrityHours }),
    ...(repair !== undefined && { repair }),
    ...(alerts !== undefined && { alerts }),
    ...(alertsGroup !== undefined && { alertsGroup }),
  };
}

function settingsOf(flags: AgentFlags): AgentSettings {
  const { bundle, store, seed, listen, broker, statusInterval, joinWindow, logLevel } = flags;
  const { http, httpAfter, httpMaxBytes, httpCa, renew, metrics, seedSeconds, seedRatio } = flags;
  return {
    ...(bundle !== undefined && { bundle }),
    ...(store !== undefined && { store }),
    ...(seed !== undefined && { seeds: [...seed] }),
    ...(listen !== undefined && { listen }),
    ...(broker !== undefined && { broker }),
    ...(statusInterval !== undefined && { statusIntervalMs: statusInterval }),
    ...(joinWindow !== undefined && { joinWindowMs: joinWindow }),
    ...(http !== undefined && { http }),
    ...(httpAfter !== undefined && { httpAfterSeconds: httpAfter }),
    ...(httpMaxBytes !== undefined && { httpMaxBytes }),
    ...(httpCa !== undefined && { httpCa }),
    ...(renew !== undefined && { renew }),
    ...(metrics !== undefined && { metrics }),
    ...(seedSeconds !== undefined && { seedSeconds }),
    ...(seedRatio !== undefined && { seedRatio }),
    ...(logLevel !== undefined && { logLevel }),
    ...limitsOf(flags),
    ...storeLimitsOf(flags),
    ...standingOf({ ...flags, installed: undefined }),
    ...(flags.installed !== undefined && { installed: namedPaths(flags.installed, '--installed') }),
  };
}

function httpOf({ http, httpAfterSeconds, httpMaxBytes, httpCa }: AgentSettings): HttpOptions {
  return {
    ...(http !== undefined && { use: http }),
    ...(httpAfterSeconds !== undefined && { afterSeconds: httpAfterSeconds }),
    ...(httpMaxBytes !== undefined && { maxBytes: httpMaxBytes }),
    ...(httpCa !== undefined && { ca: httpCa }),
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
  agent.on('integrity', (row) => output.json({ event: 'integrity', ...row }));
  agent.on('repaired', (what) => output.json({ event: 'repaired', ...what }));
  agent.on('alert', (alert) => output.json({ event: 'alert', ...alert }));
  agent.on('standing', (standing) => output.json({ event: 'standing', standing }));
  agent.on('wiped', () => output.json({ event: 'wiped' }));
  agent.on('warning', ({ code, message, remedy }) => output.json({ event: 'warning', code, message, remedy }));
}

function resolved(flags: AgentFlags): ReturnType<typeof resolveSettings> {
  const { config: file } = flags;
  return resolveSettings({ flags: settingsOf(flags), environment: process.env, ...(file !== undefined && { file }) });
}

/** What a person changed in the file since is in force from now on; a mistake in it is told, and changes nothing. */
async function readLimitsAnew(agent: Agent, flags: AgentFlags, logger: Logger): Promise<void> {
  try {
    const limits = limitsOf(await resolved(flags));
    agent.setLimits(limits);
    logger.info({ ...limits }, 'limits');
  } catch (error) {
    const { code, message, remedy } = asError(error, 'the configuration');
    logger.warn({ code, remedy }, message);
  }
}

/** `SIGUSR2`, from the first moment: who tells of a network that came up may be early, and the signal would end the process. */
class Signalled {
  #early = false;
  #act: () => void = () => {
    this.#early = true;
  };
  readonly #onSignal = (): void => this.#act();

  constructor() {
    process.on('SIGUSR2', this.#onSignal);
  }

  /** From now on, and at once where it came before. One after the other: what was read last is what counts. */
  do(act: () => Promise<void>): void {
    let acting = Promise.resolve();
    this.#act = () => {
      acting = acting.then(act);
    };
    if (this.#early) this.#act();
  }

  end(): void {
    process.off('SIGUSR2', this.#onSignal);
  }
}

export async function runAgent(flags: AgentFlags): Promise<void> {
  const signalled = new Signalled();
  try {
    await run(flags, signalled);
  } finally {
    signalled.end();
  }
}

async function run(flags: AgentFlags, signalled: Signalled): Promise<void> {
  const settings = await resolved(flags);
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
    seeding: { seconds: settings.seedSeconds, ratio: settings.seedRatio },
    limits: limitsOf(settings),
    ...storeLimitsOf(settings),
    ...standingOf(settings),
    http: httpOf(settings),
    ...(settings.renew !== undefined && { renew: settings.renew }),
  };
  const agent = new Agent(options);
  if (flags.json) printEvents(agent);
  signalled.do(() => readLimitsAnew(agent, flags, logger));
  const wiped = new Promise<never>((_, reject) => {
    agent.once('wiped', () => reject(new ChunkmeshError('E_WIPED', `${store} and the bundle are gone`)));
  });
  wiped.catch(() => {});
  const stop = stopRequested({ untilStdinEnds: flags.untilStdinEnds === true });
  const metrics = settings.metrics === undefined ? null : await serveMetrics(agent, settings.metrics);
  try {
    if (metrics !== null) logger.info({ url: metrics.url }, 'metrics');
    if (metrics !== null && flags.json) output.json({ event: 'metrics', url: metrics.url });
    // A wish to stop does not wait for the start to end.
    const why = await Promise.race([stop, wiped, agent.start().then(() => stop)]);
    logger.info({ why }, 'stopping');
    await agent.stop();
  } finally {
    await metrics?.close();
  }
}

/** Loaded where it is wanted: who does not ask for it pays no memory. @throws E_ARGUMENT, E_SOCKET */
async function serveMetrics(agent: Agent, text: string): Promise<MetricsServer> {
  const { host, port } = metricsAddress(text);
  const { MetricsServer: Made } = await import('../metrics/metrics_server.js');
  const { CONTENT_TYPE, exposition } = await import('../metrics/exposition.js');
  return Made.listen(host, port, async () => ({ type: CONTENT_TYPE, text: await exposition(await agent.metrics()) }));
}
