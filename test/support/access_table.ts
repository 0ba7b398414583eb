import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Identity } from '../../shared/control/topics.js';

/** P-2.2 as docs/PROTOCOL.md prints it, read apart from the table in the code, so that each holds the other to account. */

const WORDS: Readonly<Record<string, string[]>> = { nothing: [], 'everything below the prefix': ['#'] };

interface Row {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

function cell(text: string): string[] {
  const words = WORDS[text.trim()];
  return words ?? [...text.matchAll(/`([^`]+)`/g)].map(([, filter = '']) => filter);
}

export function readAccessTable(): ReadonlyMap<string, Row> {
  const text = readFileSync(new URL('../../docs/PROTOCOL.md', import.meta.url), 'utf8');
  const rule = text.slice(text.indexOf('**P-2.2**'), text.indexOf('**P-2.3**'));
  const rows = rule.split('\n').filter((line) => line.trim().startsWith('|'));
  return new Map(
    rows.slice(2).map((line) => {
      const [, role = '', publish = '', subscribe = ''] = line.split('|');
      return [role.trim(), { publish: cell(publish), subscribe: cell(subscribe) }];
    }),
  );
}

/** P-2.4 */
export function shards(id: string): string[] {
  const value = createHash('sha256').update(id).digest().readUInt32BE(0);
  return [...new Set(Array.from({ length: 16 }, (_, i) => String(value % 2 ** i)))];
}

/** Whether `segment` of a row stands for `name`, a segment of a topic or a filter. */
function stands(segment: string, name: string, { id, site, groups }: Identity): boolean {
  if (name === '#') return false;
  if (segment === '+') return true;
  if (segment === 'self') return name === id;
  if (segment === '{site}') return name === site;
  if (segment === '{group}') return groups.includes(name);
  if (segment === '{shard}') return shards(id).includes(name);
  return segment === name;
}

/** Whether the rows allow `name`, a topic or a filter with its prefix (P-2.3). */
export function allows(rows: readonly string[], prefix: string, identity: Identity, name: string): boolean {
  if (!name.startsWith(`${prefix}/`)) return false;
  const segments = name.slice(prefix.length + 1).split('/');
  return rows.some((row) => {
    if (row === '#') return true;
    const own = row.split('/');
    return own.length === segments.length && own.every((segment, i) => stands(segment, segments[i] ?? '', identity));
  });
}

/** MQTT 3.1.1 §4.7, for topics that do not begin with `$`. */
export function matches(filter: string, topic: string): boolean {
  const pattern = filter.split('/').map((segment) => {
    if (segment === '#') return '.*';
    return segment === '+' ? '[^/]*' : segment.replaceAll('$', '\\$');
  });
  return new RegExp(`^${pattern.join('/').replace(/\/\.\*$/, '(?:/.*)?')}$`).test(topic);
}
