import type { Limits } from '../../agent/options.js';

/** What a mesh and the processes of its members say to each other. */

export interface Start {
  readonly credential: string;
  readonly store: string;
  /** Files that it has already. */
  readonly seeds: readonly string[];
  /** Whether its transfer is told of as it goes. */
  readonly watched: boolean;
  /** How often it is looked at, ms. */
  readonly watchMs: number;
  readonly host: string;
  readonly limits: Limits;
  /** Whether a tap.ts counts what its sessions do. */
  readonly tapped: boolean;
}

/** One control message, as MQTT carries it. */
export interface Message {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retained: boolean;
}

/** Bytes of whole datagrams. */
export interface SessionBytes {
  readonly sent: number;
  readonly received: number;
}

/** Taken at one moment in one process. */
export interface Mark {
  /** Monotonic and the same for all processes of a machine. */
  readonly ms: number;
  readonly cpuSeconds: number;
  /** Datagrams that the kernel threw away for want of room in the socket's buffer. */
  readonly dropped: number;
  /** Of verified chunks that came over the network. */
  readonly bytes: number;
  /** Of verified chunks that its own files had. */
  readonly bytesFromDisk: number;
  /** Sessions that are open, as the agent's status tells them. */
  readonly peers: number;
  /** In the order in which they began; of a member that is tapped. */
  readonly sessions: readonly SessionBytes[];
  /** When a chunk that one peer had been asked for was last asked of another. Of a member that is tapped. */
  readonly movedMs: number;
  /** When a session was last given up for want of a word from the peer; Infinity for never. Of a member that is tapped. */
  readonly endedMs: number;
}

/** Datagrams as somebody on the path would have them. */
export interface Recorded {
  readonly sent: readonly Uint8Array[];
  readonly received: readonly Uint8Array[];
}

export type ToMember =
  | { readonly kind: 'start'; readonly options: Start }
  | { readonly kind: 'message'; readonly message: Message }
  | { readonly kind: 'limits'; readonly limits: Limits }
  /** It does nothing else for so long. */
  | { readonly kind: 'stall'; readonly ms: number }
  | { readonly kind: 'record' }
  | { readonly kind: 'mark' };

export type FromMember =
  | { readonly kind: 'publish'; readonly message: Message }
  | { readonly kind: 'subscribe'; readonly filter: string }
  | { readonly kind: 'running'; readonly port: number }
  | { readonly kind: 'mark'; readonly mark: Mark }
  | { readonly kind: 'recorded'; readonly recorded: Recorded }
  /** Verified bytes on the disk. */
  | { readonly kind: 'bytes'; readonly bytes: number }
  /** The index is there and chunks are asked for; the last chunk is verified and written; the file is handed over. */
  | { readonly kind: 'fetching' | 'held' | 'complete'; readonly mark: Mark }
  | { readonly kind: 'failed'; readonly why: string };
