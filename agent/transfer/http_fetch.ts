import { indexByteLength } from '../../shared/artifact/artifact_index.js';
import type { Rollout } from '../../shared/control/messages.js';
import { indexUrl } from '../../shared/control/source_url.js';
import { asError, ChunkmeshError } from '../../shared/errors.js';
import { INDEX_CHUNK } from '../../shared/limits.js';
import { HttpPolicy } from '../swarm/http_policy.js';
import type { Swarm, SwarmAction } from '../swarm/swarm.js';
import { UrlBook } from '../swarm/url_book.js';
import type { Surroundings } from './fetch.js';
import type { TransferHost } from './host.js';
import { HttpRun } from './http_run.js';
import type { Author, Settling, Stock } from './settling.js';

/** One artifact's share of ordinary HTTP servers: when they are asked, for what, and which of them (P-11). One request at a time. */

/** In the swarm: no device's id (P-1.1). */
export const HTTP_PEER = 'http:';
const NEVER = Number.POSITIVE_INFINITY;

export interface HttpFetchOptions {
  readonly stored: Stock;
  readonly rollout: Rollout;
  readonly host: TransferHost;
  readonly swarm: Swarm;
  readonly settling: Settling;
  readonly surroundings: Surroundings;
  /** What the swarm would have peers told. */
  act(actions: readonly SwarmAction[]): void;
  /** A request ended: look what is due. */
  again(): void;
}

/** What is under way, or being settled after it came. */
interface Running {
  readonly run: HttpRun;
  readonly url: string;
  readonly book: UrlBook;
  readonly ended: Promise<void>;
}

export class HttpFetch {
  readonly #options: HttpFetchOptions;
  readonly #policy: HttpPolicy;
  readonly #chunkBook: UrlBook;
  readonly #indexBook: UrlBook;
  #running: Running | null = null;
  /** The index came and is being verified and installed. */
  #hasIndex = false;
  /** A chunk came from there, and was told of. */
  #hasGiven = false;
  #paused = false;
  #stopped = false;
  #deadline = NEVER;
  /** The code of the last failure, while nothing right has come since. */
  #trouble = '';

  constructor(options: HttpFetchOptions) {
    const { host, swarm } = options;
    const random = (): number => host.random();
    this.#options = options;
    this.#policy = new HttpPolicy(host.httpRules, random);
    this.#chunkBook = new UrlBook(random);
    this.#indexBook = new UrlBook(random);
    this.#beginAnew();
    swarm.addSource(HTTP_PEER);
  }

  /** Why nothing comes from there, as a code; empty where it does, or is not wanted. */
  get trouble(): string {
    return this.#trouble;
  }

  /** Outside of a device's hours nothing is asked for, and what is under way ends. */
  pause(paused: boolean): void {
    if (paused === this.#paused) return;
    this.#paused = paused;
    if (paused) this.drop();
    else this.#beginAnew();
  }

  /** What is under way ends, and counts for nothing. */
  drop(): void {
    this.#running?.run.end();
  }

  /** Others have come to need the server at the same moment: the next request waits for a turn of its own (P-11.4). */
  waitAnew(): void {
    this.#policy.met();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.drop();
    await this.#running?.ended;
  }

  /** The swarm has the chunk from elsewhere. */
  cancel(chunk: number): void {
    this.#running?.run.brought(chunk);
  }

  /**
   * Makes the request that is due, if any. Call after the swarm's own `schedule`.
   * @param starvesAt from when on nothing came from peers for too long; @param hasPeers whether any session is open
   */
  schedule(now: number, starvesAt: number, hasPeers: boolean): void {
    const isIndexed = this.#options.stored.index !== undefined;
    if (this.#running !== null && !this.#isWanted(this.#running, isIndexed)) this.drop();
    this.#deadline = NEVER;
    if (this.#running !== null || this.#paused || this.#stopped || (this.#hasIndex && !isIndexed)) return;
    const dueAt = this.#dueAt(now, starvesAt, isIndexed, hasPeers);
    if (now < dueAt) {
      this.#deadline = dueAt;
      if (Number.isFinite(dueAt)) this.#options.host.due(dueAt);
      return;
    }
    const book = isIndexed ? this.#chunkBook : this.#indexBook;
    const url = book.next(this.#options.surroundings.urls(), now);
    if (url === null) return;
    if (isIndexed) this.#askChunks(url, now, this.#policy.onlyUnheld(now >= starvesAt));
    else this.#askIndex(url);
  }

  /** When `schedule` is due again although nothing happens. */
  nextDeadline(): number {
    return this.#running === null ? this.#deadline : NEVER;
  }

  /** Not where a peer was quicker, or the URL is none of the rollout's any more. */
  #isWanted({ run, url }: Running, isIndexed: boolean): boolean {
    return !(isIndexed && run.isIndex) && this.#options.surroundings.urls().includes(url);
  }

  #beginAnew(): void {
    this.#policy.begin(this.#options.host.now());
    this.#deadline = this.#policy.opensAt;
  }

  /** When something is to be asked of a server; Infinity where nothing is to, as things are. */
  #dueAt(now: number, starvesAt: number, isIndexed: boolean, hasPeers: boolean): number {
    const { surroundings, swarm } = this.#options;
    const urls = surroundings.urls();
    if (urls.length === 0) return NEVER;
    if (now < this.#policy.opensAt) return this.#policy.opensAt;
    const unheld = this.#policy.onlyUnheld(now >= starvesAt);
    if (isIndexed ? !swarm.hasClaimable(unheld) : unheld && hasPeers) {
      this.#policy.met();
      return unheld ? starvesAt : NEVER;
    }
    const book = isIndexed ? this.#chunkBook : this.#indexBook;
    if (book.next(urls, now) === null) return book.deadline;
    return this.#policy.needed(now, surroundings.devices(), hasPeers);
  }

  #askIndex(url: string): void {
    const length = indexByteLength(this.#options.rollout.chunks);
    if (length > this.#policy.left) {
      this.#policy.met(this.#policy.left);
      return;
    }
    this.#begin(url, this.#indexBook, [{ chunk: INDEX_CHUNK, length }], {
      ...{ url: indexUrl(url), first: 0, length, size: length },
    });
  }

  #askChunks(url: string, now: number, unheld: boolean): void {
    const { stored, swarm, rollout } = this.#options;
    const { index } = stored;
    const most = Math.min(swarm.peers.get(HTTP_PEER)?.pipelineBytes ?? 0, this.#policy.left);
    const claimed = swarm.claim(HTTP_PEER, now, most, unheld);
    const [first] = claimed;
    if (index === undefined || first === undefined) return;
    const pieces = claimed.map((chunk) => ({ chunk, length: index.chunkLength(chunk) }));
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (length > this.#policy.left) {
      // Less than a chunk is left, which is of no use.
      for (const chunk of claimed) swarm.onDropped(HTTP_PEER, chunk);
      this.#policy.met(this.#policy.left);
      return;
    }
    this.#begin(url, this.#chunkBook, pieces, { url, first: index.chunkOffset(first), length, size: rollout.size });
  }

  #begin(url: string, book: UrlBook, pieces: HttpRun['pieces'], wanted: HttpRun['wanted']): void {
    const { host, swarm, settling, surroundings } = this.#options;
    this.#policy.met(wanted.length);
    const unlimited = surroundings.emergency();
    const run = new HttpRun(pieces, unlimited ? { ...wanted, unlimited } : wanted, {
      buffer: (chunk, length) => (chunk === INDEX_CHUNK ? Buffer.allocUnsafe(length) : host.buffers.take(length)),
      came: (chunk, bytes) => swarm.onBytes(HTTP_PEER, chunk, bytes, host.now()),
      whole: (chunk, bytes) => {
        this.#hasIndex ||= chunk === INDEX_CHUNK;
        settling.settle(this.#authorOf(url, book), chunk, bytes);
      },
      useless: (chunk, bytes, buffer) => {
        settling.counters.wasted += bytes;
        if (buffer !== undefined && chunk !== INDEX_CHUNK) host.buffers.give(buffer);
      },
    });
    this.#running = { run, url, book, ended: this.#run(run, url, book) };
  }

  async #run(run: HttpRun, url: string, book: UrlBook): Promise<void> {
    const { host, swarm } = this.#options;
    const error = await run.get(host.http).then(
      () => null,
      (failure: unknown) => asError(failure, 'a request over HTTP'),
    );
    for (const chunk of run.unsettled()) if (chunk !== INDEX_CHUNK) swarm.onDropped(HTTP_PEER, chunk);
    this.#policy.giveBack(run.wanted.length - run.received);
    this.#running = null;
    if (error === null) book.worked(url);
    else if (!run.isEnded) this.#onFailure(url, book, error);
    if (!this.#stopped) this.#options.again();
  }

  #onFailure(url: string, book: UrlBook, error: ChunkmeshError): void {
    const { host } = this.#options;
    this.#trouble = error.code;
    if (book.failed(url, error.code, host.now())) host.warning(error);
    host.changed();
  }

  #authorOf(url: string, book: UrlBook): Author {
    const { swarm, host, surroundings } = this.#options;
    const drop = (chunk: number): void => {
      if (chunk === INDEX_CHUNK) this.#hasIndex = false;
      else swarm.onDropped(HTTP_PEER, chunk);
    };
    return {
      counted: 'fromHttp',
      verified: (chunk) => {
        this.#trouble = '';
        if (chunk === INDEX_CHUNK) return;
        this.#options.act(swarm.onVerified(HTTP_PEER, chunk, host.now()));
        if (this.#hasGiven) return;
        this.#hasGiven = true;
        this.#policy.introduced(host.now());
        surroundings.gained();
      },
      dropped: drop,
      wrong: (chunk) => {
        drop(chunk);
        const what = chunk === INDEX_CHUNK ? 'the index' : `chunk ${chunk}`;
        const error = new ChunkmeshError('E_HTTP_WRONG_BYTES', `${what} from ${url.replace(/\?.*/, '')}`);
        this.#trouble = error.code;
        if (book.lied(url, error.code)) host.warning(error);
        if (this.#running?.url === url && this.#running.book === book) this.drop();
        host.changed();
      },
    };
  }
}
