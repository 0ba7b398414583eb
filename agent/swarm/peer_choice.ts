import { MAX_SESSIONS_PER_ARTIFACT } from '../../shared/limits.js';
import { ANSWERS_WANTED, ANSWERS_WANTED_OF_SHARDS, LEAST_MEMBERS, MAX_SESSIONS_PER_SEED } from './limits.js';

/**
 * With whom to have sessions (P-10.2, P-10.3): devices of the own site first, some of others so that chunks come in at all, then by what was
 * learned; and those not known before those known to be no better than most. Pure.
 */

/** Places of a device that its own site does not get while other sites are heard of: chunks come in through several devices of a site. */
export const PLACES_FOR_OTHER_SITES = 3;
/** Places of a device that other sites do not get while so many of its own site are heard of. */
export const PLACES_FOR_OWN_SITE = 8;
/** Part of a seed's places that only sites get that have less than their share of it: the first site that comes would else take them all. */
export const PART_FOR_SITES_IN_NEED = 1 / 4;
/** Of the answers to an announcement, those from other sites, where there are both. */
const PART_FROM_OTHER_SITES = 1 / 3;

/** Members of a shard heard of lately, of the site in question and of others. */
export interface MembersBySite {
  readonly there: number;
  readonly elsewhere: number;
}

/** How many answers an announcement is to get, and of how many members at least, heard of or not. */
export interface Answers {
  readonly wanted: number;
  readonly members: number;
}

const OF_ONE_SHARD: Answers = { wanted: ANSWERS_WANTED, members: ANSWERS_WANTED };
const OF_SHARDS: Answers = { wanted: ANSWERS_WANTED_OF_SHARDS, members: LEAST_MEMBERS };

/** Where few are on: who listens may be the only one. */
const OF_SHARDS_AGAIN: Answers = { wanted: ANSWERS_WANTED_OF_SHARDS, members: ANSWERS_WANTED_OF_SHARDS };

/** P-10.2 @param shards of the rollout; @param again whether it was said before and brought nothing */
export function answersOf(shards: number, again: boolean): Answers {
  if (shards === 1) return OF_ONE_SHARD;
  return again ? OF_SHARDS_AGAIN : OF_SHARDS;
}

/**
 * P-10.2: the chance with which a device answers an announcement, so that as many do as are wanted, most of them of the announcer's site.
 * @param sameSite whether the device is of the announcer's site
 * @param worth of the announcer to this device, as PeerBook has it
 */
export function answerChance(
  sameSite: boolean,
  { there, elsewhere }: MembersBySite,
  worth: number,
  { wanted, members } = OF_ONE_SHARD,
): number {
  const far = wanted * PART_FROM_OTHER_SITES;
  const answers = sameSite ? Math.max(wanted - far, wanted - elsewhere) : Math.max(far, wanted - there);
  const heard = sameSite ? there : elsewhere;
  // Who was not heard of may listen all the same, on either side.
  const chance = Math.min(wanted / members, answers / Math.max(1, heard));
  // Where all that were heard are to answer there is nobody better to leave it to.
  return answers >= heard ? chance : chance * Math.min(1, worth);
}

/** Sessions that there are, offers on their way among them, and members heard of. */
export interface Places {
  readonly near: number;
  readonly far: number;
  readonly heardNear: number;
  readonly heardFar: number;
}

/** P-10.3: whether a device has a place for one more of its own site, or of another. Whether it has room at all is another question. */
export function hasPlace(isNear: boolean, { near, far, heardNear, heardFar }: Places): boolean {
  if (isNear) return heardFar + far === 0 || near < MAX_SESSIONS_PER_ARTIFACT - PLACES_FOR_OTHER_SITES;
  const kept = Math.min(PLACES_FOR_OWN_SITE, Math.max(near, heardNear));
  return far < MAX_SESSIONS_PER_ARTIFACT - kept;
}

/**
 * P-10.3: whether a seed has a place for one more device of a site.
 * @param ofSite sessions with that site; @param sites that it has sessions with or heard of, that one among them; @param room that is left of all places
 */
export function seedHasPlace(ofSite: number, sites: number, room: number, places = MAX_SESSIONS_PER_SEED): boolean {
  return room > places * PART_FOR_SITES_IN_NEED || ofSite < Math.max(1, Math.floor(places / sites));
}

/** In which order devices are offered sessions that were named together: of the own site first, then by worth. */
export function byWorth<T extends { readonly device: string; readonly site: string }>(
  peers: readonly T[],
  site: string,
  worth: (device: string) => number,
): T[] {
  const rank = (peer: T): number => (peer.site === site ? 2 : 0) + Math.min(2, worth(peer.device));
  return peers.toSorted((a, b) => rank(b) - rank(a));
}

/** IPv4: the first three bytes. IPv6: the first four groups. */
const SUBNET_BYTES = 3;
const SUBNET_GROUPS = 4;

/** Whether an address of one is in a /24 (IPv6: /64) of one of the other's. @param a literals, as candidates are */
export function shareSubnet(a: Iterable<string>, b: Iterable<string>): boolean {
  const subnets = new Set([...a].map(subnetOf));
  return [...b].some((host) => subnets.has(subnetOf(host)));
}

function subnetOf(host: string): string {
  if (!host.includes(':')) return host.split('.').slice(0, SUBNET_BYTES).join('.');
  const [head = '', tail] = host.split('::');
  const groups = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  while (tail !== undefined && groups.length + after.length < 8) groups.push('0');
  const first = [...groups, ...after].slice(0, SUBNET_GROUPS);
  return first.map((group) => Number.parseInt(group, 16).toString(16)).join(':');
}
