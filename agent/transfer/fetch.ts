import type { Rollout } from '../../shared/control/messages.js';
import type { ChunkmeshError } from '../../shared/errors.js';
import { INDEX_CHUNK } from '../../shared/limits.js';
import { CLOSE } from '../../shared/wire/frames/close.js';
import { REJECT, type RejectReason } from '../../shared/wire/frames/reject.js';
import { Feeding } from '../swarm/feeding.js';
import { IndexFetch } from '../swarm/index_fetch.js';
import type { Contender } from '../swarm/precedence.js';
import { isSpare } from '../swarm/refusals.js';
import { Swarm, type SwarmAction } from '../swarm/swarm.js';
import { Assembling } from './assembling.js';
import type { SentWrong, TransferHost } from './host.js';
import { HTTP_PEER, HttpFetch } from './http_fetch.js';
import type { Link, Links } from './link.js';
import { type Author, type FetchCounters, Settling, type Stock } from './settling.js';
import { Twins } from './twins.js';

/** The receiving side of one artifact: first its index, then its chunks, each verified before it counts (P-9.7, P-9.8). */

/** How long a store that failed, a full disk say, is left alone before chunks are asked for again. */
const STORE_RETRY_MS = 5_000;
/** One held chunk, as the bits of a HAVE frame. */
const ONE_CHUNK = Uint8Array.of(0x80);
const NO_HASH = new Uint8Array(32);

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** What the device knows of the artifact's sources besides its sessions. */
export interface Surroundings {
  /** P-12.3: of every rollout that names the artifact. */
  urls(): readonly string[];
  /** How many devices the swarm has, this one among them, as far as they were heard of. */
  devices(): number;
  /** A first chunk is held, and no session brought it: others are to hear of it. */
  gained(): void;
  /** Bytes that may be asked for and not yet here; Infinity where no other transfer comes before this one (P-10.12). */
  allowance(): number;
  /** P-10.13: neither a ceiling nor a link that costs money holds it back. */
  emergency(): boolean;
}

export interface FetchEvents {
  /** The index is installed: chunks may be taken from disk, then asked for. */
  indexed(): void;
  /** A chunk was verified, or storage failed (`error`), or works again. */
  changed(error: ChunkmeshError | null): void;
  /** P-10.4, P-15.1. @param bytes as they came, good until the call returns */
  wrongBytes(link: Link, wrong: SentWrong, bytes: Uint8Array): void;
  /** No retry will help: the index is not what P-9 allows. */
  failed(error: ChunkmeshError): void;
}

export class Fetch {
  readonly swarm: Swarm;
  readonly counters: FetchCounters;
  readonly http: HttpFetch;
  readonly #stored: Stock;
  readonly #rollout: Rollout;
  readonly #links: Links;
  readonly #host: TransferHost;
  readonly #surroundings: Surroundings;
  readonly #events: FetchEvents;
  readonly #index = new IndexFetch();
  readonly #settling: Settling;
  readonly #assembling: Assembling;
  /** When the store is tried again; 0 where it works. */
  #blockedUntil = 0;
  #paused = false;
  readonly #feeding: Feeding;
  #begun = false;
  #asksSince = Number.NEGATIVE_INFINITY;
  /** Whether it did when `schedule` last looked. */
  #yielded = false;
  /** Something happened by which more may be asked. */
  #due = false;

  constructor(
    stored: Stock,
    rollout: Rollout,
    links: Links,
    host: TransferHost,
    surroundings: Surroundings,
    events: FetchEvents,
  ) {
    this.#stored = stored;
    this.#rollout = rollout;
    this.#links = links;
    this.#host = host;
    this.#feeding = new Feeding(host.now(), () => host.random());
    this.#surroundings = surroundings;
    this.#events = events;
    const known = new Twins(() => stored.index);
    const twins = (chunk: number): readonly number[] => known.of(chunk);
    this.#assembling = new Assembling(stored, rollout, host.buffers);
    this.#settling = new Settling(stored, rollout, {
      twins,
      indexed: () => events.indexed(),
      verified: (chunk) => this.#onVerified(chunk),
      storeFailed: (error) => this.#onStoreFailed(error),
      failed: (error) => events.failed(error),
      settled: (chunk, bytes) => {
        this.#assembling.giveBack(chunk, bytes);
        this.#scheduleSoon();
      },
    });
    this.counters = this.#settling.counters;
    this.swarm = new Swarm({
      held: stored.held,
      verifying: this.#settling.verifying,
      chunkLength: (chunk) => stored.index?.chunkLength(chunk) ?? 0,
      random: () => host.random(),
      frugal: () => this.#isFrugal,
      ...{ self: host.self, twins },
      allowance: () => surroundings.allowance(),
      misbehaved: (peer, how) => host.misbehaved(peer, how),
    });
    this.http = new HttpFetch({
      ...{ stored, rollout, host, swarm: this.swarm, settling: this.#settling, surroundings },
      act: (actions) => this.#actAll(actions),
      again: () => this.schedule(),
    });
  }

  /** Whether its sessions bring what is missing. */
  get isFed(): boolean {
    // P-10.12: who may ask for nothing has no use for a session, but for its index.
    if (this.#links.size === 0) return this.#yields && this.#surroundings.allowance() === 0;
    // What keeps this device from asking is not for other peers to mend.
    if (!this.#mayAsk || this.#yields) return true;
    const now = this.#host.now();
    // P-10.3: a seed that feeds it is no reason not to look for devices, where those that it has bring nothing.
    const devices = [...this.#links.all()].filter(({ peer }) => !peer.seed);
    return this.#feeding.isFed(now) && (devices.length === 0 || !devices.every((link) => this.isSpare(link, now)));
  }

  /** P-10.3: as of a session since when this device asks. */
  isSpare({ since, received, verified }: Link, now: number): boolean {
    return isSpare({ since: Math.max(since, this.#asksSince), received, verified }, now);
  }

  /** Whether chunks are missing that peers could bring, and may be asked for. */
  get isHungry(): boolean {
    return this.#mayAsk && !this.#yields && !this.swarm.complete;
  }

  /** Asks for nothing more, and waits for what is being written. */
  async stop(): Promise<void> {
    this.#paused = true;
    await this.http.stop();
    await this.#settling.done();
  }

  /** What the device's own files hold has been taken, and the store works: the rest is asked of peers. */
  begin(): void {
    this.#begun = true;
    this.#paused = false;
    this.#onQuiet(this.#host.now());
    this.schedule();
  }

  /** The store is to be mended, or the owner holds it back: nothing is asked for until `begin`, and what is on its way is thrown away. */
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
    this.http.drop();
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
    const assembly = this.#assembling.of(link, chunk);
    if (assembly.complete) return; // Being verified: a repetition that crossed with our ACK.
    const fresh = assembly.add(offset, bytes);
    this.counters.wasted += bytes.length - fresh;
    link.received += fresh;
    if (chunk === INDEX_CHUNK) this.#index.onBytes(device, bytes.length, this.#host.now());
    else this.swarm.onBytes(device, chunk, bytes.length, this.#host.now());
    if (assembly.complete) this.#settling.settle(this.#authorOf(link), chunk, assembly.bytes);
  }

  /** P-7.13 */
  onComing(link: Link, chunk: number): void {
    for (const action of this.swarm.onComing(link.peer.device, chunk, this.#host.now())) this.#act(action);
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

  /** With all else of this turn: several chunks settle together. */
  #scheduleSoon(): void {
    if (this.#links.size === 0) {
      this.schedule();
      return;
    }
    this.#due = true;
    this.#host.wake();
  }

  /** Makes the requests that are due. */
  schedule(): void {
    const now = this.#host.now();
    this.#due = false;
    if (this.#paused || now < this.#blockedUntil || this.swarm.complete) return;
    this.#blockedUntil = 0;
    this.#onPrecedence(now);
    this.#actAll(this.#actions(now));
    if (this.#mayAsk) this.http.schedule(now, this.#feeding.starvesAt, this.#links.openCount > 0);
  }

  nextDeadline(): number {
    if (this.#paused || this.swarm.complete) return Number.POSITIVE_INFINITY;
    // Also when it is past: it stays due until `schedule` has seen it.
    if (this.#blockedUntil > 0) return this.#blockedUntil;
    const ofPeers = this.#stored.index === undefined ? this.#index.deadline : this.swarm.nextDeadline();
    return this.#mayAsk ? Math.min(ofPeers, this.http.nextDeadline()) : ofPeers;
  }

  /** P-10.12 */
  contender(rank: number): Contender {
    const { complete, receivedBytes: received, outstandingBytes: outstanding } = this.swarm;
    const wants = !complete && this.#mayAsk && this.#stored.index !== undefined;
    return { rank, wants, received, outstanding };
  }

  /** Peers bring less than they could then, or nothing, for no fault of theirs. The index is asked for all the same. */
  get #yields(): boolean {
    return this.#stored.index !== undefined && this.#surroundings.allowance() < Number.POSITIVE_INFINITY;
  }

  /** P-10.4: over a metered link nothing is asked for twice that may yet come. */
  get #isFrugal(): boolean {
    return this.#host.metered() && !this.#surroundings.emergency();
  }

  get #mayAsk(): boolean {
    return !this.#paused && this.#blockedUntil === 0 && (this.#begun || this.#stored.index === undefined);
  }

  #actions(now: number): SwarmAction[] {
    if (!this.#mayAsk) return [];
    if (this.#stored.index !== undefined) return this.swarm.schedule(now);
    // A seed is what its certificate says, and holds it.
    const open = [...this.#links.opened()]
      .sort((a, b) => Number(b.peer.seed) - Number(a.peer.seed))
      .map((link) => link.peer.device);
    const actions = this.#index.schedule(open, now, this.#isFrugal);
    for (const { kind, peer } of actions) if (kind === 'cancel') this.#host.misbehaved(peer, 'stalled');
    return actions;
  }

  #actAll(actions: readonly SwarmAction[]): void {
    for (const action of actions) this.#act(action);
    if (actions.length > 0) this.#host.wake();
  }

  #act({ kind, peer, chunk }: SwarmAction): void {
    // It is asked by `claim` alone.
    if (peer === HTTP_PEER) {
      this.http.cancel(chunk);
      return;
    }
    const link = this.#links.get(peer);
    if (link === undefined) return;
    if (kind === 'request') {
      if (!link.session.request(chunk, 0, this.#assembling.lengthOf(chunk))) this.#refused(peer, chunk, false);
      return;
    }
    if (kind === 'coming') {
      link.session.coming(chunk);
      return;
    }
    this.#discard(link, chunk);
    // P-7.7: it goes on sending, and what it was asked for takes the place of new requests.
    if (!link.session.cancel(chunk)) link.session.close(CLOSE.protocolError);
  }

  /** P-10.12: all times of waiting begin when it may ask again, and many devices may at the same moment. */
  #onPrecedence(now: number): void {
    const yielded = this.#yielded;
    this.#yielded = this.#yields;
    if (yielded || this.#yielded) this.#onQuiet(now);
    if (yielded && !this.#yielded) this.http.waitAnew();
  }

  /** It asks for nothing: that nothing comes is nobody's fault. */
  #onQuiet(now: number): void {
    this.#feeding.progressed(now);
    this.#asksSince = now;
  }

  #refused(device: string, chunk: number, gone: boolean): void {
    if (chunk === INDEX_CHUNK) this.#index.failed(device);
    else this.swarm.onReject(device, chunk, gone, this.#host.now());
  }

  #discard(link: Link, chunk: number): void {
    this.counters.wasted += this.#assembling.discard(link, chunk);
  }

  #authorOf(link: Link): Author {
    const { device, seed } = link.peer;
    return {
      counted: seed ? 'fromSeed' : 'fromPeers',
      verified: (chunk, bytes) => {
        link.assemblies.delete(chunk);
        link.verified += bytes;
        this.#feeding.progressed(this.#host.now());
        this.#actAll(
          chunk === INDEX_CHUNK
            ? this.#index.onVerified(device)
            : this.swarm.onVerified(device, chunk, this.#host.now()),
        );
      },
      dropped: (chunk) => this.#drop(link, chunk),
      wrong: (chunk, bytes) => {
        this.#drop(link, chunk);
        const artifact = hex(this.#rollout.artifact);
        const expected = chunk === INDEX_CHUNK ? artifact : hex(this.#stored.index?.chunkHash(chunk) ?? NO_HASH);
        this.#events.wrongBytes(link, { artifact, chunk, expected }, bytes);
      },
    };
  }

  #drop(link: Link, chunk: number): void {
    link.assemblies.delete(chunk);
    if (chunk === INDEX_CHUNK) this.#index.failed(link.peer.device);
    else this.swarm.onDropped(link.peer.device, chunk);
  }

  #onVerified(chunk: number): void {
    this.#blockedUntil = 0;
    this.tellHeld(chunk);
    this.#events.changed(null);
  }

  /** P-7.6: every open session learns of a chunk as soon as it is held, where it may ask for it. */
  tellHeld(chunk: number): void {
    if (this.#host.metered()) return;
    for (const { session } of this.#links.all()) session.have(chunk, ONE_CHUNK);
    this.#host.wake();
  }

  #onStoreFailed(error: ChunkmeshError): void {
    this.#blockedUntil = this.#host.now() + STORE_RETRY_MS;
    this.#events.changed(error);
  }
}
