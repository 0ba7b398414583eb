import type { MqttClient } from 'mqtt';
import { z } from 'zod';
import { isId } from '../shared/control/ids.js';
import type { IntegrityRow, RolloutProgress, StatusMessage } from '../shared/control/messages.js';
import type { Standing } from '../shared/control/revocation.js';
import { ChunkmeshError } from '../shared/errors.js';
import type { Credential } from '../shared/identity/bundle.js';
import { MAX_INSTALLED } from '../shared/limits.js';
import { RENEW_HOWS, type RenewHow } from './enrolment/renew_how.js';
import {
  DEFAULT_HTTP_AFTER_SECONDS,
  DEFAULT_HTTP_USE,
  HTTP_USES,
  type HttpRules,
  type HttpUse,
  MAX_HTTP_AFTER_SECONDS,
} from './http_rules.js';
import { REPAIRS, type Repaired, type Repairs } from './integrity/repair.js';
import { MAX_INTEGRITY_HOURS } from './integrity_limits.js';
import { MAX_RATE, MIN_RATE } from './rates.js';
import { MAX_RECHECK_DAYS, MAX_STORE_QUOTA, MIN_STORE_QUOTA } from './store_limits.js';
import { type Limits, limitsSchema } from './throttle.js';
import { MAX_SEED_RATIO, MAX_SEED_SECONDS, type SeedingLimits } from './transfer/retirement.js';

/** What a device's developer sees of the agent: options in, events out. */

export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** When and how the servers of a rollout's URLs may be asked (P-11). */
export interface HttpOptions {
  /** Default `no-peer`: for what no connected peer has or brings. */
  readonly use?: HttpUse;
  /** Not sooner after a rollout begins, drawn from this up to twice as much. Default 10. */
  readonly afterSeconds?: number;
  /** Bytes of one artifact, as long as the agent runs. Default: no limit. */
  readonly maxBytes?: number;
  /** Path of a PEM file: who may vouch for https servers, instead of those that Node brings. */
  readonly ca?: string;
}

export interface AgentOptions {
  /** Path of the credential bundle, or one already loaded by `loadCredential`. */
  readonly credential: string | Credential;
  /** Folder of the store; made where it is missing. One agent at a time. */
  readonly store: string;
  /** Bytes that all artifacts in the store may take, those that are handed over among them; old ones are removed for new. Default no limit. */
  readonly storeQuota?: number;
  /** How many days pass between two looks at everything that is held, whether it is what it was. 0 for never. Default 7. */
  readonly recheckDays?: number;
  /** Most that is read for that, bytes a second. Default 4,000,000. */
  readonly recheckRate?: number;
  /** Where an installer puts what, by the name of the rollout: a file or a block device, which the agent hashes again and again. Default none. */
  readonly installed?: Readonly<Record<string, string>>;
  /** How many hours pass between two looks at what is installed. 0 for never. Default 24. */
  readonly integrityHours?: number;
  /** What is done about what is wrong there: nothing, have the right chunks in the store, or write them back in place. Default `never`. */
  readonly repair?: Repairs;
  /** Path of a unix socket by which processes of this device raise alerts. Default none. */
  readonly alerts?: string;
  /** Name or number of the group that may write to it, beside the user that the agent runs as. Default none. */
  readonly alertsGroup?: string;
  /** Files, block devices too, that this device already has and may serve as they are, if a rollout names them. */
  readonly seeds?: readonly string[];
  /** UDP address. Default `0.0.0.0`, any free port. */
  readonly listen?: { readonly host?: string; readonly port?: number };
  /** Instead of the bundle's, as `mqtts://host:port`. */
  readonly broker?: string;
  /** A connected client of the caller's own, instead of a connection of the agent's. Its client id is the device's id. */
  readonly mqtt?: MqttClient;
  /** P-10.1, ms. Default 1,000, or 48 for each shard where that is more. */
  readonly joinWindowMs?: number;
  /** Shortest time between two status messages while something moves, ms. Default 2,000, and up to 32,000 at the broker while only progress moves. */
  readonly statusIntervalMs?: number;
  /** How long a device that is complete serves others: the first of both limits counts. Default for as long as a rollout names the artifact. A seed always does. */
  readonly seeding?: SeedingLimits;
  /** What the agent may take of the network, and when. `setLimits` changes it later. */
  readonly limits?: Limits;
  readonly http?: HttpOptions;
  /** Whether its certificate is renewed before it ends, and with which key (P-13.12). Default `same-key`; a new one needs a bundle that can be written. */
  readonly renew?: RenewHow;
  readonly logger?: Logger;
}

const milliseconds = z.number().min(0).max(86_400_000);

/** Objects that come from elsewhere: as much of their shape is looked at as tells them from something else. */
const withFunctions = (...names: readonly string[]) =>
  z.custom(
    (value) => typeof value === 'object' && value !== null && names.every((name) => isFunction(value, name)),
    `not an object with the functions ${names.join(', ')}`,
  );
const isFunction = (value: object, name: string): boolean => typeof Reflect.get(value, name) === 'function';
const loaded = z.object(
  { identity: z.object({ id: z.string(), role: z.string() }) },
  'neither a path nor what loadCredential gives',
);

const schema = z.strictObject({
  credential: z.union([z.string().min(1), loaded], 'neither a path nor what loadCredential gives'),
  store: z.string().min(1),
  storeQuota: z.number().min(MIN_STORE_QUOTA).max(MAX_STORE_QUOTA).optional(),
  recheckDays: z.number().min(0).max(MAX_RECHECK_DAYS).optional(),
  recheckRate: z.number().min(MIN_RATE).max(MAX_RATE).optional(),
  installed: z
    .record(z.string().refine(isId, 'a name breaks P-1.1'), z.string().min(1))
    .refine((all) => Object.keys(all).length <= MAX_INSTALLED, `more than ${MAX_INSTALLED}`)
    .optional(),
  integrityHours: z.number().min(0).max(MAX_INTEGRITY_HOURS).optional(),
  repair: z.enum(REPAIRS).optional(),
  alerts: z.string().min(1).optional(),
  alertsGroup: z.string().min(1).optional(),
  seeds: z.array(z.string().min(1)).optional(),
  listen: z
    .strictObject({ host: z.union([z.ipv4(), z.ipv6()]).optional(), port: z.int().min(0).max(65_535).optional() })
    .optional(),
  broker: z
    .string()
    .regex(/^mqtts?:\/\/\S+$/, 'not mqtts://host:port')
    .optional(),
  mqtt: withFunctions('on', 'publish', 'subscribe').optional(),
  joinWindowMs: milliseconds.optional(),
  statusIntervalMs: milliseconds.optional(),
  seeding: z
    .strictObject({
      seconds: z.number().min(0).max(MAX_SEED_SECONDS).optional(),
      ratio: z.number().min(0).max(MAX_SEED_RATIO).optional(),
    })
    .optional(),
  limits: limitsSchema.optional(),
  http: z
    .strictObject({
      use: z.enum(HTTP_USES).optional(),
      afterSeconds: z.number().min(0).max(MAX_HTTP_AFTER_SECONDS).optional(),
      maxBytes: z.number().min(0).optional(),
      ca: z.string().min(1).optional(),
    })
    .optional(),
  renew: z.enum(RENEW_HOWS).optional(),
  logger: withFunctions('debug', 'info', 'warn', 'error').optional(),
});

/** @throws E_CONFIG, naming every option that is missing, unknown or out of range */
export function checkOptions(options: AgentOptions): AgentOptions {
  const parsed = schema.safeParse(options);
  if (parsed.success) return options;
  const faults = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'options'}: ${message}`);
  throw new ChunkmeshError('E_CONFIG', `agent options: ${faults.join('; ')}`);
}

/** With what is left out at its default. */
export function httpRules({ http = {} }: Pick<AgentOptions, 'http'>): HttpRules {
  const {
    use = DEFAULT_HTTP_USE,
    afterSeconds = DEFAULT_HTTP_AFTER_SECONDS,
    maxBytes = Number.POSITIVE_INFINITY,
  } = http;
  return { use, afterMs: afterSeconds * 1000, maxBytes };
}

export interface CompletedArtifact {
  readonly name: string;
  readonly version: string;
  /** Hex of the index hash (P-1.3). */
  readonly artifact: string;
  /** The finished file: fsynced, renamed into place, hashed. */
  readonly path: string;
  readonly size: number;
}

export interface AgentEvents {
  /** Connected to the broker, again or for the first time; and the reverse. */
  online: [];
  offline: [];
  /** A rollout that was verified and will be fetched, was fetched before, or is held back. */
  rollout: [{ name: string; version: string; artifact: string; size: number }];
  /** At most once per status interval. */
  progress: [RolloutProgress];
  /** For each name and version; also when an agent starts again with what it has, or mended a file: compare with what is installed. Not at a seed for a file of `seeds`. */
  complete: [CompletedArtifact];
  /** P-15.5: a look at what is installed came to its end. */
  integrity: [IntegrityRow];
  /** P-15.7: what was wrong of what is installed has been mended. */
  repaired: [Repaired];
  /** P-15.8: an alert was raised on this device. */
  alert: [{ n: number; kind: string; text: string }];
  /** What the fleet's revocation list says of this device is another than before: with any but `good` it meets nobody (P-14.7). */
  standing: [Standing];
  /** Its operator wiped this device: store and bundle are gone, and the agent has stopped (P-14.8). */
  wiped: [];
  /** Something was refused or went wrong and the agent goes on: code, remedy and cause are in the error. */
  warning: [ChunkmeshError];
}

export type { IntegrityRow, Limits, RolloutProgress, StatusMessage };
