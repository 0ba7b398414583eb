import type { HttpRules } from '../../agent/http_rules.js';
import type { ChunkSource } from '../../agent/io/store/chunk_source.js';
import { ChunkBuffers } from '../../agent/swarm/chunk_buffers.js';
import type { Misbehaviour } from '../../agent/swarm/misbehaviour.js';
import type { Lesson } from '../../agent/swarm/peer_book.js';
import type { HoldOptions } from '../../agent/transfer/held_back.js';
import type { SentWrong } from '../../agent/transfer/host.js';
import type { SeedingLimits } from '../../agent/transfer/retirement.js';
import { Transfer } from '../../agent/transfer/transfer.js';
import { Bitfield } from '../../shared/artifact/bitfield.js';
import type { RolloutProgress } from '../../shared/control/messages.js';
import type { ChunkmeshError } from '../../shared/errors.js';
import { INDEX_CHUNK } from '../../shared/limits.js';
import { SeededRandom } from '../sim/random.js';
import { FakeHttp, NO_HTTP } from './fake_http.js';
import { FakeSession } from './fake_session.js';
import { MemoryArtifact, type Sample } from './memory_artifact.js';
import { NO_HOLD } from './no_hold.js';
import { UNLIMITED_READS } from './unlimited_reads.js';

/** One device's transfer with neither sockets nor files: its clock is the test's, its peers are what the test makes them. */

const silent = { debug() {}, info() {}, warn() {}, error() {} };

interface Joined {
  readonly session: FakeSession;
  readonly pump: () => void;
}

export interface StageOptions {
  readonly seed?: number;
  /** Whether it has the index already. */
  readonly indexed?: boolean;
  /** How many chunks it has, the first ones. */
  readonly held?: number;
  readonly urls?: readonly string[];
  readonly rules?: HttpRules;
  /** Whether it starts outside of its hours. */
  readonly paused?: boolean;
  readonly seeding?: SeedingLimits;
  readonly hold?: HoldOptions;
  /** What it has that may share chunks. */
  readonly own?: readonly ChunkSource[];
  readonly metered?: boolean;
  readonly allowance?: number;
  /** P-10.13 */
  readonly emergency?: boolean;
  /** Where not 0. */
  readonly joinWindowMs?: number;
}

async function* each(files: readonly ChunkSource[]): AsyncGenerator<ChunkSource, void, undefined> {
  yield* files;
}

export class TransferStage {
  now = 0;
  metered = false;
  /** P-10.12 */
  allowance = Number.POSITIVE_INFINITY;
  /** What peers are worth, where not 1. */
  readonly worths = new Map<string, number>();
  readonly lessons: [device: string, lesson: Lesson][] = [];
  readonly misbehaved: [device: string, how: Misbehaviour][] = [];
  /** As they came. */
  readonly sentWrong: (SentWrong & { device: string; bytes: Buffer })[] = [];
  readonly sample: Sample;
  readonly stored: MemoryArtifact;
  readonly transfer: Transfer;
  readonly warnings: ChunkmeshError[] = [];
  completedAt = -1;
  wakes = 0;
  /** How often it was opened in the store, and how often what was announced was no longer so. */
  opened = 0;
  news = 0;
  readonly http = new FakeHttp();
  /** Thrown where it would be opened in the store, while it is set. */
  openFailure: ChunkmeshError | undefined;
  readonly #joined = new Map<string, Joined>();

  private constructor(sample: Sample, options: StageOptions) {
    const { seed = 1, urls = [], rules = NO_HTTP, seeding = {}, hold = NO_HOLD, own = [], metered = false } = options;
    const { emergency = false, joinWindowMs = 0 } = options;
    this.metered = metered;
    const random = new SeededRandom(seed);
    this.sample = sample;
    this.stored = new MemoryArtifact(sample);
    this.transfer = new Transfer({
      artifact: sample.index.artifact,
      rollouts: [
        { rollout: { ...sample.rollout, urls: [...urls], ...(emergency && { emergency }) }, groups: ['cameras'] },
      ],
      host: {
        ...{ self: 'self', site: 'default' },
        now: () => this.now,
        random: () => random.next(),
        logger: silent,
        buffers: new ChunkBuffers(),
        ...{ reads: UNLIMITED_READS, http: this.http, httpRules: rules },
        worth: (device) => this.worths.get(device) ?? 1,
        learned: (device, lesson) => this.lessons.push([device, lesson]),
        misbehaved: (device, how) => this.misbehaved.push([device, how]),
        sentWrong: ({ device }, wrong, bytes) => this.sentWrong.push({ device, ...wrong, bytes: Buffer.from(bytes) }),
        metered: () => this.metered,
        wake: () => this.wakes++,
        ...{ due() {}, changed() {} },
        completed: () => {
          this.completedAt = this.now;
        },
        warning: (error) => this.warnings.push(error),
      },
      joinWindowMs,
      seeding,
      isSeed: false,
      seeds: [],
      ownFiles: () => each(own),
      allowance: () => this.allowance,
      openStored: async () => {
        if (this.openFailure !== undefined) throw this.openFailure;
        this.opened++;
        return this.stored.real;
      },
      hold,
      news: () => this.news++,
      onPeerNamed: () => {},
    });
  }

  static async start(sample: Sample, options: StageOptions = {}): Promise<TransferStage> {
    const { indexed = true, held = 0 } = options;
    const stage = new TransferStage(sample, options);
    for (let chunk = 0; chunk < held; chunk++) await stage.stored.writeChunk(chunk, sample.chunk(chunk));
    if (indexed) await stage.stored.installIndex(sample.index.bytes);
    if (options.allowance !== undefined) stage.allowance = options.allowance;
    if (options.paused) stage.transfer.pause(true);
    await stage.transfer.start();
    await stage.settle();
    return stage;
  }

  /** A session with the device is agreed. */
  connect(device: string, seed = false, site = 'default'): FakeSession {
    const made: { session?: FakeSession } = {};
    const { pump } = this.transfer.connect({ device, site, seed }, (events) => {
      made.session = new FakeSession(events);
      return made.session.real;
    });
    if (made.session === undefined) throw new Error('no session was made');
    this.#joined.set(device, { session: made.session, pump });
    return made.session;
  }

  /** A session is agreed, opens, and the peer says what it holds. */
  join(device: string, have = Bitfield.full(this.sample.rollout.chunks)): FakeSession {
    const session = this.connect(device);
    session.events.onOpen(0);
    if (have.count > 0) session.events.onHave(0, have.toBytes());
    this.flush();
    return session;
  }

  /** @throws where there is none */
  session(device: string): FakeSession {
    const joined = this.#joined.get(device);
    if (joined === undefined) throw new Error(`no session with ${device}`);
    return joined.session;
  }

  isJoined(device: string): boolean {
    return this.#joined.get(device)?.session.closed === null;
  }

  /** What the endpoint does after each batch of datagrams. */
  flush(): void {
    for (const [device, { session, pump }] of this.#joined) {
      if (session.closed === null) pump();
      else this.#joined.delete(device);
    }
  }

  bytesOf(chunk: number): Uint8Array {
    return chunk === INDEX_CHUNK ? this.sample.index.bytes : this.sample.chunk(chunk);
  }

  /** The one row of its status. */
  get row(): RolloutProgress {
    const [row] = this.transfer.progress();
    if (row === undefined) throw new Error('no rollout');
    return row;
  }

  /** The peer sends bytes of a chunk, whole if nothing else is said, and what they lead to is awaited. */
  async send(session: FakeSession, chunk: number, bytes = this.bytesOf(chunk), offset = 0): Promise<void> {
    session.events.onData(chunk, offset, bytes);
    await this.settle();
  }

  /** Everything that waits for nothing but its turn. */
  async settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.flush();
  }

  /** What the agent's timer does. */
  tick(): void {
    if (this.transfer.nextDeadline() <= this.now) this.transfer.tick();
    this.flush();
  }
}
