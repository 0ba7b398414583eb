import { CLOSE, type CloseReason } from '../../shared/wire/frames/close.js';
import type { Assembly } from '../swarm/assembly.js';
import type { Session } from '../transport/session.js';
import type { MeshPeer } from './host.js';
import type { Serving } from './serving.js';

/** One session of a transfer, with what is half received from it and half served to it. */
export interface Link {
  readonly peer: MeshPeer;
  readonly session: Session;
  readonly serving: Serving;
  /** By chunk; INDEX_CHUNK among them. */
  readonly assemblies: Map<number, Assembly>;
  /** Monotonic ms. */
  readonly since: number;
  open: boolean;
  /** Bytes that it sent of what it was asked for, and those of them that were verified. */
  received: number;
  verified: number;
  /** Devices that the peer named (P-7.9). */
  named: number;
}

/** The sessions of one artifact, by device (P-5.6, P-10.3). */
export class Links {
  readonly #links = new Map<string, Link>();

  get size(): number {
    return this.#links.size;
  }

  get openCount(): number {
    let count = 0;
    for (const link of this.#links.values()) if (link.open) count++;
    return count;
  }

  get(device: string): Link | undefined {
    return this.#links.get(device);
  }

  add(link: Link): void {
    this.#links.set(link.peer.device, link);
  }

  /** @returns whether `link` was still the session of its device. */
  remove(link: Link): boolean {
    link.serving.close();
    if (this.#links.get(link.peer.device) !== link) return false;
    return this.#links.delete(link.peer.device);
  }

  all(): Iterable<Link> {
    return this.#links.values();
  }

  *opened(): Generator<Link, void, undefined> {
    for (const link of this.#links.values()) if (link.open) yield link;
  }

  closeAll(reason: CloseReason = CLOSE.shutdown): void {
    for (const link of this.#links.values()) link.session.close(reason);
  }
}
