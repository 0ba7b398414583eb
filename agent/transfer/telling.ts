import type { Bitfield } from '../../shared/artifact/bitfield.js';
import { MAX_HAVE_BYTES } from '../../shared/limits.js';
import { SuperSeed } from '../swarm/super_seed.js';
import type { Session } from '../transport/session.js';
import type { MeshPeer } from './host.js';
import type { Links } from './link.js';
import type { Shelf } from './serving.js';

/** What the peers of one transfer are told of the chunks that are held (P-7.6): all of it, or by a seed each chunk to one of them first (P-10.6). */

/** One held chunk, as the bits of a HAVE frame. */
const ONE_CHUNK = Uint8Array.of(0x80);

export class Telling {
  readonly #links: Links;
  readonly #now: () => number;
  #superSeed: SuperSeed | null = null;
  #due = false;

  constructor(links: Links, now: () => number) {
    this.#links = links;
    this.#now = now;
  }

  /** @param shelf of a seed that serves a file of its own: from now on it tells by P-10.6. */
  superSeed(shelf: Shelf): void {
    if (shelf === null || this.#superSeed !== null) return;
    const { index, source } = shelf;
    this.#superSeed = new SuperSeed(index.chunkCount, (chunk) => index.chunkLength(chunk), source.held);
  }

  /** A session was agreed. @param held null where nothing is to be told */
  connected({ device, site }: MeshPeer, session: Session, held: Bitfield | null): void {
    if (this.#superSeed === null) tellAll(session, held);
    else this.#superSeed.addPeer(device, site, this.#now());
  }

  /** Only now is it known that the peer can be reached. */
  opened(device: string): void {
    this.#superSeed?.open(device);
    this.#due = true;
  }

  gone(device: string): void {
    this.#superSeed?.removePeer(device);
    this.#due = true;
  }

  /** P-7.6 @returns whether the peer holds everything. False where that is known elsewhere. */
  onHave(device: string, first: number, bits: Uint8Array): boolean {
    this.#due = true;
    return this.#superSeed?.onHave(device, first, bits, this.#now()) ?? false;
  }

  /** The peer has the chunk, whether it says so or not. */
  served(device: string, chunk: number): void {
    this.#superSeed?.onServed(device, chunk, this.#now());
    this.#due = true;
  }

  /** Call once what came together was taken, and when it is due. @returns whether there was anything to tell */
  pump(): boolean {
    const now = this.#now();
    if (this.#superSeed === null || !(this.#due || now >= this.#superSeed.nextDeadline())) return false;
    this.#due = false;
    const news = this.#superSeed.news(now);
    for (const { peer, chunks } of news) {
      for (const chunk of chunks) this.#links.get(peer)?.session.have(chunk, ONE_CHUNK);
    }
    return news.length > 0;
  }

  /** When `pump` is due. Monotonic ms. */
  nextDeadline(): number {
    return this.#superSeed?.nextDeadline() ?? Number.POSITIVE_INFINITY;
  }
}

export function tellAll(session: Session, held: Bitfield | null): void {
  if (held === null || held.count === 0) return;
  const bits = held.toBytes();
  for (let at = 0; at < bits.length; at += MAX_HAVE_BYTES) session.have(at * 8, bits.subarray(at, at + MAX_HAVE_BYTES));
}
