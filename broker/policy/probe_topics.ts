import { TOPICS, type TopicName } from '../../shared/control/topics.js';

/** What to try on a broker to see whether it holds the table: every topic and filter that a few names can form. */

/** Names to fill the fields of topics with: some that belong to the client under test, some that do not. */
export interface ProbeNames {
  readonly ids: readonly string[];
  readonly sites: readonly string[];
  readonly groups: readonly string[];
  readonly artifacts: readonly string[];
  readonly shards: readonly number[];
}

const NAMES_OF_FIELD: Readonly<Record<string, (names: ProbeNames) => readonly string[]>> = {
  group: ({ groups }) => groups,
  artifact: ({ artifacts }) => artifacts,
  shard: ({ shards }) => shards.map(String),
  device: ({ ids }) => ids,
  site: ({ sites }) => sites,
  to: ({ ids }) => ids,
  from: ({ ids }) => ids,
};

function combine(prefix: string, name: TopicName, choices: (field: string) => readonly string[]): string[] {
  let heads = [`${prefix}/${name}`];
  for (const field of TOPICS[name].fields) {
    heads = heads.flatMap((head) => choices(field).map((choice) => `${head}/${choice}`));
  }
  return heads;
}

const tableNames = Object.keys(TOPICS) as TopicName[];

/** Every topic of P-2.1 with every combination of the names. */
export function probeTopics(prefix: string, names: ProbeNames): string[] {
  return tableNames.flatMap((name) => combine(prefix, name, (field) => NAMES_OF_FIELD[field]?.(names) ?? []));
}

/** Topics that are near the table and not in it. The last `outside` are not even below the prefix. */
export function strayTopics(prefix: string, id: string): { readonly inside: string[]; readonly outside: string[] } {
  const other = `${prefix.split('/').slice(0, -1).join('/') || prefix}/other`;
  return {
    inside: [
      'status',
      `status/${id}/more`,
      `Status/${id}`,
      `have/${id}`,
      'revoked/more',
      `trusts/${id}`,
      `x/${id}`,
    ].map((rest) => `${prefix}/${rest}`),
    outside: [
      prefix,
      `${prefix}x/status/${id}`,
      `${other}/status/${id}`,
      `x/${prefix}/status/${id}`,
      `/${prefix}/status/${id}`,
      `status/${id}`,
      '$SYS/broker/probe',
    ],
  };
}

/** Every filter of P-2.1 with every combination of the names and `+`, and those that reach for more. */
export function probeFilters(prefix: string, names: ProbeNames): string[] {
  const own = tableNames.flatMap((name) =>
    combine(prefix, name, (field) => [...(NAMES_OF_FIELD[field]?.(names) ?? []), '+']),
  );
  const wide = tableNames.map((name) => `${prefix}/${name}/#`);
  const anywhere = prefix.replaceAll(/[^/]+/g, '+');
  const id = names.ids[0] ?? '';
  return [
    ...own,
    ...wide,
    ...['#', '+/#', '$SYS/#', `${prefix}/#`, `${prefix}/+`, `${prefix}/+/+`, `${prefix}/+/+/+/+`, `${prefix}/+/${id}`],
    ...[`${anywhere}/#`, `${anywhere}/status/${id}`, `${anywhere}/command/${id}`, `${prefix}x/#`, `/${prefix}/#`],
  ];
}
