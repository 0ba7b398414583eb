import { createHash } from 'node:crypto';
import { MAX_SHARDS } from '../limits.js';
import { isArtifactName, isId } from './ids.js';

/**
 * The one table of topics (P-2.1) and of who may use them (P-2.2). Builders, parsers, envelope checks and every ACL in every
 * broker's format come from here, by whole segments.
 */

export type TopicName = 'trust' | 'have' | 'signal' | 'status' | 'command' | 'revoked' | 'enroll' | 'enrolled';
export type Role = 'device' | 'seed' | 'publisher' | 'operator' | 'auditor' | 'registrar' | 'newcomer';
export type Action = 'publish' | 'subscribe';

/** Who a client or a signer is, as its certificate says (P-3.5). */
export interface Identity {
  readonly fleet: string;
  readonly id: string;
  readonly role: Role;
  readonly site: string;
  readonly groups: readonly string[];
}

export const ROLES: readonly Role[] = ['device', 'seed', 'publisher', 'operator', 'auditor', 'registrar', 'newcomer'];
/** Whoever is given a place for good; a newcomer has one until its token ends (P-13.8). */
export const MEMBER_ROLES: readonly Role[] = ROLES.filter((role) => role !== 'newcomer');

interface TopicRow {
  /** The fields after the topic's name, in order. */
  readonly fields: readonly string[];
  readonly retained: boolean;
  readonly qos: 0 | 1;
}

/** P-2.1 */
export const TOPICS: Readonly<Record<TopicName, TopicRow>> = {
  trust: { fields: ['group'], retained: true, qos: 1 },
  have: { fields: ['artifact', 'shard', 'device'], retained: false, qos: 0 },
  signal: { fields: ['site', 'to', 'from'], retained: false, qos: 1 },
  status: { fields: ['device'], retained: true, qos: 1 },
  command: { fields: ['device'], retained: false, qos: 1 },
  revoked: { fields: [], retained: true, qos: 1 },
  enroll: { fields: ['device'], retained: false, qos: 1 },
  enrolled: { fields: ['device'], retained: false, qos: 1 },
};

export interface AccessRow {
  readonly roles: readonly Role[];
  readonly action: Action;
  /** Whole segments below the prefix: literal, `+`, `#`, or a placeholder bound to the client (P-2.2). */
  readonly filter: readonly string[];
  /** P-14.9: also for who is in quarantine or to be wiped. */
  readonly isolated?: true;
}

const devices: readonly Role[] = ['device', 'seed'];
const asking: readonly Role[] = [...devices, 'newcomer'];

/** P-2.2 */
export const ACCESS: readonly AccessRow[] = [
  { roles: devices, action: 'publish', filter: ['have', '+', '+', '{self}'] },
  { roles: devices, action: 'publish', filter: ['signal', '+', '+', '{self}'] },
  { roles: devices, action: 'publish', filter: ['status', '{self}'], isolated: true },
  { roles: ['publisher'], action: 'publish', filter: ['trust', '+'] },
  { roles: ['operator'], action: 'publish', filter: ['command', '+'] },
  { roles: ['operator'], action: 'publish', filter: ['revoked'] },
  { roles: asking, action: 'publish', filter: ['enroll', '{self}'] },
  { roles: ['registrar'], action: 'publish', filter: ['enrolled', '+'] },

  { roles: devices, action: 'subscribe', filter: ['trust', '{group}'], isolated: true },
  { roles: ['device'], action: 'subscribe', filter: ['have', '+', '{shard}', '+'] },
  { roles: ['seed'], action: 'subscribe', filter: ['have', '+', '+', '+'] },
  { roles: devices, action: 'subscribe', filter: ['signal', '{site}', '{self}', '+'] },
  { roles: devices, action: 'subscribe', filter: ['command', '{self}'], isolated: true },
  { roles: ['publisher', 'operator'], action: 'subscribe', filter: ['trust', '+'] },
  { roles: ['operator'], action: 'subscribe', filter: ['status', '+'] },
  {
    roles: ['device', 'seed', 'publisher', 'operator', 'registrar'],
    action: 'subscribe',
    filter: ['revoked'],
    isolated: true,
  },
  { roles: asking, action: 'subscribe', filter: ['enrolled', '{self}'] },
  { roles: ['registrar'], action: 'subscribe', filter: ['enroll', '+'] },
  { roles: ['auditor'], action: 'subscribe', filter: ['#'] },
];

const join = (prefix: string, ...segments: readonly string[]): string => [prefix, ...segments].join('/');

/** Builders. Arguments are ids that were checked at the door (P-1.1, P-1.3). */
export const topics = {
  trust: (prefix: string, group: string): string => join(prefix, 'trust', group),
  have: (prefix: string, artifact: string, shard: string | number, device: string): string =>
    join(prefix, 'have', artifact, String(shard), device),
  signal: (prefix: string, site: string, to: string, from: string): string => join(prefix, 'signal', site, to, from),
  status: (prefix: string, device: string): string => join(prefix, 'status', device),
  command: (prefix: string, device: string): string => join(prefix, 'command', device),
  revoked: (prefix: string): string => join(prefix, 'revoked'),
  enroll: (prefix: string, device: string): string => join(prefix, 'enroll', device),
  enrolled: (prefix: string, device: string): string => join(prefix, 'enrolled', device),
};

export type ParsedTopic =
  | { readonly name: 'trust'; readonly group: string }
  | { readonly name: 'have'; readonly artifact: string; readonly shard: number; readonly device: string }
  | { readonly name: 'signal'; readonly site: string; readonly to: string; readonly from: string }
  | { readonly name: 'status' | 'command' | 'enroll' | 'enrolled'; readonly device: string }
  | { readonly name: 'revoked' };

const SHARD = /^(?:0|[1-9][0-9]{0,4})$/;

const FIELD_CHECKS: Readonly<Record<string, (value: string) => boolean>> = {
  artifact: isArtifactName,
  shard: (value) => SHARD.test(value) && Number(value) < MAX_SHARDS,
};

/** What a topic means, or null where it is none of the table's. */
export function parseTopic(prefix: string, topic: string): ParsedTopic | null {
  const segments = topic.split('/');
  const own = prefix.split('/');
  if (!own.every((segment, i) => segments[i] === segment)) return null;
  const [name, ...values] = segments.slice(own.length);
  if (name === undefined || !Object.hasOwn(TOPICS, name)) return null;
  const { fields } = TOPICS[name as TopicName];
  if (values.length !== fields.length) return null;
  const parsed: Record<string, string | number> = { name };
  for (const [i, field] of fields.entries()) {
    const value = values[i] ?? '';
    if (!(FIELD_CHECKS[field] ?? isId)(value)) return null;
    parsed[field] = field === 'shard' ? Number(value) : value;
  }
  return parsed as unknown as ParsedTopic;
}

const hashOf = (device: string): number => createHash('sha256').update(device).digest().readUInt32BE(0);

/** P-2.4. `count` is a power of two up to MAX_SHARDS. */
export function shardOf(device: string, count: number): number {
  return hashOf(device) % count;
}

/** P-2.4: the shards of a device under every count, ascending. */
export function shardsOf(device: string): number[] {
  const hash = hashOf(device);
  const shards = new Set<number>();
  for (let count = 1; count <= MAX_SHARDS; count *= 2) shards.add(hash % count);
  return [...shards].sort((a, b) => a - b);
}

function bind(segment: string, identity: Identity): readonly string[] {
  switch (segment) {
    case '{self}':
      return [identity.id];
    case '{site}':
      return [identity.site];
    case '{group}':
      return identity.groups;
    case '{shard}':
      return shardsOf(identity.id).map(String);
    default:
      return [segment];
  }
}

/**
 * Every filter that the table gives `identity` for `action`, prefix included, placeholders bound (P-2.2).
 * @param isolated whether it is in quarantine or to be wiped (P-14.9)
 */
export function allowedFilters(prefix: string, identity: Identity, action: Action, isolated = false): string[] {
  const filters: string[] = [];
  for (const { roles, action: of, filter, isolated: always = false } of ACCESS) {
    if (of !== action || !roles.includes(identity.role) || (isolated && !always)) continue;
    let bound: string[][] = [prefix.split('/')];
    for (const segment of filter) {
      bound = bound.flatMap((head) => bind(segment, identity).map((value) => [...head, value]));
    }
    filters.push(...bound.map((segments) => segments.join('/')));
  }
  return filters;
}

/** MQTT 3.1.1 §4.7, with empty segments and NUL refused (P-2.3). */
export function isTopic(topic: string): boolean {
  return topic.length > 0 && topic.split('/').every((segment) => segment !== '' && !/[+#\0]/.test(segment));
}

/** MQTT 3.1.1 §4.7.1: a wildcard stands alone in its segment, and `#` only at the end (P-2.3). */
export function isFilter(filter: string): boolean {
  const segments = filter.split('/');
  return segments.every((segment, i) => {
    if (segment === '#') return i === segments.length - 1;
    return segment === '+' || (segment !== '' && !/[+#\0]/.test(segment));
  });
}

type Segments = readonly string[];

function coversBy(wide: Segments, narrow: Segments, takes: (segment: string, other: string) => boolean): boolean {
  for (const [i, segment] of wide.entries()) {
    if (segment === '#') return narrow.length > i;
    const other = narrow[i];
    if (other === undefined || other === '#') return false;
    if (segment !== '+' && !takes(segment, other)) return false;
  }
  return narrow.length === wide.length;
}

/** Whether every topic that `filter` matches is matched by `allowed` too (P-2.3). A topic is a filter without wildcards. */
export function covers(allowed: string, filter: string): boolean {
  return coversBy(allowed.split('/'), filter.split('/'), (segment, other) => segment === other);
}

/** As `allowedFilters` says, binding no more than the name asks for: this is done for every message that is opened. */
function allows(prefix: string, identity: Identity, action: Action, name: string): boolean {
  const own = prefix.split('/');
  const segments = name.split('/');
  const takes = (segment: string, other: string): boolean => bind(segment, identity).includes(other);
  return ACCESS.some(
    (row) =>
      row.action === action && row.roles.includes(identity.role) && coversBy([...own, ...row.filter], segments, takes),
  );
}

/** P-2.2, P-2.3 */
export function mayPublish(prefix: string, identity: Identity, topic: string): boolean {
  return isTopic(topic) && allows(prefix, identity, 'publish', topic);
}

/** P-2.2, P-2.3. For a topic as well as for a filter: what may be subscribed may be received. */
export function maySubscribe(prefix: string, identity: Identity, filter: string): boolean {
  return isFilter(filter) && allows(prefix, identity, 'subscribe', filter);
}
