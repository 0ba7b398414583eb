import { z } from 'zod';
import { Hours } from '../../agent/hours.js';
import { METERED } from '../../agent/metered.js';
import { MAX_RATE, MIN_RATE } from '../../agent/rates.js';
import { ChunkmeshError } from '../../shared/errors.js';
import { LOG_LEVELS } from '../log.js';
import { parseRate, RATE_WANTED } from './rate.js';

/** The settings of an agent: one row each, in the file, in the environment and on the command line alike. */

const path = z.string().min(1, 'an empty path');
/** The environment has texts where a file has numbers. */
const milliseconds = z.preprocess(
  (value) => (typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value),
  z.int('not a whole number').min(50, 'below 50').max(3_600_000, 'above one hour'),
);

const rate = z.union([z.string(), z.number()]).transform((value, context) => {
  const parsed = parseRate(String(value));
  if (parsed !== undefined && parsed >= MIN_RATE && parsed <= MAX_RATE) return parsed;
  context.addIssue({ code: 'custom', message: `not a rate from 1k to 4G: ${RATE_WANTED}` });
  return z.NEVER;
});

const hours = z.string().superRefine((text, context) => {
  try {
    new Hours(text);
  } catch (error) {
    if (!(error instanceof ChunkmeshError)) throw error;
    context.addIssue({ code: 'custom', message: error.message });
  }
});

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
    seeds: z.array(path),
    listen: z.string().refine((text) => !/^\d+$/.test(text), 'write host:port, as 0.0.0.0:51554'),
    broker: z.string(),
    statusIntervalMs: milliseconds,
    joinWindowMs: milliseconds,
    upRate: rate,
    downRate: rate,
    peerUpRate: rate,
    peerDownRate: rate,
    hours,
    metered: z.enum(METERED),
    logLevel: z.enum(LOG_LEVELS),
  })
  .partial();

export type AgentSettings = z.infer<typeof schema>;

export const SETTINGS: readonly SettingRow[] = [
  {
    key: 'bundle',
    environment: 'CHUNKMESH_BUNDLE',
    flag: '--bundle <file>',
    meaning: 'credential bundle, made by `chunkmesh enroll`; mode 0600',
  },
  {
    key: 'store',
    environment: 'CHUNKMESH_STORE',
    flag: '--store <folder>',
    meaning: 'folder of the store; made where it is missing; one agent at a time',
  },
  {
    key: 'seeds',
    environment: 'CHUNKMESH_SEEDS',
    flag: '--seed <file>',
    meaning: 'a file that this device already has and may serve; may be repeated (environment: separated by `:`)',
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
    key: 'logLevel',
    environment: 'CHUNKMESH_LOG_LEVEL',
    flag: '--log-level <level>',
    meaning: `one of ${LOG_LEVELS.join(', ')}`,
    fallback: 'info',
  },
];
