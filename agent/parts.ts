import { resolve } from 'node:path';
import { ChunkmeshError } from '../shared/errors.js';
import type { Credential } from '../shared/identity/bundle.js';
import { openCredential, useKept } from './enrolment/kept_certificate.js';
import { Evidence } from './evidence/evidence.js';
import { Endpoint } from './io/endpoint.js';
import { readAuthorities } from './io/http/authorities.js';
import { HttpClient } from './io/http/http_client.js';
import type { HttpFlow } from './io/http/http_flow.js';
import { SeedFile } from './io/store/seed_file.js';
import { Store, type StoreOptions } from './io/store/store.js';
import { openCounter } from './message_counter.js';
import type { AgentOptions } from './options.js';
import { Revocation } from './revocation/revocation.js';
import { type RecheckMemory, recheckMemorySchema } from './store/recheck_plan.js';
import { TrustKeeper, trustMemorySchema } from './trust/trust_keeper.js';
import { TrustedClock } from './trust/trusted_clock.js';

/** The parts of an agent that hold something of the world, opened in order, and closed whatever becomes of the others. */

/** State documents of the store: what a device remembers of trust messages, and where the recheck stands. */
export const TRUST_DOCUMENT = 'trust';
export const RECHECK_DOCUMENT = 'recheck';

export interface Parts {
  /** It counts what it signs by the store (P-3.8). */
  readonly credential: Credential;
  /** The credential's, where it was loaded here: who gave one that was loaded closes it. */
  readonly key: { close(): void } | null;
  readonly store: Store;
  readonly evidence: Evidence;
  readonly endpoint: Endpoint;
  readonly seeds: readonly SeedFile[];
  readonly trust: TrustKeeper;
  readonly clock: TrustedClock;
  readonly recheckMemory: RecheckMemory;
  readonly http: HttpClient;
  readonly revocation: Revocation;
}

export interface PartsOwner {
  /** Looks at the credential before anything else is opened, and may refuse it. */
  believed(credential: Credential): void;
  /** Bytes begin to come over HTTP. */
  flowed(flow: HttpFlow): void;
  /** Something is lost that nothing waits for. */
  warned(error: ChunkmeshError): void;
}

const SYSTEM_CLOCKS = { wall: () => Date.now() / 1000, now: () => performance.now() };
const NOBODY: PartsOwner = { believed() {}, flowed() {}, warned() {} };

/**
 * @param ended aborted where the agent is stopped meanwhile: then this fails with its reason, nothing left open.
 * @throws E_FILE_*, E_KEY_*, E_NOT_INSTALLED, E_BUNDLE, E_BUNDLE_ROLE, E_CERT_*, E_CONFIG, E_STORE_*, E_SOCKET
 */
export async function openParts(options: AgentOptions, ended: AbortSignal, owner: PartsOwner = NOBODY): Promise<Parts> {
  const { credential: given, listen = {} } = options;
  const found = await openCredential(given, SYSTEM_CLOCKS.wall());
  const loaded = found.credential;
  const key = typeof given === 'string' ? loaded.key : null;
  const opened: { close(): Promise<void> }[] = [];
  const keep = <T extends { close(): Promise<void> }>(part: T): T => {
    opened.unshift(part);
    ended.throwIfAborted();
    return part;
  };
  try {
    checkRole(loaded);
    owner.believed(loaded);
    const ca = await readAuthorities(options.http?.ca);
    const store = keep(await Store.open(resolve(options.store), storeOptions(options, loaded)));
    const memory = await store.readState(TRUST_DOCUMENT, trustMemorySchema);
    const clock = new TrustedClock(SYSTEM_CLOCKS, memory?.clock);
    clock.began(loaded.notBefore);
    await useKept(store, found, clock.now());
    clock.began(loaded.notBefore);
    const counter = await openCounter(store, clock, (error) => owner.warned(error));
    const credential: Credential = { ...loaded, counter };
    const evidence = keep(await Evidence.open(store, (error) => owner.warned(error)));
    const endpoint = keep(await Endpoint.open(listen.host ?? '0.0.0.0', listen.port ?? 0));
    const http = keep(new HttpClient({ ca, onFlow: (flow) => owner.flowed(flow) }));
    const trust = new TrustKeeper(credential.identity, credential.root, clock, memory);
    const revocation = await Revocation.open(store, credential);
    const seeds: SeedFile[] = [];
    for (const path of options.seeds ?? []) {
      // An abort that came before is no event to whoever listens from now on.
      ended.throwIfAborted();
      seeds.push(keep(await unlessEnded(SeedFile.index(path), ended)));
    }
    return {
      credential,
      key,
      store,
      evidence,
      endpoint,
      seeds,
      trust,
      revocation,
      clock,
      http,
      recheckMemory: await recheckMemory(store),
    };
  } catch (error) {
    await everyStep([...opened.map((part) => () => part.close()), async () => key?.close()]).catch(() => {});
    throw error;
  }
}

/** What is left to say is said, then all is given back. @throws E_STORE_IO, E_DISK_FULL */
export function closeParts({ key, store, evidence, endpoint, seeds, http }: Parts): Promise<void> {
  const parts = [endpoint, http, ...seeds, evidence, store].map((part) => () => part.close());
  return everyStep([...parts, async () => key?.close()]);
}

/** Takes every step in turn, whatever becomes of the others. @throws the first error, once all were taken */
export async function everyStep(steps: readonly (() => Promise<unknown>)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}

function storeOptions({ storeQuota: quota, logger }: AgentOptions, { identity }: Credential): StoreOptions {
  return {
    ...(quota !== undefined && { quota }),
    groups: identity.groups,
    evicted: (what) => logger?.info({ ...what }, 'artifact removed for the room of another'),
  };
}

/** What it costs to have none is reading: no reason not to start. */
async function recheckMemory(store: Store): Promise<RecheckMemory> {
  const memory = await store.readState(RECHECK_DOCUMENT, recheckMemorySchema).catch(() => undefined);
  return memory ?? {};
}

function checkRole({ identity: { id, role } }: Credential): void {
  if (role === 'device' || role === 'seed') return;
  throw new ChunkmeshError('E_BUNDLE_ROLE', `the bundle is of ${id}, role ${role}; an agent is a device or a seed`);
}

/** A large file takes minutes to index, and a wish to stop does not wait for that: the file is then closed when it comes. */
async function unlessEnded(indexing: Promise<SeedFile>, ended: AbortSignal): Promise<SeedFile> {
  let end = (): void => {};
  const stopped = new Promise<null>((resolve) => {
    end = () => resolve(null);
  });
  ended.addEventListener('abort', end);
  try {
    const seed = await Promise.race([indexing, stopped]);
    if (seed !== null) return seed;
    indexing.then((late) => late.close()).catch(() => {});
    throw ended.reason;
  } finally {
    ended.removeEventListener('abort', end);
  }
}
