/** What a mesh and the processes of its members say to each other. */

export interface Start {
  readonly credential: string;
  readonly store: string;
  readonly seeds: readonly string[];
  readonly host: string;
}

/** One control message, as MQTT carries it. */
export interface Message {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retained: boolean;
}

/** Taken at one moment in one process. */
export interface Mark {
  /** Monotonic and the same for all processes of a machine. */
  readonly ms: number;
  readonly cpuSeconds: number;
  /** Datagrams that the kernel threw away for want of room in the socket's buffer. */
  readonly dropped: number;
}

export type ToMember =
  | { readonly kind: 'start'; readonly options: Start }
  | { readonly kind: 'message'; readonly message: Message }
  | { readonly kind: 'mark' };

export type FromMember =
  | { readonly kind: 'publish'; readonly message: Message }
  | { readonly kind: 'subscribe'; readonly filter: string }
  | { readonly kind: 'running' }
  | { readonly kind: 'mark'; readonly mark: Mark }
  /** Verified bytes on the disk. */
  | { readonly kind: 'bytes'; readonly bytes: number }
  /** The index is there and chunks are asked for; the last chunk is verified and written; the file is handed over. */
  | { readonly kind: 'fetching' | 'held' | 'complete'; readonly mark: Mark }
  | { readonly kind: 'failed'; readonly why: string };
