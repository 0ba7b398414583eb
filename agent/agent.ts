import { randomBytes, randomInt } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { type Opened, openEnvelope, sealEnvelope } from '../shared/control/envelope.js';
import { decodeMessage, encodeMessage, type Rollout, type StatusMessage } from '../shared/control/messages.js';
import { type ParsedTopic, parseTopic, shardOf, TOPICS, topics } from '../shared/control/topics.js';
import { ChunkmeshError } from '../shared/errors.js';
import { type Credential, loadCredential } from '../shared/identity/bundle.js';
import { ControlLink, type ControlMessage } from '../shared/mqtt/control_link.js';
import { VERSION } from '../shared/version.js';
import { CLOSE } from '../shared/wire/frames/close.js';
import { usableCandidates } from './io/candidates.js';
import { Endpoint } from './io/endpoint.js';
import { SeedFile } from './io/store/seed_file.js';
import { Store } from './io/store/store.js';
import { type AgreedSession, Negotiation, peerOf } from './negotiation.js';
import type { AgentEvents, AgentOptions, CompletedArtifact, Logger } from './options.js';
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
const MIN_SLEEP_MS = 5;
/** What the broker gets to acknowledge the last status before the connection ends. */
const FAREWELL_MS = 1_000;
const TRUST_DOCUMENT = 'trust';
/** P-7: a PING's token. */
const TOKEN_BYTES = 8;
const RANDOM_RANGE = 2 ** 47;

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const seconds = (): number => Math.floor(Date.now() / 1000);
const random = (): number => randomInt(RANDOM_RANGE) / RANDOM_RANGE;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** What an agent holds while it runs. */
interface Running {
  readonly credential: Credential;
  readonly store: Store;
  readonly seeds: readonly SeedFile[];
  readonly endpoint: Endpoint;
  readonly link: ControlLink;
  readonly trust: TrustKeeper;
  readonly negotiation: Negotiation;
}

export class Agent extends EventEmitter<AgentEvents> {
  readonly #options: AgentOptions;
  readonly #logger: Logger;
  readonly #transfers = new Map<string, Transfer>();
  readonly #announced = new Set<Transfer>();
  readonly #listening = new Map<Transfer, string>();
  readonly #status: StatusClock;
  #running: Running | null = null;
  #timer: NodeJS.Timeout | undefined;
  /** Trust messages are taken one after the other: stopping and starting transfers takes time. */
  #trustWork: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | null = null;

  constructor(options: AgentOptions) {
    super();
    this.#options = options;
    this.#logger = options.logger ?? silent;
    this.#status = new StatusClock(options.statusIntervalMs ?? STATUS_INTERVAL_MS);
  }

  /**
   * Resolves when the agent runs; the broker may still be unreachable, which is a warning and tried again.
   * @throws E_FILE_*, E_KEY_FILE_MODE, E_BUNDLE, E_CERT_*, E_STORE_*, E_SOCKET
   */
  async start(): Promise<void> {
    if (this.#running !== null) throw new ChunkmeshError('E_ARGUMENT', 'the agent runs already');
    const opened: { close(): unknown }[] = [];
    const keep = <T extends { close(): unknown }>(part: T): T => {
      opened.push(part);
      return part;
    };
    try {
      const { credential: given, listen = {} } = this.#options;
      const credential = typeof given === 'string' ? await loadCredential(given, seconds()) : given;
      const store = keep(await Store.open(this.#options.store));
      const endpoint = keep(await Endpoint.open(listen.host ?? '0.0.0.0', listen.port ?? 0));
      const seeds: SeedFile[] = [];
      for (const path of this.#options.seeds ?? []) seeds.push(keep(await SeedFile.index(path)));
      const trust = new TrustKeeper(credential, (await store.readState(TRUST_DOCUMENT, trustMemorySchema)) ?? {});
      const link = this.#openLink(credential);
      const negotiation = this.#negotiation(credential, endpoint, link);
      this.#running = { credential, store, seeds, endpoint, link, trust, negotiation };
      const { bound, grantedReceiveBytes } = endpoint;
      this.#logger.info({ device: credential.identity.id, ...bound, grantedReceiveBytes }, 'agent runs');
      this.#tick();
    } catch (error) {
      for (const part of opened.reverse()) await part.close();
      throw error;
    }
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

  async #stop(): Promise<void> {
    const running = this.#running;
    if (running === null) return;
    clearTimeout(this.#timer);
    await this.#trustWork;
    await Promise.all([...this.#transfers.values()].map((transfer) => transfer.stop(CLOSE.shutdown)));
    await running.endpoint.close();
    const { link, credential } = running;
    if (link.online) {
      const topic = topics.status(credential.prefix, credential.identity.id);
      const payload = sealEnvelope(topic, encodeMessage(this.#statusNow(false)), this.#signer(credential));
      await link.publishConfirmed(topic, payload, { qos: 1, retain: true }, FAREWELL_MS).catch(() => {});
    }
    await link.close();
    for (const seed of running.seeds) await seed.close();
    await running.store.close();
    this.#running = null;
  }

  #openLink(credential: Credential): ControlLink {
    const { prefix, identity } = credential;
    const topic = topics.status(prefix, identity.id);
    const will = sealEnvelope(topic, encodeMessage(this.#statusNow(false)), this.#signer(credential));
    const link = new ControlLink(credential, {
      will: { topic, payload: will },
      ...(this.#options.broker !== undefined && { broker: this.#options.broker }),
      ...(this.#options.mqtt !== undefined && { client: this.#options.mqtt }),
    });
    link.on('message', (message) => this.#onMessage(message));
    link.on('failure', (error) => this.#warn(error));
    link.on('offline', () => this.emit('offline'));
    link.on('online', () => {
      this.emit('online');
      this.#status.changed();
      for (const transfer of this.#transfers.values())
        if (transfer.lonely) transfer.announcer.restart(performance.now());
      this.#tick();
    });
    for (const group of identity.groups) link.subscribe(topics.trust(prefix, group), TOPICS.trust.qos);
    link.subscribe(topics.signal(prefix, identity.site, identity.id, '+'), TOPICS.signal.qos);
    return link;
  }

  #negotiation(credential: Credential, endpoint: Endpoint, link: ControlLink): Negotiation {
    const { prefix, identity } = credential;
    return new Negotiation(identity.id, {
      now: () => performance.now(),
      seconds,
      candidates: () => endpoint.candidates,
      transfer: (artifact) => this.#transfers.get(artifact),
      signal: (to, payload) => {
        const topic = topics.signal(prefix, to.site, to.device, identity.id);
        link.publish(topic, sealEnvelope(topic, payload, this.#signer(credential)), { qos: 1, retain: false });
      },
      agreed: (transfer, agreed) => this.#connect(transfer, agreed),
    });
  }

  #signer({ key, certificateDer }: Credential) {
    return { key, certificateDer };
  }

  #connect(transfer: Transfer, { peer, candidates, ...agreed }: AgreedSession): void {
    const running = this.#running;
    if (running === null) return;
    const usable = usableCandidates(candidates, running.endpoint.candidates);
    const made: Session[] = [];
    const pump = transfer.connect(peer, (events) => {
      const session = new Session({
        ...agreed,
        now: performance.now(),
        chunkCount: transfer.rollout.chunks,
        candidates: usable.length,
        token: () => new Uint8Array(randomBytes(TOKEN_BYTES)),
        events,
      });
      made.push(session);
      return session;
    });
    for (const session of made) running.endpoint.attach(agreed.localId, session, usable, pump);
  }

  #onMessage({ topic, payload, retained }: ControlMessage): void {
    const running = this.#running;
    if (running === null || this.#stopping !== null) return;
    const { prefix, verifier } = running.credential;
    const parsed = parseTopic(prefix, topic);
    // P-2.6. A message on a topic that is not of the table is for somebody else: the connection may be the caller's own.
    if (parsed === null || (retained && !TOPICS[parsed.name].retained)) return;
    try {
      this.#take(parsed, openEnvelope(prefix, topic, payload, verifier, seconds()), running);
    } catch (error) {
      this.#warn(asError(error, `message on ${topic}`));
    }
  }

  #take(topic: ParsedTopic, opened: Opened, running: Running): void {
    if (topic.name === 'trust') this.#onTrust(topic.group, opened, running);
    else if (topic.name === 'have') this.#onHave(topic.artifact, opened, running);
    else if (topic.name === 'signal') running.negotiation.onSignal(opened);
  }

  #onHave(artifact: string, opened: Opened, { credential, negotiation }: Running): void {
    const transfer = this.#transfers.get(artifact);
    const peer = peerOf(opened);
    if (transfer === undefined || peer.device === credential.identity.id) return;
    const have = decodeMessage('have', opened.payload);
    transfer.heard.heard(peer.device, performance.now());
    const inAudience = opened.signer.identity.groups.includes(transfer.group); // P-5.4
    if (inAudience && transfer.isOfInterest(have) && transfer.heard.offers(random)) negotiation.offer(transfer, peer);
  }

  #onTrust(group: string, opened: Opened, { trust, store }: Running): void {
    const message = trust.accept(group, opened, seconds());
    this.#trustWork = this.#trustWork
      .then(() => store.writeState(TRUST_DOCUMENT, trust.memory))
      .then(() => this.#apply(group, message.rollouts))
      .catch((error: unknown) => this.#warn(asError(error, `rollouts of group ${group}`)));
  }

  async #apply(group: string, rollouts: readonly Rollout[]): Promise<void> {
    const wanted = new Map(rollouts.map((rollout) => [hex(rollout.artifact), rollout]));
    for (const transfer of [...this.#transfers.values()].filter((known) => known.group === group)) {
      const rollout = wanted.get(transfer.artifact);
      if (rollout?.name === transfer.rollout.name && rollout.version === transfer.rollout.version) continue;
      await this.#end(transfer);
    }
    for (const [artifact, rollout] of wanted) {
      if (!this.#transfers.has(artifact)) await this.#begin(artifact, rollout, group);
    }
    this.#status.changed();
    this.#tick();
  }

  async #end(transfer: Transfer): Promise<void> {
    this.#transfers.delete(transfer.artifact);
    this.#announced.delete(transfer);
    this.#listen(transfer, false);
    await transfer.stop(CLOSE.superseded);
  }

  async #begin(artifact: string, rollout: Rollout, group: string): Promise<void> {
    const running = this.#running;
    if (running === null || this.#stopping !== null) return;
    const { store, seeds, credential } = running;
    const { name, version, size, chunks } = rollout;
    const transfer = new Transfer({
      rollout,
      artifact,
      group,
      host: this.#host(),
      joinWindowMs: this.#options.joinWindowMs ?? JOIN_WINDOW_MS,
      isSeed: credential.identity.role === 'seed',
      seeds,
      openStored: () => store.openArtifact({ artifact, name, version, size, chunks }),
      onPeerNamed: ({ device, site }) => this.#onPeerNamed(transfer, device, site),
    });
    this.#transfers.set(artifact, transfer);
    this.emit('rollout', { name, version, artifact, size });
    await transfer.start();
  }

  /** P-10.3 */
  #onPeerNamed(transfer: Transfer, device: string, site: string): void {
    if (transfer.complete || device === this.#running?.credential.identity.id) return;
    this.#running?.negotiation.offer(transfer, { device, site, seed: false });
  }

  #host(): TransferHost {
    return {
      now: () => performance.now(),
      random,
      logger: this.#logger,
      wake: () => this.#running?.endpoint.wake(),
      changed: () => this.#status.changed(),
      completed: (artifact: CompletedArtifact) => {
        this.#logger.info({ ...artifact }, 'artifact complete');
        this.emit('complete', artifact);
        this.#tick();
      },
      warning: (error) => this.#warn(error),
    };
  }

  /** The agent's own deadlines; those of sessions are the endpoint's. */
  #tick(): void {
    const running = this.#running;
    if (running === null || this.#stopping !== null) return;
    const now = performance.now();
    let deadline = now + MAX_SLEEP_MS;
    for (const transfer of this.#transfers.values()) {
      if (transfer.nextDeadline(now) <= now) transfer.tick();
      this.#announce(transfer, running, now);
      this.#listen(transfer, transfer.room > 0);
      deadline = Math.min(deadline, transfer.nextDeadline(now));
      if (transfer.lonely || !this.#announced.has(transfer)) deadline = Math.min(deadline, transfer.announcer.due);
    }
    this.#sayStatus(running, now);
    deadline = Math.min(deadline, this.#status.due);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#tick(), Math.max(MIN_SLEEP_MS, deadline - now));
  }

  /** P-10.1: once when it joins, then as long as it is alone. */
  #announce(transfer: Transfer, { link, credential }: Running, now: number): void {
    if (now < transfer.announcer.due || !link.online) return;
    if (this.#announced.has(transfer) && !transfer.lonely) return;
    const have = transfer.announcement(seconds());
    if (have === null) return;
    const { shards } = transfer.rollout;
    const { id, role } = credential.identity;
    const own = role === 'seed' ? Array.from({ length: shards }, (_, shard) => shard) : [shardOf(id, shards)];
    for (const shard of own) {
      const topic = topics.have(credential.prefix, transfer.artifact, shard, id);
      link.publish(topic, sealEnvelope(topic, encodeMessage(have), this.#signer(credential)), {
        qos: 0,
        retain: false,
      });
    }
    this.#announced.add(transfer);
    transfer.announcer.announced(now);
  }

  /** A device with no room for sessions leaves its shard, and comes back when it has. */
  #listen(transfer: Transfer, wanted: boolean): void {
    const running = this.#running;
    const filter = this.#listening.get(transfer);
    if (running === null || wanted === (filter !== undefined)) return;
    if (filter !== undefined) {
      running.link.unsubscribe(filter);
      this.#listening.delete(transfer);
      return;
    }
    const { prefix, identity } = running.credential;
    const shard = identity.role === 'seed' ? '+' : shardOf(identity.id, transfer.rollout.shards);
    const joined = topics.have(prefix, transfer.artifact, shard, '+');
    this.#listening.set(transfer, joined);
    running.link.subscribe(joined, TOPICS.have.qos);
  }

  #sayStatus({ link, credential }: Running, now: number): void {
    if (now < this.#status.due) return;
    for (const transfer of this.#transfers.values()) this.emit('progress', transfer.progress());
    this.#status.said(now);
    const topic = topics.status(credential.prefix, credential.identity.id);
    const payload = sealEnvelope(topic, encodeMessage(this.#statusNow(true)), this.#signer(credential));
    link.publish(topic, payload, { qos: 1, retain: true });
  }

  #statusNow(online: boolean): StatusMessage {
    const transfers = [...this.#transfers.values()];
    const peers = transfers.reduce((sum, transfer) => sum + transfer.peers, 0);
    const rollouts = transfers.map((transfer) => transfer.progress());
    return statusMessage({ at: seconds(), online, agent: VERSION, peers, rollouts });
  }

  #warn(error: ChunkmeshError): void {
    this.#logger.warn({ code: error.code, remedy: error.remedy, cause: error.cause }, error.message);
    this.emit('warning', error);
  }
}

function asError(error: unknown, what: string): ChunkmeshError {
  return error instanceof ChunkmeshError ? error : new ChunkmeshError('E_INTERNAL', what, { cause: error });
}
