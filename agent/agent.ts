import { randomBytes, randomInt } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { resolve } from 'node:path';
import { checkRecent } from '../shared/control/envelope.js';
import { decodeMessage, type Rollout, type StatusMessage } from '../shared/control/messages.js';
import { ChunkmeshError } from '../shared/errors.js';
import { type Credential, loadCredential } from '../shared/identity/bundle.js';
import { MAX_SESSIONS_PER_ARTIFACT } from '../shared/limits.js';
import { ControlLink, type ControlMessage } from '../shared/mqtt/control_link.js';
import { VERSION } from '../shared/version.js';
import { Announcements } from './announcements.js';
import { Control, type Heard, sealStatus } from './control.js';
import { Alarm } from './io/alarm.js';
import { usableCandidates } from './io/candidates.js';
import { Endpoint } from './io/endpoint.js';
import { SeedFile } from './io/store/seed_file.js';
import { Store } from './io/store/store.js';
import { type AgreedSession, Negotiation, peerOf } from './negotiation.js';
import { type AgentEvents, type AgentOptions, checkOptions, type Logger } from './options.js';
import { Rollouts } from './rollouts.js';
import { StatusClock, statusMessage } from './status.js';
import { JOIN_WINDOW_MS } from './swarm/limits.js';
import type { TransferHost } from './transfer/host.js';
import { Transfer } from './transfer/transfer.js';
import { Session } from './transport/session.js';
import { TrustKeeper, trustMemorySchema } from './trust.js';

/** A device's side of chunkmesh: watches rollouts, fetches, verifies, serves. Options and events are in options.ts. */

const STATUS_INTERVAL_MS = 2_000;
/** Longest sleep of the agent's own timer: deadlines that move without telling are met this late at most. */
const MAX_SLEEP_MS = 1_000;
/** What the broker gets to acknowledge the last status before the connection ends. */
const FAREWELL_MS = 1_000;
const TRUST_DOCUMENT = 'trust';
/** P-7: a PING's token. */
const TOKEN_BYTES = 8;
const RANDOM_RANGE = 2 ** 47;

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const seconds = (): number => Math.floor(Date.now() / 1000);
const random = (): number => randomInt(RANDOM_RANGE) / RANDOM_RANGE;

/** What an agent holds while it runs. */
interface Running {
  readonly credential: Credential;
  readonly store: Store;
  readonly seeds: readonly SeedFile[];
  readonly endpoint: Endpoint;
  readonly control: Control;
  readonly announcements: Announcements;
  readonly trust: TrustKeeper;
  readonly negotiation: Negotiation;
}

export class Agent extends EventEmitter<AgentEvents> {
  readonly #options: AgentOptions;
  readonly #logger: Logger;
  readonly #status: StatusClock;
  readonly #rollouts: Rollouts;
  #running: Running | null = null;
  #starting = false;
  readonly #alarm = new Alarm(() => this.#tick());
  #stopping: Promise<void> | null = null;

  constructor(options: AgentOptions) {
    super();
    this.#options = checkOptions(options);
    this.#logger = options.logger ?? silent;
    this.#status = new StatusClock(options.statusIntervalMs ?? STATUS_INTERVAL_MS);
    this.#rollouts = new Rollouts({
      make: (artifact, rollout, group) => this.#makeTransfer(artifact, rollout, group),
      ended: (transfer) => this.#running?.announcements.forget(transfer),
    });
  }

  /**
   * Resolves when the agent runs; the broker may still be unreachable, which is a warning and tried again. Once.
   * @throws E_FILE_*, E_KEY_FILE_MODE, E_BUNDLE, E_CERT_*, E_STORE_*, E_SOCKET, E_ARGUMENT
   */
  async start(): Promise<void> {
    if (this.#starting) throw new ChunkmeshError('E_ARGUMENT', 'an agent is started once');
    this.#starting = true;
    const opened: { close(): Promise<void> }[] = [];
    try {
      this.#running = await this.#open((part) => {
        opened.push(part);
        return part;
      });
    } catch (error) {
      for (const part of opened.reverse()) await part.close();
      throw error;
    }
    const { credential, endpoint } = this.#running;
    const { bound, grantedReceiveBytes } = endpoint;
    this.#logger.info({ device: credential.identity.id, ...bound, grantedReceiveBytes }, 'agent runs');
    this.#alarm.now();
  }

  /** Closes every session and saves what was verified. What was being written is finished first. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** P-4.7 */
  status(): StatusMessage {
    return this.#statusNow(this.#running !== null && this.#stopping === null);
  }

  async #open(keep: <T extends { close(): Promise<void> }>(part: T) => T): Promise<Running> {
    const { credential: given, listen = {} } = this.#options;
    const credential = typeof given === 'string' ? await loadCredential(given, seconds()) : given;
    const { id, role } = credential.identity;
    if (role !== 'device' && role !== 'seed') {
      throw new ChunkmeshError(
        'E_BUNDLE',
        `the bundle is of ${id}, a ${role}; an agent needs one of a device or a seed`,
      );
    }
    const store = keep(await Store.open(resolve(this.#options.store)));
    const endpoint = keep(await Endpoint.open(listen.host ?? '0.0.0.0', listen.port ?? 0));
    const seeds: SeedFile[] = [];
    for (const path of this.#options.seeds ?? []) seeds.push(keep(await SeedFile.index(path)));
    const trust = new TrustKeeper(credential, (await store.readState(TRUST_DOCUMENT, trustMemorySchema)) ?? {});
    const control = new Control(credential, this.#openLink(credential));
    const announcements = new Announcements(credential, control);
    const negotiation = new Negotiation(credential.identity.id, {
      now: () => performance.now(),
      seconds,
      candidates: () => endpoint.candidates,
      transfer: (artifact) => this.#rollouts.get(artifact),
      signal: (to, payload) => control.signal(to, payload),
      agreed: (transfer, agreed) => this.#connect(transfer, agreed),
    });
    return { credential, store, seeds, endpoint, control, announcements, trust, negotiation };
  }

  #openLink(credential: Credential): ControlLink {
    const { broker, mqtt } = this.#options;
    const link = new ControlLink(credential, {
      will: sealStatus(credential, this.#statusNow(false)),
      ...(broker !== undefined && { broker }),
      ...(mqtt !== undefined && { client: mqtt }),
    });
    link.on('message', (message) => this.#onMessage(message));
    link.on('failure', (error) => this.#warn(error));
    link.on('offline', () => {
      this.#logger.info({ broker: link.broker }, 'broker lost');
      this.emit('offline');
    });
    link.on('online', () => {
      this.#logger.info({ broker: link.broker }, 'broker connected');
      this.emit('online');
      this.#status.changed();
      for (const transfer of this.#rollouts.all()) if (transfer.lonely) transfer.announcer.restart(performance.now());
      this.#alarm.now();
    });
    return link;
  }

  async #stop(): Promise<void> {
    const running = this.#running;
    if (running === null) return;
    this.#alarm.clear();
    await this.#rollouts.stop();
    await running.endpoint.close();
    await running.control.farewell(this.#statusNow(false), FAREWELL_MS);
    for (const seed of running.seeds) await seed.close();
    await running.store.close();
    this.#running = null;
  }

  #onMessage(message: ControlMessage): void {
    const running = this.#running;
    if (running === null || this.#stopping !== null) return;
    const now = performance.now();
    let heard: Heard | null = null;
    try {
      heard = running.control.open(message, now, seconds());
      if (heard !== null) this.#take(heard, running);
    } catch (error) {
      const refused = asError(error, `message on ${message.topic}`);
      const times = running.control.refused(message.topic, heard, refused.code, now);
      if (times !== null) this.#warn(refused, times);
    }
  }

  #take({ topic, opened }: Heard, running: Running): void {
    const { trust, store, negotiation } = running;
    if (topic.name === 'trust') {
      const message = trust.accept(topic.group, opened, seconds());
      running.control.heardOf(topic.group, message !== null);
      if (message === null) return;
      const remember = (): Promise<void> => store.writeState(TRUST_DOCUMENT, trust.memory);
      this.#rollouts
        .apply(topic.group, message.rollouts, remember)
        .catch((error: unknown) => {
          trust.forget(topic.group);
          running.control.unheard(topic.group);
          this.#warn(asError(error, `rollouts of group ${topic.group}`));
        })
        .finally(() => this.#changed());
    } else if (topic.name === 'signal') {
      negotiation.onSignal(opened);
    } else if (topic.name === 'have') {
      const transfer = this.#rollouts.get(topic.artifact);
      const { id, groups } = opened.signer.identity;
      if (transfer === undefined || id === running.credential.identity.id || !transfer.isAudience(groups)) return; // P-5.4
      const have = decodeMessage('have', opened.payload);
      checkRecent(have.at, seconds());
      const peer = peerOf(opened);
      if (!running.announcements.heard(transfer, peer, have, performance.now(), random)) return;
      // P-5.6: with room for all of them, it has no session left.
      const alone = have.room >= MAX_SESSIONS_PER_ARTIFACT;
      negotiation.offer(transfer, peer, alone ? have.at : undefined);
    }
  }

  #makeTransfer(artifact: string, rollout: Rollout, group: string): Transfer {
    const running = this.#running;
    if (running === null) throw new ChunkmeshError('E_INTERNAL', 'a rollout for an agent that does not run');
    const { name, version, size, chunks } = rollout;
    this.#logger.info({ name, version, artifact, size, group }, 'rollout');
    this.emit('rollout', { name, version, artifact, size });
    const transfer: Transfer = new Transfer({
      rollout,
      artifact,
      group,
      host: this.#transferHost(running),
      joinWindowMs: this.#options.joinWindowMs ?? JOIN_WINDOW_MS,
      isSeed: running.credential.identity.role === 'seed',
      seeds: running.seeds,
      openStored: () => running.store.openArtifact({ artifact, name, version, size, chunks }),
      onPeerNamed: ({ device, site }) => {
        if (transfer.complete || device === running.credential.identity.id) return;
        running.negotiation.offer(transfer, { device, site, seed: false }); // P-10.3
      },
    });
    return transfer;
  }

  #transferHost(running: Running): TransferHost {
    return {
      now: () => performance.now(),
      random,
      logger: this.#logger,
      wake: () => running.endpoint.wake(),
      changed: () => {
        this.#status.changed();
        if (this.#stopping === null) this.#alarm.by(this.#status.due);
      },
      completed: (artifact) => {
        this.#logger.info({ ...artifact }, 'artifact complete');
        this.emit('complete', artifact);
        this.#changed();
      },
      warning: (error) => this.#warn(error),
    };
  }

  #connect(transfer: Transfer, { peer, candidates, ...agreed }: AgreedSession): void {
    const running = this.#running;
    if (running === null || this.#stopping !== null) return;
    const usable = usableCandidates(candidates, running.endpoint.candidates);
    const { session, pump } = transfer.connect(peer, (events) => {
      return new Session({
        ...agreed,
        now: performance.now(),
        chunkCount: transfer.rollout.chunks,
        candidates: usable.length,
        token: () => new Uint8Array(randomBytes(TOKEN_BYTES)),
        events,
      });
    });
    running.endpoint.attach(agreed.localId, session, usable, pump);
  }

  #changed(): void {
    this.#status.changed();
    this.#alarm.now();
  }

  /** The agent's own deadlines; those of sessions are the endpoint's. */
  #tick(): void {
    const running = this.#running;
    if (running === null || this.#stopping !== null) return;
    const { announcements } = running;
    const now = performance.now();
    let deadline = now + MAX_SLEEP_MS;
    for (const transfer of this.#rollouts.all()) {
      if (transfer.nextDeadline(now) <= now) transfer.tick();
      announcements.tick(transfer, now, seconds());
      deadline = Math.min(deadline, transfer.nextDeadline(now), announcements.deadline(transfer));
    }
    if (now >= this.#status.due) this.#saySoFar(running, now);
    deadline = Math.min(deadline, this.#status.due);
    this.#alarm.by(deadline);
  }

  #saySoFar({ control }: Running, now: number): void {
    for (const transfer of this.#rollouts.all()) this.emit('progress', transfer.progress());
    this.#status.said(now);
    control.askAgain();
    control.status(this.#statusNow(true));
  }

  #statusNow(online: boolean): StatusMessage {
    const transfers = this.#rollouts.all();
    const peers = transfers.reduce((sum, transfer) => sum + transfer.peers, 0);
    const rollouts = transfers.map((transfer) => transfer.progress());
    return statusMessage({ at: seconds(), online, agent: VERSION, peers, rollouts });
  }

  /** @param times how often the like was refused, where not each is told. */
  #warn(error: ChunkmeshError, times?: number): void {
    const { code, remedy, cause } = error;
    this.#logger.warn({ code, remedy, cause, ...(times !== undefined && { times }) }, error.message);
    this.emit('warning', error);
  }
}

function asError(error: unknown, what: string): ChunkmeshError {
  return error instanceof ChunkmeshError ? error : new ChunkmeshError('E_INTERNAL', what, { cause: error });
}
