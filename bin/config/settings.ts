import { z } from 'zod';
import { RENEW_HOWS } from '../../agent/enrolment/renew_how.js';
import { Hold } from '../../agent/hold.js';
import { Hours } from '../../agent/hours.js';
import { HTTP_USES, MAX_HTTP_AFTER_SECONDS } from '../../agent/http_rules.js';
import { REPAIRS } from '../../agent/integrity/repair.js';
import { MAX_INTEGRITY_HOURS } from '../../agent/integrity_limits.js';
import { METERED } from '../../agent/metered.js';
import { MAX_RATE, MIN_RATE } from '../../agent/rates.js';
import { MAX_RECHECK_DAYS, MAX_STORE_QUOTA, MIN_STORE_QUOTA } from '../../agent/store_limits.js';
import { MAX_SEED_RATIO, MAX_SEED_SECONDS } from '../../agent/transfer/retirement.js';
import { isId } from '../../shared/control/ids.js';
import { ChunkmeshError } from '../../shared/errors.js';
import { MAX_INSTALLED } from '../../shared/limits.js';
import { LOG_LEVELS } from '../log.js';
import { DAYS, parseBytes, parseRate, RATE_WANTED, SIZE_WANTED } from './rate.js';

/** The settings of an agent: one row each, in the file, in the environment and on the command line alike. */

const path = z.string().min(1, 'an empty path');
/** The environment has texts where a file has numbers. */
const number = (pattern: RegExp) => (value: unknown) =>
  typeof value === 'string' && pattern.test(value) ? Number(value) : value;
const milliseconds = z.preprocess(
  number(/^\d{1,15}$/),
  z.int('not a whole number').min(50, 'below 50').max(3_600_000, 'above one hour'),
);
const seconds = (most: number, above: string) =>
  z.preprocess(number(/^\d{1,15}$/), z.int('not a whole number').min(0, 'below 0').max(most, above));
const ratio = z.preprocess(
  number(/^\d{1,15}(\.\d{1,6})?$/),
  z.number('not a number').min(0, 'below 0').max(MAX_SEED_RATIO, `above ${MAX_SEED_RATIO}`),
);

const rate = z.union([z.string(), z.number()]).transform((value, context) => {
  const parsed = parseRate(String(value));
  if (parsed !== undefined && parsed >= MIN_RATE && parsed <= MAX_RATE) return parsed;
  context.addIssue({ code: 'custom', message: `not a rate from 1k to 4G: ${RATE_WANTED}` });
  return z.NEVER;
});

const quota = z.union([z.string(), z.number()]).transform((value, context) => {
  const parsed = parseBytes(String(value));
  if (parsed !== undefined && parsed >= MIN_STORE_QUOTA && parsed <= MAX_STORE_QUOTA) return parsed;
  context.addIssue({ code: 'custom', message: `not a size of 1M or more: ${SIZE_WANTED}` });
  return z.NEVER;
});

const days = z.preprocess(
  (value) => (typeof value === 'string' && DAYS.test(value) ? Number(value) : value),
  z.number('not a number of days').min(0, 'below 0').max(MAX_RECHECK_DAYS, `above ${MAX_RECHECK_DAYS}`),
);

const hoursApart = z.preprocess(
  number(/^\d{1,4}(\.\d{1,6})?$/),
  z.number('not a number of hours').min(0, 'below 0').max(MAX_INTEGRITY_HOURS, `above ${MAX_INTEGRITY_HOURS}`),
);

const installed = z
  .record(z.string().refine(isId, 'the name of a rollout is 1 to 64 of A-Z, a-z, 0-9, _ and -'), path)
  .refine((all) => Object.keys(all).length <= MAX_INSTALLED, `more than ${MAX_INSTALLED}`);

const bytes = z.union([z.string(), z.number()]).transform((value, context) => {
  const parsed = parseBytes(String(value));
  if (parsed !== undefined) return parsed;
  context.addIssue({ code: 'custom', message: 'not a number of bytes, as 500k or 2.5G' });
  return z.NEVER;
});

/** What a class of the agent's own reads, and refuses with E_CONFIG. */
const read = (parse: (text: string) => object) =>
  z.string().superRefine((text, context) => {
    try {
      parse(text);
    } catch (error) {
      if (!(error instanceof ChunkmeshError)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
    }
  });
const hours = read((text) => new Hours(text));
const hold = read((text) => new Hold(text));

export interface SettingRow {
  /** Key in the file. */
  readonly key: keyof AgentSettings;
  readonly environment: string;
  /** As commander writes it. */
  readonly flag: string;
  readonly meaning: string;
  /** For a reader; absent where there is none and the setting must be given. */
  readonly fallback?: string;
}

export const schema = z
  .strictObject({
    bundle: path,
    store: path,
    storeQuota: quota,
    recheckDays: days,
    recheckRate: rate,
    installed,
    integrityHours: hoursApart,
    repair: z.enum(REPAIRS),
    alerts: path,
    alertsGroup: z.string().min(1, 'an empty name'),
    seeds: z.array(path),
    listen: z.string().refine((text) => !/^\d+$/.test(text), 'write host:port, as 0.0.0.0:51554'),
    broker: z.string(),
    statusIntervalMs: milliseconds,
    joinWindowMs: milliseconds,
    seedSeconds: seconds(MAX_SEED_SECONDS, 'above one year'),
    seedRatio: ratio,
    upRate: rate,
    downRate: rate,
    peerUpRate: rate,
    peerDownRate: rate,
    hours,
    metered: z.enum(METERED),
    hold,
    http: z.enum(HTTP_USES),
    httpAfterSeconds: seconds(MAX_HTTP_AFTER_SECONDS, 'above one day'),
    httpMaxBytes: bytes,
    httpCa: path,
    renew: z.enum(RENEW_HOWS),
    metrics: z.string(),
    logLevel: z.enum(LOG_LEVELS),
  })
  .partial();

export type AgentSettings = z.infer<typeof schema>;

export const SETTINGS: readonly SettingRow[] = [
  {
    key: 'bundle',
    environment: 'CHUNKMESH_BUNDLE',
    flag: '--bundle <file>',
    meaning: 'credential bundle, made by `chunkmesh enroll`; mode 0600; or `credential:<name>`',
  },
  {
    key: 'store',
    environment: 'CHUNKMESH_STORE',
    flag: '--store <folder>',
    meaning: 'folder of the store; made where it is missing; one agent at a time',
  },
  {
    key: 'storeQuota',
    environment: 'CHUNKMESH_STORE_QUOTA',
    flag: '--store-quota <size>',
    meaning: 'most that all artifacts in the store may take, as `500M` or `20G`; old ones are removed for new ones',
    fallback: 'no limit',
  },
  {
    key: 'recheckDays',
    environment: 'CHUNKMESH_RECHECK_DAYS',
    flag: '--recheck-days <days>',
    meaning: 'how often all that it serves is read again to find what rotted, as `7` or `0.5`; 0 for never',
    fallback: '7',
  },
  {
    key: 'recheckRate',
    environment: 'CHUNKMESH_RECHECK_RATE',
    flag: '--recheck-rate <rate>',
    meaning: 'most that it reads for that, in bytes a second',
    fallback: '4M',
  },
  {
    key: 'installed',
    environment: 'CHUNKMESH_INSTALLED',
    flag: '--installed <name=path>',
    meaning:
      'the file or block device that an installer puts the rollout of that name into, which the agent hashes again and again; may be repeated (environment: separated by `:`; file: an object of names and paths)',
    fallback: 'none',
  },
  {
    key: 'integrityHours',
    environment: 'CHUNKMESH_INTEGRITY_HOURS',
    flag: '--integrity-hours <hours>',
    meaning: 'how often it does, no faster than `recheckRate`, as `24` or `0.5`; 0 for never',
    fallback: '24',
  },
  {
    key: 'repair',
    environment: 'CHUNKMESH_REPAIR',
    flag: '--repair <where>',
    meaning: `where what is wrong there is mended from the store and from peers, one of ${REPAIRS.join(', ')}: nowhere, in the store alone, or in place`,
    fallback: 'never',
  },
  {
    key: 'alerts',
    environment: 'CHUNKMESH_ALERTS',
    flag: '--alerts <path>',
    meaning: 'a unix socket by which processes of this device raise alerts; mode 0600',
    fallback: 'none',
  },
  {
    key: 'alertsGroup',
    environment: 'CHUNKMESH_ALERTS_GROUP',
    flag: '--alerts-group <group>',
    meaning: 'name or number of a group that may write to it too; mode 0660 then',
    fallback: 'none',
  },
  {
    key: 'seeds',
    environment: 'CHUNKMESH_SEEDS',
    flag: '--seed <file>',
    meaning:
      'a file or block device that this device already has and may serve; may be repeated (environment: separated by `:`)',
    fallback: 'none',
  },
  {
    key: 'listen',
    environment: 'CHUNKMESH_LISTEN',
    flag: '--listen <host:port>',
    meaning: 'UDP address, no name; port 0 is any free one',
    fallback: '0.0.0.0:0',
  },
  {
    key: 'broker',
    environment: 'CHUNKMESH_BROKER',
    flag: '--broker <address>',
    meaning: "broker, as `mqtts://host:port`, instead of the bundle's",
    fallback: "the bundle's",
  },
  {
    key: 'statusIntervalMs',
    environment: 'CHUNKMESH_STATUS_INTERVAL_MS',
    flag: '--status-interval <ms>',
    meaning: 'shortest time between two status messages while something moves; 50 to 3600000',
    fallback: '2000; up to 32000 while only progress moves',
  },
  {
    key: 'joinWindowMs',
    environment: 'CHUNKMESH_JOIN_WINDOW_MS',
    flag: '--join-window <ms>',
    meaning: 'a new rollout is joined after a random part of this (P-10.1); 50 to 3600000',
    fallback: '1000; 48 for each shard in a large fleet',
  },
  {
    key: 'seedSeconds',
    environment: 'CHUNKMESH_SEED_SECONDS',
    flag: '--seed-seconds <s>',
    meaning: 'how long it serves an artifact once it is complete; 0 to 31536000',
    fallback: 'as long as a rollout names it',
  },
  {
    key: 'seedRatio',
    environment: 'CHUNKMESH_SEED_RATIO',
    flag: '--seed-ratio <copies>',
    meaning: 'how many copies of an artifact it serves, once it is complete; 0 to 1000, as `2.5`',
    fallback: 'no limit',
  },
  {
    key: 'upRate',
    environment: 'CHUNKMESH_UP_RATE',
    flag: '--up-rate <rate>',
    meaning: 'most that it sends, in bytes a second, as `500k` or `2.5M`',
    fallback: 'no limit',
  },
  {
    key: 'downRate',
    environment: 'CHUNKMESH_DOWN_RATE',
    flag: '--down-rate <rate>',
    meaning: 'most that it has its peers send',
    fallback: 'no limit',
  },
  {
    key: 'peerUpRate',
    environment: 'CHUNKMESH_PEER_UP_RATE',
    flag: '--peer-up-rate <rate>',
    meaning: 'most that it sends to one peer',
    fallback: 'no limit',
  },
  {
    key: 'peerDownRate',
    environment: 'CHUNKMESH_PEER_DOWN_RATE',
    flag: '--peer-down-rate <rate>',
    meaning: 'most that it has one peer send',
    fallback: 'no limit',
  },
  {
    key: 'hours',
    environment: 'CHUNKMESH_HOURS',
    flag: '--hours <spans>',
    meaning:
      'when it fetches and serves what is not urgent, as `22:00-06:00`, several with commas between; its own time',
    fallback: 'always',
  },
  {
    key: 'metered',
    environment: 'CHUNKMESH_METERED',
    flag: '--metered <mode>',
    meaning: `for a link that costs money by the byte, one of ${METERED.join(', ')}: serve nobody, fetch all or what is urgent`,
    fallback: 'off',
  },
  {
    key: 'hold',
    environment: 'CHUNKMESH_HOLD',
    flag: '--hold <names>',
    meaning:
      'rollouts that it neither fetches nor writes, as `firmware,model`, or `all`; it serves what its own files share with them',
    fallback: 'none',
  },
  {
    key: 'http',
    environment: 'CHUNKMESH_HTTP',
    flag: '--http <use>',
    meaning: `whether the servers of a rollout's URLs are asked, one of ${HTTP_USES.join(', ')}: not at all, for what no peer brings, or beside peers`,
    fallback: 'no-peer',
  },
  {
    key: 'httpAfterSeconds',
    environment: 'CHUNKMESH_HTTP_AFTER_SECONDS',
    flag: '--http-after <seconds>',
    meaning: 'not sooner after a rollout begins, drawn from this up to twice as much; 0 to 86400',
    fallback: '10',
  },
  {
    key: 'httpMaxBytes',
    environment: 'CHUNKMESH_HTTP_MAX_BYTES',
    flag: '--http-max-bytes <bytes>',
    meaning: 'most that is asked of them for one artifact while the agent runs, as `500k` or `2.5G`',
    fallback: 'no limit',
  },
  {
    key: 'httpCa',
    environment: 'CHUNKMESH_HTTP_CA',
    flag: '--http-ca <file>',
    meaning: 'certificates (PEM) of who may vouch for https servers, instead of those that Node brings',
    fallback: "Node's",
  },
  {
    key: 'renew',
    environment: 'CHUNKMESH_RENEW',
    flag: '--renew <how>',
    meaning: `how its certificate is renewed before it ends, one of ${RENEW_HOWS.join(', ')}; a new key needs a bundle that the agent may write`,
    fallback: 'same-key',
  },
  {
    key: 'metrics',
    environment: 'CHUNKMESH_METRICS',
    flag: '--metrics <host:port>',
    meaning: 'where it serves its metrics for Prometheus, over HTTP, no name; `:9464` is of this host alone',
    fallback: 'nowhere',
  },
  {
    key: 'logLevel',
    environment: 'CHUNKMESH_LOG_LEVEL',
    flag: '--log-level <level>',
    meaning: `one of ${LOG_LEVELS.join(', ')}`,
    fallback: 'info',
  },
];
