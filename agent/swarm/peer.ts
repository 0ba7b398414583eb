import { Bitfield } from '../../shared/artifact/bitfield.js';
import {
  MAX_PIPELINE_BYTES,
  MAX_REST_MS,
  MIN_PIPELINE_BYTES,
  PIPELINE_SECONDS,
  RATE_GAIN,
  REST_MS,
  STALL_BYTES,
  STALL_MS,
  UNPROVEN_MS,
} from './limits.js';

/** What a swarm knows of one peer. Times in milliseconds of the caller's monotonic clock. */
export class Peer {
  readonly id: string;
  readonly seed: boolean;
  /** Of this device's site. */
  readonly near: boolean;
  /** It holds everything and has no session, an HTTP server (P-11). */
  readonly isSource: boolean;
  /** Whom to ask first for what several hold (P-10.7): 0 a device of the site, 1 a seed there, 2 a device elsewhere, 3 a seed there. */
  readonly level: number;
  /** What it is worth by what was learned before, while it has brought nothing. */
  readonly worth: number;
  readonly have: Bitfield;
  /** Chunks asked of it and not yet verified, with when they were asked. */
  readonly outstanding = new Map<number, number>();
  outstandingBytes = 0;
  /** Of those, the ones of which bytes have come. */
  readonly begun = new Set<number>();
  /** Bytes per second, smoothed; 0 until the first chunk. */
  rate = 0;
  /** 0 where it does not rest. */
  restUntil = 0;
  /** Requests since its last verified chunk that another answered first, or that it rejected. */
  failures = 0;
  /** How often it stalled since then. */
  #stalls = 0;
  /** When it was last asked for what is rather asked of others; null before the first `schedule`. */
  exploredAt: number | null = null;
  /** When it last brought a chunk, or was asked for one with nothing else to bring. */
  lastChunkAt = 0;
  #lastBytesAt = 0;
  /** Bytes since #lastBytesAt. */
  #progress = 0;

  constructor(id: string, seed: boolean, near: boolean, worth: number, chunkCount: number, isSource = false) {
    this.id = id;
    this.seed = seed;
    this.near = near;
    this.isSource = isSource;
    this.worth = worth;
    this.level = (near ? 0 : 2) + (seed ? 1 : 0);
    this.have = new Bitfield(chunkCount);
  }

  /** A device of another site. */
  get isFar(): boolean {
    return !this.near && !this.isSource;
  }

  get pipelineBytes(): number {
    // One chunk, to prove itself by.
    if (this.failures > 0) return 1;
    return Math.max(MIN_PIPELINE_BYTES, Math.min(MAX_PIPELINE_BYTES, this.rate * PIPELINE_SECONDS));
  }

  asked(chunk: number, length: number, now: number): void {
    if (this.outstanding.size === 0) {
      this.#lastBytesAt = now;
      this.lastChunkAt = now;
    }
    this.outstanding.set(chunk, now);
    this.outstandingBytes += length;
  }

  settled(chunk: number, length: number): void {
    this.begun.delete(chunk);
    if (this.outstanding.delete(chunk)) this.outstandingBytes -= length;
  }

  /** When that of its chunks was asked that it owes the longest; Infinity where it owes none. */
  get owesSince(): number {
    const [since = Number.POSITIVE_INFINITY] = this.outstanding.values();
    return since;
  }

  /** Whether it is to be asked as others are: it does not rest, what it was asked for of late it brought, and the first of it did not take long. */
  isGood(now: number): boolean {
    return this.restUntil === 0 && this.failures === 0 && (this.rate > 0 || now < this.owesSince + UNPROVEN_MS);
  }

  /** When the chunk should be here, as the peer has brought others until now: it sends in the order in which it was asked. Infinity where it brought none yet. */
  expectedAt(chunk: number, chunkLength: (chunk: number) => number): number {
    if (this.rate === 0) return Number.POSITIVE_INFINITY;
    let bytes = 0;
    for (const asked of this.outstanding.keys()) {
      bytes += chunkLength(asked);
      if (asked === chunk) break;
    }
    return this.lastChunkAt + (bytes * 1000) / this.rate;
  }

  received(chunk: number, bytes: number, now: number): void {
    if (this.outstanding.has(chunk)) this.begun.add(chunk);
    this.#progress += bytes;
    if (this.#progress < STALL_BYTES) return;
    this.#progress = 0;
    this.#lastBytesAt = now;
  }

  delivered(length: number, now: number): void {
    const elapsed = Math.max(1, now - this.lastChunkAt);
    const sample = (length * 1000) / elapsed;
    this.#lastBytesAt = now;
    this.#progress = 0;
    this.failures = 0;
    this.#stalls = 0;
    this.rate = this.rate === 0 ? sample : this.rate + RATE_GAIN * (sample - this.rate);
    this.lastChunkAt = now;
  }

  /** It owed chunks and sent nothing. */
  stalled(now: number): void {
    this.failures++;
    this.restUntil = now + Math.min(MAX_REST_MS, REST_MS * 2 ** this.#stalls++);
  }

  get stallsAt(): number {
    return this.outstanding.size === 0 ? Number.POSITIVE_INFINITY : this.#lastBytesAt + STALL_MS;
  }
}
