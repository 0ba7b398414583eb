import { Announcements } from '../../../agent/announcements.js';
import type { FleetClock } from '../../../agent/clock.js';
import { Control } from '../../../agent/control.js';
import { Hearing } from '../../../agent/hearing.js';
import type { SeedFile } from '../../../agent/io/store/seed_file.js';
import { type AgreedSession, Negotiation } from '../../../agent/negotiation.js';
import type { Rollouts } from '../../../agent/rollouts.js';
import { beginSession } from '../../../agent/sessions.js';
import { ChunkBuffers } from '../../../agent/swarm/chunk_buffers.js';
import { MisbehaviourBook } from '../../../agent/swarm/misbehaviour.js';
import { PeerBook } from '../../../agent/swarm/peer_book.js';
import { Throttle } from '../../../agent/throttle.js';
import type { TransferHost } from '../../../agent/transfer/host.js';
import { Transfer } from '../../../agent/transfer/transfer.js';
import type { Session } from '../../../agent/transport/session.js';
import type { SessionEvents } from '../../../agent/transport/session_types.js';
import { TrustedClock } from '../../../agent/trust/trusted_clock.js';
import type { Credential } from '../../../shared/identity/bundle.js';
import { ControlLink } from '../../../shared/mqtt/control_link.js';
import { FakeHttp, NO_HTTP } from '../../support/fake_http.js';
import { NOW } from '../../support/members.js';
import { MemoryArtifact, type Sample } from '../../support/memory_artifact.js';
import { NO_HOLD } from '../../support/no_hold.js';
import { NO_REVOCATION } from '../../support/no_revocation.js';
import { UNLIMITED_READS } from '../../support/unlimited_reads.js';
import { SeededRandom } from '../random.js';
import type { World } from '../world.js';
import type { VirtualBroker } from './broker.js';
import type { VirtualEndpoint } from './network.js';

/**
 * An agent in virtual time: its own control, announcements, negotiation, transfer and sessions, over a network, a broker and a disk of the
 * simulation's. What `Agent` has besides is a real socket, a real store and the timer.
 */

/** As in agent/agent.ts. */
const MAX_SLEEP_MS = 1_000;
const MIN_SLEEP_MS = 1;
const NEVER = Number.POSITIVE_INFINITY;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

export interface Ground {
  readonly world: World;
  readonly broker: VirtualBroker;
  readonly sample: Sample;
  /** Something waits for a promise: before virtual time goes on, it is to be kept. */
  promised(): void;
}

/** What becomes of a session of a malicious device, in the place of what its agent would do. */
export type Twist = (events: SessionEvents, peer: string, session: () => Session) => SessionEvents;

export interface DeviceOptions {
  readonly credential: Credential;
  readonly endpoint: VirtualEndpoint;
  /** Of all that it draws. */
  readonly seed: number;
  /** Whether it says that it holds everything. */
  readonly full?: boolean;
  /** What it serves, in the place of what it holds. */
  readonly spoil?: (bytes: Buffer) => void;
  readonly twist?: Twist;
}

class VirtualArtifact extends MemoryArtifact {
  readonly #ground: Ground;
  readonly #spoil: (bytes: Buffer) => void;

  constructor(ground: Ground, spoil: (bytes: Buffer) => void = () => {}) {
    super(ground.sample);
    this.#ground = ground;
    this.#spoil = spoil;
  }

  override installIndex(bytes: Uint8Array): Promise<void> {
    this.#ground.promised();
    return super.installIndex(bytes);
  }

  override writeChunk(i: number, bytes: Uint8Array): Promise<void> {
    this.#ground.promised();
    return super.writeChunk(i, bytes);
  }

  override async readChunk(i: number, into: Buffer): Promise<boolean> {
    this.#ground.promised();
    const held = await super.readChunk(i, into);
    this.#spoil(into);
    return held;
  }

  override finish(): Promise<string> {
    this.#ground.promised();
    return super.finish();
  }
}

async function* noFiles(): AsyncGenerator<never, void, undefined> {}

export class VirtualDevice {
  readonly id: string;
  readonly link: ControlLink;
  readonly control: Control;
  readonly negotiation: Negotiation;
  readonly endpoint: VirtualEndpoint;
  readonly transfer: Transfer;
  readonly misbehaviour = new MisbehaviourBook();
  readonly clock: FleetClock = { now: () => this.seconds, believed: true };
  /** Virtual ms. */
  completedAt = NEVER;
  readonly #ground: Ground;
  readonly #options: DeviceOptions;
  readonly #stored: VirtualArtifact;
  readonly #announcements: Announcements;
  readonly #throttle: Throttle;
  readonly #book = new PeerBook();
  readonly #random: () => number;
  #alarmAt = NEVER;

  constructor(ground: Ground, options: DeviceOptions) {
    const { world, broker } = ground;
    const { credential, endpoint, seed, spoil } = options;
    const random = new SeededRandom(seed);
    this.id = credential.identity.id;
    this.endpoint = endpoint;
    this.#ground = ground;
    this.#options = options;
    this.#random = () => random.next();
    this.#throttle = new Throttle(world.now);
    this.#stored = new VirtualArtifact(ground, spoil);
    this.link = new ControlLink(credential, { client: broker.connect() });
    this.control = new Control(credential, this.link, (device, how) => this.misbehaviour.add(device, how));
    this.#announcements = new Announcements(credential, this.control, this.#random);
    this.transfer = this.#makeTransfer();
    this.negotiation = new Negotiation(this.id, {
      ...{ now: () => world.now, clock: this.clock, candidates: () => endpoint.candidates },
      transfer: (artifact) => (artifact === this.transfer.artifact ? this.transfer : undefined),
      revocation: NO_REVOCATION,
      signal: (to, payload) => this.control.signal(to, payload),
      agreed: (_transfer, agreed) => this.#begin(agreed),
      misbehaved: (device, how) => this.misbehaviour.add(device, how),
    });
    this.#hear();
  }

  /** Since the epoch. */
  get seconds(): number {
    return NOW + Math.floor(this.#ground.world.now / 1000);
  }

  get isSeed(): boolean {
    return this.#options.credential.identity.role === 'seed';
  }

  async start(): Promise<void> {
    const { full = false } = this.#options;
    if (full || this.isSeed) {
      for (let i = 0; i < this.#ground.sample.rollout.chunks; i++) this.#stored.held.set(i);
      await this.#stored.installIndex(this.#ground.sample.index.bytes);
    }
    await this.transfer.start();
    this.#tick();
  }

  #makeTransfer(): Transfer {
    const { sample } = this.#ground;
    const transfer: Transfer = new Transfer({
      artifact: sample.index.artifact,
      rollouts: [{ rollout: sample.rollout, groups: ['cameras'] }],
      host: this.#host(),
      seeding: {},
      // Whoever is malicious has room for all.
      isSeed: this.isSeed || this.#options.twist !== undefined || this.#options.spoil !== undefined,
      seeds: this.isSeed ? [this.#stored as unknown as SeedFile] : [],
      ownFiles: noFiles,
      hold: NO_HOLD,
      news() {},
      openStored: async () => this.#stored.real,
      onPeerNamed: ({ device, site }) => {
        if (!transfer.complete && device !== this.id) this.negotiation.seek(transfer, { device, site, seed: false });
      },
    });
    return transfer;
  }

  #host(): TransferHost {
    const { world } = this.#ground;
    return {
      ...{ self: this.id, site: this.#options.credential.identity.site, logger: silent },
      ...{ now: () => world.now, random: this.#random },
      ...{ buffers: new ChunkBuffers(), reads: UNLIMITED_READS, http: new FakeHttp(), httpRules: NO_HTTP },
      worth: (device) => this.#book.worth(device, this.seconds),
      learned: (device, lesson) => this.#book.learn(device, lesson, this.seconds),
      misbehaved: (device, how) => this.misbehaviour.add(device, how),
      ...{ sentWrong() {}, metered: () => false },
      wake: () => this.endpoint.wake(),
      due: (at) => this.#alarm(at),
      changed() {},
      completed: () => {
        this.completedAt = world.now;
        this.#alarm(world.now);
      },
      warning() {},
    };
  }

  #hear(): void {
    const rollouts = { get: (artifact: string) => (artifact === this.transfer.artifact ? this.transfer : undefined) };
    // No trust message comes.
    const clock = new TrustedClock({ wall: () => this.seconds, now: () => this.#ground.world.now });
    const parts = { control: this.control, announcements: this.#announcements, negotiation: this.negotiation, clock };
    const none = {
      rollouts: rollouts as unknown as Rollouts,
      trust: null as never,
      store: null as never,
      renewal: null as never,
      selfWatch: null as never,
    };
    const hearing = new Hearing(
      { ...parts, ...none, revocation: NO_REVOCATION },
      {
        ...{ now: () => this.#ground.world.now, clock: this.clock, self: this.id },
        ...{ changed: () => this.#alarm(this.#ground.world.now), refused() {} },
      },
    );
    this.link.on('message', (message) => hearing.onMessage(message));
  }

  /** As the agent does, but that a malicious one has other ears. */
  #begin(agreed: AgreedSession): void {
    const { transfer, endpoint } = this;
    const { twist = (events: SessionEvents) => events } = this.#options;
    const seen: Pick<Transfer, 'connect' | 'rollout' | 'urgent' | 'emergency'> = {
      rollout: transfer.rollout,
      ...{ urgent: false, emergency: false },
      connect: (peer, make) =>
        transfer.connect(peer, (events) => {
          const session: Session = make(twist(this.#promising(events), peer.device, () => session));
          return session;
        }),
    };
    beginSession(
      { endpoint: endpoint.real, throttle: this.#throttle },
      seen as Transfer,
      agreed,
      this.#ground.world.now,
    );
  }

  /** The index is served from memory, but not in the same turn. */
  #promising(events: SessionEvents): SessionEvents {
    return {
      ...events,
      onRequest: (chunk, offset, length) => {
        this.#ground.promised();
        events.onRequest(chunk, offset, length);
      },
    };
  }

  #alarm(at: number): void {
    const { world } = this.#ground;
    if (at >= this.#alarmAt) return;
    this.#alarmAt = Math.max(at, world.now + MIN_SLEEP_MS);
    const mine = this.#alarmAt;
    world.at(mine, () => {
      if (mine === this.#alarmAt) this.#tick();
    });
  }

  /** What the agent's timer does. */
  #tick(): void {
    const { now } = this.#ground.world;
    this.#alarmAt = NEVER;
    if (this.#throttle.tick(now)) this.endpoint.wake();
    if (this.transfer.nextDeadline() <= now) this.transfer.tick();
    this.#announcements.tick(this.transfer, now, this.seconds);
    const due = Math.min(this.transfer.nextDeadline(), this.#announcements.deadline(this.transfer));
    this.#alarm(Math.min(now + MAX_SLEEP_MS, this.#throttle.deadline, due));
  }
}
