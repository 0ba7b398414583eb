import type { Direction, SessionKey } from '../../shared/crypto/box.js';
import type { CloseReason } from '../../shared/wire/frames/close.js';
import type { PeerName } from '../../shared/wire/frames/peers.js';
import type { RejectReason } from '../../shared/wire/frames/reject.js';
import type { MakeController } from './congestion.js';
import type { RateCap } from './rate_cap.js';

/** Why a session ended: a reason of P-7.10, silence (P-8.5), or that no candidate ever answered (P-7.2). */
export type EndReason = CloseReason | 'idle' | 'no path';

/** What a session tells its owner, during `onDatagram` and `onTimer`. Any of the session's methods may be called from these. */
export interface SessionEvents {
  /** A path answered: frames flow from now on. Frames of a peer that came this far first may arrive before. */
  onOpen(path: number): void;
  /** Answer with `serve` or `reject`, now or later. `chunk` and the range are the peer's claim: unchecked. */
  onRequest(chunk: number, offset: number, length: number): void;
  /** The peer withdrew all it asked of a chunk; `serve` for it is refused from now on. */
  onCancel(chunk: number): void;
  /** The peer will not answer what was asked of a chunk. */
  onReject(chunk: number, reason: RejectReason): void;
  /** Bytes that were asked for, at least some of them new. A view, good until the call returns. */
  onData(chunk: number, offset: number, bytes: Uint8Array): void;
  /** Bit `i`, most significant first, is chunk `first + i`. A view, good until the call returns. */
  onHave(first: number, bits: Uint8Array): void;
  onPeers(peers: readonly PeerName[]): void;
  /** The peer has asked another site for the chunk (P-7.13). `chunk` is its claim: unchecked. */
  onComing(chunk: number): void;
  /** The last event. */
  onClosed(reason: EndReason, byPeer: boolean): void;
}

export interface SessionOptions {
  /** P-6.3: 0 for the side that offered. */
  readonly direction: Direction;
  /** 8 bytes, P-5.1: what datagrams to us carry. */
  readonly localId: Uint8Array;
  /** 8 bytes: what datagrams to the peer carry. */
  readonly remoteId: Uint8Array;
  readonly key: SessionKey;
  /** Milliseconds of a monotonic clock, fractions welcome. */
  readonly now: number;
  /** Chunks of the artifact, for P-7.6. */
  readonly chunkCount: number;
  /** How many candidates the peer named: they are paths 0 up to this. Other paths are addresses that it was heard from. */
  readonly candidates: number;
  /** 8 random bytes each time, from a secret source. */
  readonly token: () => Uint8Array;
  readonly events: SessionEvents;
  /** `scavenger.controller` for background sessions (docs/TRANSPORT.md); the foreground controller where none is given. */
  readonly congestion?: MakeController;
  /** Ceilings on what the session sends, shared with others or not. */
  readonly caps?: readonly RateCap[];
  /** No larger datagram is tried (P-6.7): 1,200 where none is given, and then none is tried at all. */
  readonly maxDatagramBytes?: number;
  /** Whether the driver calls `onFragmented`: without that, a size whose first probe is lost is given up. */
  readonly fragmentsAreSeen?: boolean;
}

/** Counts since the session began. */
export interface SessionStats {
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly datagramsSent: number;
  readonly datagramsReceived: number;
  readonly datagramsLost: number;
  /** Datagrams dropped, by why (P-6.6, P-7). */
  readonly rejected: Readonly<Record<RejectedBy, number>>;
  /** Bytes of DATA that were not asked for, or had come before (P-7.5). */
  readonly unwantedBytes: number;
  /** Milliseconds. */
  readonly smoothedRtt: number;
  /** Bytes. */
  readonly window: number;
  /** Bytes of the largest datagram that the path is known to carry (P-6.7). */
  readonly datagramBytes: number;
}

/** `foreign`: not of this session, short or long. `closed`: after the end. */
export type RejectedBy = 'foreign' | 'replayed' | 'unopened' | 'malformed' | 'closed';
