import type { ChunkmeshError } from '../../shared/errors.js';
import type { HttpRules } from '../http_rules.js';
import type { HttpSource } from '../io/http/http_source.js';
import type { CompletedArtifact, Logger } from '../options.js';
import type { ChunkBuffers } from '../swarm/chunk_buffers.js';
import type { Misbehaviour } from '../swarm/misbehaviour.js';
import type { Lesson } from '../swarm/peer_book.js';
import type { ReadBudget } from './serving.js';

/** What the transfers of one agent share: its clocks, its randomness, and whom they tell. */
export interface TransferHost {
  /** This device's own id and site. */
  readonly self: string;
  readonly site: string;
  /** Monotonic, ms. */
  now(): number;
  /** Uniform in [0, 1). */
  random(): number;
  readonly logger: Logger;
  readonly buffers: ChunkBuffers;
  /** What all of them may read to serve, in one turn of the event loop. */
  readonly reads: ReadBudget;
  readonly http: HttpSource;
  readonly httpRules: HttpRules;
  /** What a device is worth as a peer by what was learned: 1 where nothing is known (PeerBook). */
  worth(device: string): number;
  learned(device: string, lesson: Lesson): void;
  misbehaved(device: string, how: Misbehaviour): void;
  /** P-15.1: `bytes` came of the peer and are not what they should be. They may be written over once this returns. */
  sentWrong(peer: MeshPeer, wrong: SentWrong, bytes: Uint8Array): void;
  /** Whether the link costs money by the byte: then nothing is served, and nothing asked for twice that may yet come. */
  metered(): boolean;
  /** Something is queued in a session, or a deadline moved. */
  wake(): void;
  /** `tick` is to be called by then, sooner than the agent's longest sleep. Monotonic ms. */
  due(at: number): void;
  /** Progress that the operator should see in time. */
  changed(): void;
  completed(artifact: CompletedArtifact): void;
  warning(error: ChunkmeshError): void;
}

/** A chunk, or INDEX_CHUNK for the index, and the SHA-256 that it should have, in hex. */
export interface SentWrong {
  readonly artifact: string;
  readonly chunk: number;
  readonly expected: string;
}

/** Another device of the swarm, as its certificate names it. */
export interface MeshPeer {
  readonly device: string;
  readonly site: string;
  /** Whether its role is `seed`: what it serves counts as the origin's. */
  readonly seed: boolean;
  /** SHA-256 of the certificate by which it agreed on a session, in hex; not known of who was only named. */
  readonly certificate?: string;
  /** Whether it named an address in a subnet of this device's; not known before an offer or answer. */
  readonly subnet?: boolean;
}
