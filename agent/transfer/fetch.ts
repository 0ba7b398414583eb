import { createHash } from 'node:crypto';
import { indexByteLength } from '../../shared/artifact/artifact_index.js';
import type { Rollout } from '../../shared/control/messages.js';
import { ChunkmeshError } from '../../shared/errors.js';
import { INDEX_CHUNK } from '../../shared/limits.js';
import { CLOSE } from '../../shared/wire/frames/close.js';
import { REJECT, type RejectReason } from '../../shared/wire/frames/reject.js';
import type { StoredArtifact } from '../io/store/stored_artifact.js';
import { Assembly } from '../swarm/assembly.js';
import { Feeding } from '../swarm/feeding.js';
import { IndexFetch } from '../swarm/index_fetch.js';
import { Swarm, type SwarmAction } from '../swarm/swarm.js';
import type { TransferHost } from './host.js';
import type { Link, Links } from './link.js';

/** The receiving side of one artifact: first its index, then its chunks, each verified before it counts (P-9.7, P-9.8). */

/** How long a store that failed, a full disk say, is left alone before chunks are asked for again. */
const STORE_RETRY_MS = 5_000;
/** One held chunk, as the bits of a HAVE frame. */
const ONE_CHUNK = Uint8Array.of(0x80);

export interface FetchCounters {
  /** Bytes of verified chunks, by where they came from. */
  fromSeed: number;
  fromPeers: number;
  fromDisk: number;
  /** Bytes that arrived and were of no use. */
  wasted: number;
}

export interface FetchEvents {
  /** The index is installed: chunks may be taken from disk, then asked for. */
  indexed(): void;
  /** A chunk was verified, or storage failed (`error`), or works again. */
  changed(error: ChunkmeshError | null): void;
  /** P-10.4 */
  wrongBytes(link: Link, error: ChunkmeshError): void;
  /** No retry will help: the index is not what P-9 allows. */
  failed(error: ChunkmeshError): void;
}

export class Fetch {
  readonly swarm: Swarm;
  readonly counters: FetchCounters = { fromSeed: 0, fromPeers: 0, fromDisk: 0, wasted: 0 };
  readonly #stored: StoredArtifact;
  readonly #rollout: Rollout;
  readonly #links: Links;
  readonly #host: TransferHost;
  readonly #events: FetchEvents;
  readonly #index = new IndexFetch();
  readonly #writing = new Set<Promise<void>>();
  /** Chunks of which a copy is being verified: in the endgame several may be complete at once. */
  readonly #verifying = new Set<number>();
  /** When the store is tried again; 0 where it works. */
  #blockedUntil = 0;
  #paused = false;
  readonly #feeding: Feeding;
  #begun = false;
  /** Something happened by which more may be asked. */
  #due = false;

  constructor(stored: StoredArtifact, rollout: Rollout, links: Links, host: TransferHost, events: FetchEvents) {
    this.#stored = stored;
    this.#rollout = rollout;
    this.#links = links;
    this.#host = host;
    this.#feeding = new Feeding(host.now(), () => host.random());
    this.#events = events;
    this.swarm = new Swarm({
      held: stored.held,
      verifying: this.#verifying,
      chunkLength: (chunk) => stored.index?.chunkLength(chunk) ?? 0,
      random: () => host.random(),
      frugal: () => host.metered(),
    });
  }

  /** Whether its sessions bring what is missing. */
  get isFed(): boolean {
    if (this.#links.size === 0) return false;
    // What keeps this device from asking is not for other peers to mend.
    if (!this.#mayAsk) return true;
    return this.#feeding.isFed(this.#host.now());
  }

  /** Asks for nothing more, and waits for what is being written. */
  async stop(): Promise<void> {
    this.#paused = true;
    await Promise.allSettled(this.#writing);
  }

  /** What the device's own files hold has been taken, and the store works: the rest is asked of peers. */
  begin(): void {
    this.#begun = true;
    this.#paused = false;
    this.#feeding.progressed(this.#host.now());
    this.schedule();
  }

  /** The store is to be mended: nothing is asked for until `begin`, and what is on its way is thrown away. */
  pause(): void {
    this.#paused = true;
    this.#blockedUntil = 0;
    for (const { peer, assemblies } of this.#links.all()) {
      for (const chunk of [...(this.swarm.peers.get(peer.device)?.outstanding.keys() ?? [])]) {
        // One that is complete is being written, and settles by itself.
        if (assemblies.get(chunk)?.complete) continue;
        this.#act({ kind: 'cancel', peer: peer.device, chunk });
        this.swarm.onDropped(peer.device, chunk);
      }
    }
    this.#host.wake();
  }

  gone(link: Link): void {
    this.swarm.removePeer(link.peer.device);
    this.#index.failed(link.peer.device);
    for (const chunk of [...link.assemblies.keys()]) this.#discard(link, chunk);
    this.#due = true;
  }

  onHave(link: Link, first: number, bits: Uint8Array): void {
    if (this.swarm.onHave(link.peer.device, first, bits)) this.#due = true;
  }

  onData(link: Link, chunk: number, offset: number, bytes: Uint8Array): void {
    const { device } = link.peer;
    const asked = chunk === INDEX_CHUNK ? this.#index.isAsked(device) : this.swarm.isAsked(device, chunk);
    if (!asked || this.#paused) {
      this.counters.wasted += bytes.length; // P-7.5
      return;
    }
    let assembly = link.assemblies.get(chunk);
    if (assembly === undefined) {
      assembly = new Assembly(this.#bufferFor(chunk));
      link.assemblies.set(chunk, assembly);
    }
    if (assembly.complete) return; // Being verified: a repetition that crossed with our ACK.
    const fresh = assembly.add(offset, bytes);
    this.counters.wasted += bytes.length - fresh;
    link.received += fresh;
    if (chunk === INDEX_CHUNK) this.#index.onBytes(device, bytes.length);
    else this.swarm.onBytes(device, bytes.length, this.#host.now());
    if (assembly.complete) this.#settle(link, chunk, assembly.bytes);
  }

  onReject(link: Link, chunk: number, reason: RejectReason): void {
    this.#discard(link, chunk);
    this.#refused(link.peer.device, chunk, reason !== REJECT.busy);
    this.#due = true;
  }

  /** Call once what came together was taken: a peer may say a thousand things in one datagram, and all are scheduled for at once. */
  pump(): void {
    if (this.#due) this.schedule();
  }

  /** Makes the requests that are due. */
  schedule(): void {
    const now = this.#host.now();
    this.#due = false;
    if (this.#paused || now < this.#blockedUntil || this.swarm.complete) return;
    this.#blockedUntil = 0;
    const actions = this.#actions(now);
    for (const action of actions) this.#act(action);
    if (actions.length > 0) this.#host.wake();
  }

  nextDeadline(): number {
    if (this.#paused || this.swarm.complete) return Number.POSITIVE_INFINITY;
    // Also when it is past: it stays due until `schedule` has seen it.
    if (this.#blockedUntil > 0) return this.#blockedUntil;
    return this.#stored.index === undefined ? this.#index.deadline : this.swarm.nextDeadline();
  }

  get #mayAsk(): boolean {
    return !this.#paused && this.#blockedUntil === 0 && (this.#begun || this.#stored.index === undefined);
  }

  #actions(now: number): SwarmAction[] {
    if (!this.#mayAsk) return [];
    if (this.#stored.index !== undefined) return this.swarm.schedule(now);
    const open = [...this.#links.opened()].map((link) => link.peer.device);
    return this.#index.schedule(open, now, this.#host.metered());
  }

  #act({ kind, peer, chunk }: SwarmAction): void {
    const link = this.#links.get(peer);
    if (link === undefined) return;
    if (kind === 'request') {
      if (!link.session.request(chunk, 0, this.#lengthOf(chunk))) this.#refused(peer, chunk, false);
      return;
    }
    this.#discard(link, chunk);
    // P-7.7: it goes on sending, and what it was asked for takes the place of new requests.
    if (!link.session.cancel(chunk)) link.session.close(CLOSE.protocolError);
  }

  #refused(device: string, chunk: number, gone: boolean): void {
    if (chunk === INDEX_CHUNK) this.#index.failed(device);
    else this.swarm.onReject(device, chunk, gone, this.#host.now());
  }

  #discard(link: Link, chunk: number): void {
    const assembly = link.assemblies.get(chunk);
    link.assemblies.delete(chunk);
    // One that is complete is being verified, and counted then.
    if (assembly === undefined || assembly.complete) return;
    this.counters.wasted += assembly.received;
    this.#giveBack(chunk, assembly.bytes);
  }

  /** The index is kept by who installs it. */
  #bufferFor(chunk: number): Buffer {
    const length = this.#lengthOf(chunk);
    return chunk === INDEX_CHUNK ? Buffer.allocUnsafe(length) : this.#host.buffers.take(length);
  }

  #giveBack(chunk: number, bytes: Buffer): void {
    if (chunk !== INDEX_CHUNK) this.#host.buffers.give(bytes);
  }

  #lengthOf(chunk: number): number {
    return chunk === INDEX_CHUNK
      ? indexByteLength(this.#rollout.chunks)
      : (this.#stored.index?.chunkLength(chunk) ?? 0);
  }

  #settle(link: Link, chunk: number, bytes: Buffer): void {
    const settled = (chunk === INDEX_CHUNK ? this.#takeIndex(link, bytes) : this.#takeChunk(link, chunk, bytes))
      .catch((error: unknown) => {
        this.#events.failed(new ChunkmeshError('E_INTERNAL', 'a chunk could not be settled', { cause: error }));
      })
      .finally(() => {
        this.#writing.delete(settled);
        this.#giveBack(chunk, bytes);
        this.schedule();
      });
    this.#writing.add(settled);
  }

  async #takeIndex(link: Link, bytes: Buffer): Promise<void> {
    const hash = createHash('sha256').update(bytes).digest();
    link.assemblies.delete(INDEX_CHUNK);
    if (!hash.equals(this.#rollout.artifact)) {
      this.counters.wasted += bytes.length;
      this.#index.failed(link.peer.device);
      this.#events.wrongBytes(link, new ChunkmeshError('E_CHUNK_WRONG', `index from ${link.peer.device}`));
      return;
    }
    link.verified += bytes.length;
    for (const action of this.#index.onVerified(link.peer.device)) this.#act(action);
    try {
      await this.#stored.installIndex(bytes);
    } catch (error) {
      if (error instanceof ChunkmeshError && error.code === 'E_INDEX_INVALID') return this.#events.failed(error);
      this.#index.failed(link.peer.device);
      this.counters.wasted += bytes.length;
      return this.#storeFailed(error);
    }
    this.#feeding.progressed(this.#host.now());
    this.#events.indexed();
  }

  async #takeChunk(link: Link, chunk: number, bytes: Buffer): Promise<void> {
    const { device, seed } = link.peer;
    if (this.#stored.held.get(chunk) || this.#verifying.has(chunk)) {
      this.counters.wasted += bytes.length;
      link.assemblies.delete(chunk);
      this.swarm.onDropped(device, chunk);
      return;
    }
    this.#verifying.add(chunk);
    try {
      await this.#stored.writeChunk(chunk, bytes);
    } catch (error) {
      link.assemblies.delete(chunk);
      this.swarm.onDropped(device, chunk);
      this.counters.wasted += bytes.length;
      if (!(error instanceof ChunkmeshError) || error.code !== 'E_CHUNK_WRONG') return this.#storeFailed(error);
      return this.#events.wrongBytes(link, new ChunkmeshError('E_CHUNK_WRONG', `chunk ${chunk} from ${device}`));
    } finally {
      this.#verifying.delete(chunk);
    }
    link.assemblies.delete(chunk);
    link.verified += bytes.length;
    if (seed) this.counters.fromSeed += bytes.length;
    else this.counters.fromPeers += bytes.length;
    this.#blockedUntil = 0;
    this.#feeding.progressed(this.#host.now());
    for (const action of this.swarm.onVerified(device, chunk, this.#host.now())) this.#act(action);
    this.tellHeld(chunk);
    this.#events.changed(null);
  }

  /** P-7.6: every open session learns of a chunk as soon as it is held, where it may ask for it. */
  tellHeld(chunk: number): void {
    if (this.#host.metered()) return;
    for (const { session } of this.#links.all()) session.have(chunk, ONE_CHUNK);
    this.#host.wake();
  }

  #storeFailed(error: unknown): void {
    this.#blockedUntil = this.#host.now() + STORE_RETRY_MS;
    const known = error instanceof ChunkmeshError ? error : undefined;
    this.#events.changed(known ?? new ChunkmeshError('E_STORE_IO', 'the store failed', { cause: error }));
  }
}
