import type { Bitfield } from '../../shared/artifact/bitfield.js';
import type { Misbehaviour } from './misbehaviour.js';

export interface SwarmAction {
  /** `coming`: the peer, of the same site, is told that the chunk was asked for elsewhere (P-7.13). */
  readonly kind: 'request' | 'cancel' | 'coming';
  readonly peer: string;
  readonly chunk: number;
}

export interface SwarmOptions {
  readonly held: Bitfield;
  /** Chunks that came and are not held yet, and those of the same bytes: they are not asked again. */
  readonly verifying: ReadonlySet<number>;
  /** Bytes. */
  readonly chunkLength: (chunk: number) => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Whether every byte costs: a chunk is then asked for again only where the first copy will hardly come. */
  readonly frugal: () => boolean;
  /** The device's own id, for its turn among those of its site. */
  readonly self: string;
  /** Chunks of the same bytes, of which one at a time is asked for: the first that comes brings all. Default none. */
  readonly twins?: (chunk: number) => readonly number[];
  /** Bytes that may be asked for and not yet here, where other transfers come before this one (P-10.12). Default no limit. */
  readonly allowance?: () => number;
  /** A peer did not do what it said or was asked. */
  readonly misbehaved?: (peer: string, how: Misbehaviour) => void;
}
