import { randomInt } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { StatusMessage } from '../shared/control/messages.js';
import type { Standing } from '../shared/control/revocation.js';
import { asError, ChunkmeshError } from '../shared/errors.js';
import { ControlLink } from '../shared/mqtt/control_link.js';
import { VERSION } from '../shared/version.js';
import { checkAlert } from './alerts/alert_line.js';
import { Announcements } from './announcements.js';
import { type FleetClock, ownTime, signingTime, systemClock } from './clock.js';
import { Control, sealStatus } from './control.js';
import { makeRenewal, type Renewal } from './enrolment/renewal.js';
import { type Evidence, NO_CERTIFICATE } from './evidence/evidence.js';
import { Hearing } from './hearing.js';
import { Alarm } from './io/alarm.js';
import { TurnBudget } from './io/turn_budget.js';
import { Learning } from './learning.js';
import type { Metered } from './metered.js';
import { AgentCounts, type AgentMetrics, NO_DATAGRAMS } from './metrics.js';
import { Negotiation } from './negotiation.js';
import { type AgentEvents, type AgentOptions, checkOptions, httpRules, type Logger } from './options.js';
import { lastingFiles, ownFiles } from './own_files.js';
import { closeParts, everyStep, openParts, type Parts } from './parts.js';
import type { Recheck } from './recheck.js';
import { makeRecheck } from './rechecking.js';
import { LAST_WORD_MS, resumeWipe, wipe, wipedStatus, wipeStore } from './revocation/wiping.js';
import { Rollouts } from './rollouts.js';
import { SelfWatch } from './self_watch.js';
import { beginSession } from './sessions.js';
import { StatusClock, standingOf, statesOf, statusMessage } from './status.js';
import { ChunkBuffers } from './swarm/chunk_buffers.js';
import { type Limits, Throttle } from './throttle.js';
import type { NamedRollouts } from './transfer/hand_overs.js';
import type { TransferHost } from './transfer/host.js';
import { HTTP_PEER } from './transfer/http_fetch.js';
import { MAX_READ_AT_ONCE_BYTES } from './transfer/serving.js';
import { Transfer } from './transfer/transfer.js';

/** A device's side of chunkmesh: watches rollouts, fetches, verifies, serves. Options and events are in options.ts. */

const STATUS_INTERVAL_MS = 2_000;
/** What it grows to at the broker while nothing but progress moves (P-4.7). */
const MAX_STATUS_INTERVAL_MS = 32_000;
/** Longest sleep of the agent's own timer: deadlines that move without telling are met this late at most. */
const MAX_SLEEP_MS = 1_000;
/** What the broker gets to acknowledge the last status before the connection ends. */
const FAREWELL_MS = 1_000;
const RANDOM_RANGE = 2 ** 47;

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const now = (): number => performance.now();
const random = (): number => randomInt(RANDOM_RANGE) / RANDOM_RANGE;

/** What an agent holds while it runs. */
interface Running extends Parts {
  readonly control: Control;
  readonly announcements: Announcements;
  readonly negotiation: Negotiation;
  readonly hearing: Hearing;
  readonly recheck: Recheck | null;
  readonly learning: Learning;
  readonly renewal: Renewal;
  readonly selfWatch: SelfWatch;
}

export class Agent extends EventEmitter<AgentEvents> {
  readonly #options: AgentOptions;
  readonly #logger: Logger;
  readonly #status: StatusClock;
  readonly #rollouts: Rollouts;
  readonly #alarm = new Alarm(() => this.#tick());
  readonly #throttle: Throttle;
  readonly #buffers = new ChunkBuffers();
  readonly #counts = new AgentCounts();
  readonly #reads = new TurnBudget(MAX_READ_AT_ONCE_BYTES);
  readonly #ended = new AbortController();
  #running: Running | null = null;
  #evidence: Evidence | undefined;
  #clock: FleetClock = systemClock;
  /** The host's own, as of the last look. */
  #addresses: string | undefined;
  #starting: Promise<void> | null = null;
  #stopping: Promise<void> | null = null;
  #wiping = false;

  constructor(options: AgentOptions) {
    super();
    this.#options = checkOptions(options);
    this.#logger = options.logger ?? silent;
    this.#throttle = new Throttle(now(), options.limits);
    const interval = options.statusIntervalMs;
    this.#status = new StatusClock(interval ?? STATUS_INTERVAL_MS, interval ?? MAX_STATUS_INTERVAL_MS);
    this.#rollouts = new Rollouts({
      make: (artifact, rollouts) => this.#makeTransfer(artifact, rollouts),
      began: ({ name, version, artifact: bytes, size }, groups) => {
        const artifact = Buffer.from(bytes).toString('hex');
        this.#logger.info({ name, version, artifact, size, groups }, 'rollout');
        this.emit('rollout', { name, version, artifact, size });
      },
      moved: (transfer) => {
        this.#running?.announcements.forget(transfer);
        if (this.#rollouts.get(transfer.artifact) !== transfer) this.#counts.ended(transfer);
      },
      failed: (error) => this.#warn(asError(error, 'a rollout')),
    });
  }

  /**
   * Resolves when the agent runs; the broker may still be unreachable, which is a warning and tried again. Once.
   * @throws E_FILE_*, E_KEY_*, E_NOT_INSTALLED, E_BUNDLE, E_BUNDLE_ROLE, E_CERT_*, E_STORE_*, E_SOCKET; E_ARGUMENT where it was started or stopped
   *   before, or is stopped meanwhile. Nothing is left open then.
   */
  async start(): Promise<void> {
    if (this.#stopping !== null) throw new ChunkmeshError('E_ARGUMENT', 'the agent was stopped; make another');
    if (this.#starting !== null) throw new ChunkmeshError('E_ARGUMENT', 'an agent is started once');
    this.#starting = this.#start();
    await this.#starting;
  }

  /**
   * Closes every session and saves what was verified. What was being written is finished first, and a start that is under way is
   * ended.
   * @throws E_STORE_IO, E_DISK_FULL where the last could not be saved. Everything is closed all the same.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /**
   * What the agent may take of the network from now on, sessions that are there included. What is left out is not limited.
   * @throws E_CONFIG, with the limits before still in force; for a seed too, where they are of a metered link
   */
  setLimits(limits: Limits): void {
    const before = this.#throttle.metered;
    this.#throttle.set(now(), limits);
    if (before !== this.#throttle.metered) this.#onMetered(before);
    for (const transfer of this.#rollouts.all()) transfer.onHold();
    this.#running?.endpoint.wake();
    this.#alarm.now();
  }

  /** Those in force, to change some of: `agent.setLimits({ ...agent.limits, metered: 'fetch' })`. */
  get limits(): Limits {
    return this.#throttle.limits;
  }

  /** P-4.7 */
  status(): StatusMessage {
    return this.#statusNow(this.#running !== null && this.#stopping === null);
  }

  /**
   * P-15.8: what an operator is to see, signed, and acknowledges. @returns its number, once it is on the disk
   * @throws E_ALERT; E_ALERT_RATE, and it is counted; E_STORE_IO, E_DISK_FULL; E_ARGUMENT for an agent that does not run
   */
  async raiseAlert(kind: string, text = ''): Promise<number> {
    if (this.#running === null) throw new ChunkmeshError('E_ARGUMENT', 'an alert for an agent that does not run');
    return await this.#running.selfWatch.raise(checkAlert({ kind, text }));
  }

  /** As of now, of an agent that runs: what sessions and the store count is gone with them. */
  async metrics(): Promise<AgentMetrics> {
    const { store, endpoint, control } = this.#running ?? {};
    const storeBytes = (await store?.usedBytes().catch(() => null)) ?? null;
    return {
      ...this.#counts.of(this.#rollouts.all()),
      datagrams: endpoint?.stats ?? NO_DATAGRAMS,
      storeBytes,
      online: control?.link.online ?? false,
      replayed: control?.replayed ?? 0,
    };
  }

  async #start(): Promise<void> {
    await resumeWipe(this.#options);
    const parts = await openParts(this.#options, this.#ended.signal, {
      believed: ({ identity }) => this.#throttle.isOf(identity.role),
      flowed: (flow) => this.#throttle.watch(now(), HTTP_PEER, flow),
      warned: (error) => this.#warn(error),
    });
    this.#evidence = parts.evidence;
    this.#clock = parts.clock;
    let link: ControlLink | null = null;
    let selfWatch: SelfWatch | null = null;
    try {
      const learning = await Learning.open(parts.store, (error) => this.#warn(error));
      selfWatch = await this.#openSelfWatch(parts);
      this.#ended.signal.throwIfAborted();
      link = this.#openLink(parts, selfWatch);
      this.#running = { ...this.#assemble(parts, link, selfWatch), learning, selfWatch };
      const { bound, grantedReceiveBytes, socketKind } = parts.endpoint;
      this.#logger.info(
        { device: parts.credential.identity.id, ...bound, grantedReceiveBytes, socketKind },
        'agent runs',
      );
      if (parts.revocation.isIsolated) this.#onStanding(parts.revocation.standing);
      this.#alarm.now();
    } catch (error) {
      this.#running = null;
      this.#alarm.clear();
      await everyStep([async () => link?.close(), async () => selfWatch?.close(), () => closeParts(parts)]).catch(
        () => {},
      );
      throw error;
    }
  }

  #assemble(parts: Parts, link: ControlLink, selfWatch: SelfWatch): Omit<Running, 'learning' | 'selfWatch'> {
    const { clock, credential, endpoint } = parts;
    const seconds = () => this.#seconds();
    const control = new Control(credential, link, (device, how) => this.#counts.misbehaviour.add(device, how));
    const announcements = new Announcements(credential, control, random);
    const negotiation = new Negotiation(credential.identity.id, {
      ...{ now, clock, candidates: () => endpoint.candidates },
      transfer: (artifact) => this.#rollouts.get(artifact),
      revocation: parts.revocation,
      signal: (to, payload) => control.signal(to, payload),
      misbehaved: (device, how) => this.#counts.misbehaviour.add(device, how),
      agreed: (transfer, agreed) => {
        if (this.#stopping === null) beginSession({ endpoint, throttle: this.#throttle }, transfer, agreed, now());
      },
    });
    const renewal = makeRenewal(parts, link, this.#options, {
      ...{
        seconds: () => parts.clock.now(),
        random,
        warn: (error) => this.#warn(error),
        info: (...line) => this.#logger.info(...line),
      },
    });
    const speaking = { control, announcements, negotiation, renewal };
    const hearing = new Hearing(
      { ...parts, ...speaking, rollouts: this.#rollouts, selfWatch },
      {
        ...{ now, clock, self: credential.identity.id },
        changed: () => this.#changed(),
        refused: (error, times) => this.#warn(error, times),
      },
    );
    const recheck: Recheck | null = makeRecheck(parts, this.#rollouts, this.#options, {
      ...{ now, seconds },
      warn: (error, times) => this.#warn(error, times),
      stepped: () => this.#alarm.by(recheck?.deadline ?? Number.POSITIVE_INFINITY),
    });
    return { ...parts, ...speaking, hearing, recheck };
  }

  #openSelfWatch(parts: Parts): Promise<SelfWatch> {
    return SelfWatch.open(parts, this.#rollouts, this.#options, {
      ...{ now, seconds: () => this.#seconds(), random },
      changed: () => this.#changed(),
      stepped: () => this.#alarm.by(this.#running?.selfWatch.deadline ?? Number.POSITIVE_INFINITY),
      integrity: (row) => this.emit('integrity', row),
      repaired: (what) => this.emit('repaired', what),
      alert: (alert) => this.emit('alert', alert),
      warn: (error) => this.#warn(error),
    });
  }

  #openLink({ credential, clock, revocation }: Parts, selfWatch: SelfWatch): ControlLink {
    const { broker, mqtt } = this.#options;
    const will = () => sealStatus(credential, this.#statusNow(false, selfWatch));
    const link = new ControlLink(credential, {
      // Signed anew for each connection: by then the certificate may be another (P-13.12).
      get will() {
        return will();
      },
      time: clock,
      ...(broker !== undefined && { broker }),
      ...(mqtt !== undefined && { client: mqtt }),
    });
    revocation.attach(link, {
      now,
      enforce: (isNamed) => {
        this.#running?.negotiation.drop(isNamed);
        for (const transfer of this.#rollouts.all()) transfer.dropRevoked(isNamed);
      },
      standing: (standing) => this.#onStanding(standing),
      replay: (message) => this.#running?.hearing.onMessage(message),
      warn: (error) => this.#warn(error),
    });
    link.on('message', (message) => {
      if (this.#stopping === null) this.#running?.hearing.onMessage(message);
    });
    link.on('failure', (error) => this.#warn(error));
    link.on('offline', () => {
      this.#logger.info({ broker: link.broker }, 'broker lost');
      this.emit('offline');
    });
    link.on('online', () => {
      this.#logger.info({ broker: link.broker }, 'broker connected');
      this.emit('online');
      this.#running?.control.online(now());
      this.#status.forget();
      this.#status.changed();
      for (const transfer of this.#rollouts.all()) if (transfer.lonely) transfer.announcer.restart(now());
      this.#alarm.now();
    });
    return link;
  }

  /** P-14.7 */
  #onStanding(standing: Standing): void {
    if (standing !== 'good') this.#warn(new ChunkmeshError('E_REVOKED', `this device is ${standing}`));
    this.emit('standing', standing);
    if (standing === 'wiped') void this.#wipe();
    this.#changed();
  }

  async #wipe(): Promise<void> {
    this.#wiping = true;
    const warn = (error: ChunkmeshError): void => this.#warn(error);
    const wiped = await wipe(this.#options, this.#running?.credential, { stop: () => this.stop(), warn });
    if (wiped) this.emit('wiped');
  }

  async #stop(): Promise<void> {
    this.#ended.abort(new ChunkmeshError('E_ARGUMENT', 'the agent was stopped before it ran'));
    await this.#starting?.catch(() => {});
    const running = this.#running;
    if (running === null) return;
    this.#alarm.clear();
    // What the last status says is what there was: nothing is open any more when it is said.
    const last = this.#wiping
      ? wipedStatus(signingTime(this.#clock), running.revocation.version)
      : this.#statusNow(false);
    try {
      await everyStep([
        async () => running.recheck?.stop(),
        () => running.selfWatch.close(),
        () => this.#rollouts.stop(),
        () => running.learning.save(),
        () => running.endpoint.close(),
        async () => this.#wiping && wipeStore(this.#options),
        () => running.control.farewell(last, this.#wiping ? LAST_WORD_MS : FAREWELL_MS, this.#wiping),
        () => closeParts(running),
      ]);
    } finally {
      this.#running = null;
    }
  }

  #makeTransfer(artifact: string, rollouts: NamedRollouts): Transfer {
    const running = this.#running;
    if (running === null) throw new ChunkmeshError('E_INTERNAL', 'a rollout for an agent that does not run');
    const { credential, seeds, store, negotiation } = running;
    const transfer: Transfer = new Transfer({
      rollouts,
      artifact,
      host: this.#transferHost(running),
      ...(this.#options.joinWindowMs !== undefined && { joinWindowMs: this.#options.joinWindowMs }),
      seeding: this.#options.seeding ?? {},
      isSeed: credential.identity.role === 'seed',
      seeds,
      ownFiles: (name) => ownFiles(running, name, artifact),
      allowance: () => this.#rollouts.allowance(artifact),
      openStored: ({ name, version, size, chunks }) => store.openArtifact({ artifact, name, version, size, chunks }),
      hold: {
        covers: (name) => this.#throttle.holds(name),
        isSetAside: ({ size }) => store.isSetAside({ artifact, size }),
        files: (name) => lastingFiles(running, name),
      },
      news: () => running.announcements.forget(transfer),
      onPeerNamed: ({ device, site }) => {
        if (transfer.onlyGives || device === credential.identity.id) return;
        negotiation.seek(transfer, { device, site, seed: false });
      },
    });
    transfer.pause(!this.#throttle.isOpen(new Date()), running.revocation.isIsolated);
    this.#status.quiet(transfer.announcer.joinsAt);
    return transfer;
  }

  #transferHost(running: Running): TransferHost {
    return {
      ...{ self: running.credential.identity.id, site: running.credential.identity.site },
      ...{ now, random, logger: this.#logger, buffers: this.#buffers, reads: this.#reads },
      ...{ http: running.http, httpRules: httpRules(this.#options) },
      worth: (device) => running.learning.worth(device, this.#seconds()),
      learned: (device, lesson) => running.learning.learned(device, lesson, now(), this.#seconds()),
      misbehaved: (device, how) => this.#counts.misbehaviour.add(device, how),
      sentWrong: ({ device: accused, certificate = NO_CERTIFICATE }, wrong, bytes) => {
        if (running.evidence.add({ ...wrong, accused, certificate, at: this.#seconds() }, bytes)) this.#changed();
      },
      metered: () => this.#throttle.metered !== 'off',
      wake: () => running.endpoint.wake(),
      due: (at) => {
        if (this.#stopping === null) this.#alarm.by(at);
      },
      changed: () => {
        this.#status.changed();
        if (this.#stopping === null) this.#alarm.by(this.#status.due);
      },
      completed: (artifact) => {
        this.#logger.info({ ...artifact }, 'artifact complete');
        this.emit('complete', artifact);
        running.selfWatch.completed(artifact);
        this.#changed();
        running.store.dropOutlived().catch((error: unknown) => this.#warn(asError(error, 'the store')));
      },
      warning: (error) => this.#warn(error),
    };
  }

  #seconds(): number {
    return this.#clock.believed ? ownTime(this.#clock) : Math.floor(this.#clock.now());
  }

  #changed(): void {
    this.#status.changed();
    this.#alarm.now();
  }

  #onMetered(before: Metered): void {
    const { metered } = this.#throttle;
    this.#logger.info({ metered }, 'metered mode');
    this.#status.changed();
    if (before !== 'off' && metered !== 'off') return;
    for (const transfer of this.#rollouts.all()) {
      if (metered === 'off') this.#running?.announcements.forget(transfer);
      transfer.onMetered();
    }
  }

  /** The agent's own deadlines; those of sessions are the endpoint's. */
  #tick(): void {
    const running = this.#running;
    if (running === null || this.#stopping !== null) return;
    const { announcements, control, recheck, revocation, selfWatch } = running;
    const at = now();
    const paused = !this.#throttle.isOpen(new Date());
    if (this.#throttle.tick(at)) running.endpoint.wake();
    this.#watchAddresses(running, at);
    if (running.endpoint.sessionCount === 0) this.#buffers.clear();
    this.#rollouts.share(at);
    let deadline = Math.min(at + MAX_SLEEP_MS, this.#throttle.deadline, revocation.tick(at));
    for (const transfer of this.#rollouts.all()) {
      transfer.pause(paused, revocation.isIsolated);
      if (transfer.nextDeadline() <= at) transfer.tick();
      deadline = Math.min(deadline, transfer.nextDeadline());
      if (!revocation.mayMeet(at)) continue; // P-14.3
      announcements.tick(transfer, at, signingTime(this.#clock));
      deadline = Math.min(deadline, announcements.deadline(transfer));
    }
    recheck?.tick();
    selfWatch.tick(at);
    deadline = Math.min(deadline, recheck?.deadline ?? deadline, selfWatch.deadline);
    running.learning.tick(at);
    running.hearing.tick();
    running.renewal.tick();
    const groups = control.tick(at);
    if (groups.length > 0) this.#logger.info({ groups }, 'no word of these groups yet: is a rollout published?');
    if (at >= this.#status.due) this.#saySoFar(running, at);
    deadline = Math.min(deadline, this.#status.due);
    this.#alarm.by(deadline);
  }

  /** With other addresses, who could not be reached may be. */
  #watchAddresses({ endpoint }: Running, at: number): void {
    const addresses = endpoint.candidates.map(([host]) => host).join(' ');
    if (addresses === this.#addresses) return;
    if (this.#addresses !== undefined) {
      this.#logger.info({ addresses }, 'other addresses');
      for (const transfer of this.#rollouts.all()) if (transfer.lonely) transfer.announcer.restart(at);
    }
    this.#addresses = addresses;
  }

  #saySoFar({ control }: Running, at: number): void {
    for (const row of this.#rollouts.all().flatMap((transfer) => transfer.progress())) this.emit('progress', row);
    const status = this.#statusNow(true);
    const joining = this.#rollouts.all().filter(({ announcer }) => at < announcer.joinsAt);
    const states = statesOf(status, new Set(joining.map(({ artifact }) => artifact)));
    const publishes = this.#status.publishes(at, states);
    if (publishes) control.status(status);
    this.#status.said(at, publishes);
    control.askAgain();
  }

  #statusNow(online: boolean, selfWatch = this.#running?.selfWatch): StatusMessage {
    const transfers = this.#rollouts.all();
    const peers = transfers.reduce((sum, transfer) => sum + transfer.peers, 0);
    const rollouts = transfers.flatMap((transfer) => transfer.progress());
    const { metered } = this.#throttle;
    const at = this.#seconds();
    return statusMessage({
      ...{
        at: signingTime(this.#clock),
        online,
        agent: VERSION,
        peers,
        rollouts,
        reports: this.#evidence?.reports(at) ?? [],
      },
      ...(metered !== 'off' && { metered }),
      ...selfWatch?.said(),
      ...standingOf(this.#running?.revocation),
    });
  }

  /** @param times how often the like was refused, where not each is told. */
  #warn(error: ChunkmeshError, times?: number): void {
    const { code, remedy, cause } = error;
    this.#logger.warn({ code, remedy, cause, ...(times !== undefined && { times }) }, error.message);
    this.emit('warning', error);
  }
}
