import { shardOf } from '../../shared/control/topics.js';
import { MAX_DEVICES_PER_SHARD, MAX_SESSIONS_PER_ARTIFACT } from '../../shared/limits.js';
import type { Announcer } from './announcer.js';
import {
  EMERGENCY_MS_PER_SHARD,
  EMERGENCY_WINDOW_MS,
  JOIN_MS_PER_SHARD,
  JOIN_WINDOW_MS,
  LEAST_MEMBERS,
  ROOM_TO_LISTEN,
  SEED_SHARDS,
  SESSIONS_WANTED,
} from './limits.js';

/** Where the devices of a swarm meet: who announces itself in which shard, and who listens where (P-2.4, P-10.1, P-10.2). Pure. */

export interface Member {
  readonly device: string;
  /** Its role is `seed`. */
  readonly seed: boolean;
}

/** How a device stands with one artifact. */
export interface Standing {
  /** Of the rollout. */
  readonly shards: number;
  /** Chunks that it holds, and whether they are all. */
  readonly held: number;
  readonly complete: boolean;
  /** Whether chunks are missing and no session brings them. */
  readonly lonely: boolean;
  /** Sessions that may still be agreed. */
  readonly room: number;
  /** Whether it has announced itself before. */
  readonly announced: boolean;
  /** Shards that it listens in, if any. */
  readonly listensIn: readonly number[];
}

/** P-10.1, in ms. */
export function joinWindowMs(shards: number): number {
  return Math.max(JOIN_WINDOW_MS, shards * JOIN_MS_PER_SHARD);
}

/** P-10.13, in ms. Never nothing: a fleet that joins in one moment is a broker's worst. */
export function emergencyWindowMs(shards: number): number {
  return Math.max(EMERGENCY_WINDOW_MS, shards * EMERGENCY_MS_PER_SHARD);
}

/**
 * P-11.4: how many devices a swarm has, this one among them. Of several shards who holds nothing hears none (P-10.2), and the same devices are
 * heard in one after another; but each has 16 to 32 devices (P-10.9), or so many were not made. Not all of them need be on.
 * @param known others, at least: heard of, or with a session; @param ofShard others of a shard, as MembersHeard.mostOfShard has them
 */
export function devicesOf(shards: number, known: number, ofShard?: number): number {
  if (shards === 1) return known + 1;
  const enrolled = (LEAST_MEMBERS + MAX_DEVICES_PER_SHARD) / 2;
  const each = ofShard === undefined ? enrolled : Math.min(enrolled, ofShard + 1);
  return Math.max(known + 1, shards * each);
}

/** P-10.3: whether a device looks for sessions by itself, or waits for who finds it. @param pending offers that wait for an answer */
export function seeksPeers(room: number, pending: number): boolean {
  return MAX_SESSIONS_PER_ARTIFACT - room + pending < SESSIONS_WANTED;
}

/** P-10.1: once when it joins, then as long as it is alone. */
export function mustAnnounce({ seed }: Member, { shards, complete, lonely, room, announced }: Standing): boolean {
  if (lonely) return true;
  // With no room, who hears of it would offer in vain.
  if (room === 0 || announced) return false;
  // In a large fleet who lacks something is heard by who holds it, and need not be told: all may have restarted at once.
  return seed || !complete || shards === 1;
}

/** Where a device says `have`, and whether as one that did before and was not fed. */
export interface Announcement {
  readonly shards: readonly number[];
  readonly again: boolean;
}

/** P-10.1: a device in any shard, so that the swarm is one and not as many as there are shards. */
export function announcementFor({ seed }: Member, { shards, room, listensIn }: Standing, by: Announcer): Announcement {
  if (seed) return { shards: listensIn, again: false };
  // Who has sessions enough and is not fed by them is of a fleet that is there: what it lacks nobody has.
  const widely = seeksPeers(room, 0);
  return { shards: by.nextShards(shards, widely), again: shards > 1 && widely && by.isUnheard };
}

/** P-10.2: who has room for sessions and something to give. In a fleet of one shard also who has nothing yet, to hear of who has. */
export function mayListen({ seed }: Member, { shards, held, room, listensIn }: Standing): boolean {
  if (!seed && shards > 1 && held === 0) return false;
  return room >= (listensIn.length > 0 ? 1 : ROOM_TO_LISTEN);
}

/** P-10.2: once it may listen, until it may not. A seed in others each time. @param random uniform in [0, 1) */
export function shardsToListenIn(
  { device, seed }: Member,
  { shards }: Standing,
  random: () => number,
): readonly number[] {
  if (!seed) return [shardOf(device, shards)];
  if (shards <= SEED_SHARDS) return Array.from({ length: shards }, (_, shard) => shard);
  const drawn = new Set<number>();
  while (drawn.size < SEED_SHARDS) drawn.add(Math.floor(random() * shards));
  return [...drawn];
}
