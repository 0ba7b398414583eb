import type { CongestionController, MakeController } from '../../agent/transport/congestion.js';
import { Session, type SessionEvents } from '../../agent/transport/session.js';
import { SessionKey } from '../../shared/crypto/box.js';
import type { CryptoProvider } from '../../shared/crypto/provider.js';
import { QUIET } from '../support/quiet_events.js';
import type { Host, Port } from './host.js';
import { Meter, type Path } from './path.js';
import type { World } from './world.js';

const CHUNK_BYTES = 65_536;
const CHUNKS = 16_384;
/** Asked ahead: 4 MiB, more than any window here. */
const AHEAD = 64;

/** Seals nothing: what is measured here is not ciphers. */
const nullProvider: CryptoProvider = {
  name: 'tweetnacl',
  seal(sealed, plaintext) {
    if (plaintext.buffer !== sealed.buffer) sealed.set(plaintext, 16);
  },
  open(plaintext, sealed) {
    plaintext.set(sealed.subarray(16));
    return true;
  },
};

const chunk = Buffer.alloc(CHUNK_BYTES, 0x5a);

export interface BulkOptions {
  readonly congestion?: MakeController;
  /** When the receiver begins to ask. */
  readonly startMs?: number;
  /** When it stops asking; what was asked still comes. */
  readonly stopMs?: number;
  /** Asks for so much at a time only, each so many milliseconds: a flow that its application limits. */
  readonly chunksEach?: readonly [chunks: number, everyMs: number];
  /** Chunks asked for and not come: with few, the sender has them all on their way and waits for the next. */
  readonly ahead?: number;
  /** Chunks in all. */
  readonly chunks?: number;
}

/** A pair of real sessions that moves chunks from one host to another for as long as it is let. */
export class Bulk {
  readonly meter = new Meter();
  readonly sender: Session;
  readonly receiver: Session;
  controller: CongestionController | null = null;
  finishedAt = -1;
  readonly #world: World;
  readonly #options: BulkOptions;
  readonly #to: Host;
  #asked = 0;
  #toAsk: number;

  constructor(world: World, path: Path, from: Host, to: Host, options: BulkOptions = {}) {
    this.#world = world;
    this.#options = options;
    this.#to = to;
    this.#toAsk = options.chunks ?? Number.POSITIVE_INFINITY;
    const ids = [world.random.bytes(8), world.random.bytes(8)] as const;
    const key = () => new SessionKey(Buffer.alloc(32, 1), nullProvider);
    const shared = { now: world.now, chunkCount: CHUNKS, candidates: 1, token: () => world.random.bytes(8) };
    const { congestion } = options;
    this.sender = new Session({
      ...shared,
      direction: 0,
      localId: ids[0],
      remoteId: ids[1],
      key: key(),
      events: this.#serving(),
      ...(congestion === undefined
        ? {}
        : {
            congestion: (bytes: number, most: number) => {
              this.controller = congestion(bytes, most);
              return this.controller;
            },
          }),
    });
    this.receiver = new Session({
      ...shared,
      direction: 1,
      localId: ids[1],
      remoteId: ids[0],
      key: key(),
      events: this.#asking(),
    });
    const out: Port = from.attach(this.sender, path.forward);
    const back = to.attach(this.receiver, path.back);
    out.peer = back;
    back.peer = out;
    world.at(options.startMs ?? 0, () => this.#begin());
  }

  #begin(): void {
    const { chunksEach } = this.#options;
    if (chunksEach === undefined) {
      for (let i = 0; i < (this.#options.ahead ?? AHEAD); i++) this.#ask();
    } else {
      for (let i = 0; i < chunksEach[0]; i++) this.#ask();
      this.#world.at(this.#world.now + chunksEach[1], () => this.#begin());
    }
    this.#to.wake();
  }

  #ask(): void {
    if (this.#toAsk <= 0 || this.#world.now >= (this.#options.stopMs ?? Number.POSITIVE_INFINITY)) return;
    this.#toAsk--;
    this.receiver.request(this.#asked++ % CHUNKS, 0, CHUNK_BYTES);
  }

  #take(bytes: number): void {
    const before = Math.floor(this.meter.bytes / CHUNK_BYTES);
    this.meter.add(this.#world.now, bytes);
    if (this.#options.chunksEach !== undefined) return;
    for (let i = before; i < Math.floor(this.meter.bytes / CHUNK_BYTES); i++) this.#ask();
    if (this.meter.bytes >= (this.#options.chunks ?? Number.POSITIVE_INFINITY) * CHUNK_BYTES) {
      if (this.finishedAt < 0) this.finishedAt = this.#world.now;
    }
  }

  #serving(): SessionEvents {
    return {
      ...QUIET,
      onRequest: (number, offset, length) => {
        this.sender.serve(number, offset, chunk.subarray(0, length));
      },
    };
  }

  #asking(): SessionEvents {
    return { ...QUIET, onData: (_chunk, _offset, bytes) => this.#take(bytes.length) };
  }
}
