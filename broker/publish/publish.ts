import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { rename, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ArtifactIndex } from '../../shared/artifact/index.js';
import { indexFile } from '../../shared/artifact_file.js';
import { sealEnvelope } from '../../shared/control/envelope.js';
import { checkId, isVersion } from '../../shared/control/ids.js';
import { encodeMessage, type Rollout, type TrustMessage } from '../../shared/control/messages.js';
import { isSourceUrl } from '../../shared/control/source_url.js';
import { mayPublish } from '../../shared/control/topics.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import type { Credential } from '../../shared/identity/bundle.js';
import { DEFAULT_PRIORITY, MAX_PRIORITY, MAX_URLS } from '../../shared/limits.js';
import type { ControlLink } from '../../shared/mqtt/control_link.js';
import { connectMember } from '../member_link.js';
import { DEFAULT_EXPIRES_DAYS, newer, nextManifest, shardCount } from './manifest.js';
import { PublishMemory } from './memory.js';
import { type TrustSeen, TrustTopic } from './trust_topic.js';

/** Publishing: a file becomes the rollout of its name in one group's trust message. */

/**
 * How long a first retained message may take: MQTT does not say that there is none. One that comes later still is found after the
 * publish, by its sequence number, and merged.
 */
const RETAINED_WAIT_MS = 500;
const CONFIRM_TIMEOUT_MS = 10_000;
/** What a broker retains it sends at once. */
const READ_BACK_TIMEOUT_MS = 5000;
/** Another publisher of the same group at the same moment is rare, and so often in a row, with the waits between, somebody's loop. */
const MAX_ATTEMPTS = 6;
/** Two that take turns in step would each undo the other for ever: who has to try again waits for a random part of this, doubled each time. */
const BACKOFF_MS = 100;

export interface PublishOptions {
  /** Of a publisher. */
  readonly credential: Credential;
  readonly fleetFolder: string;
  readonly file: string;
  readonly name: string;
  readonly version: string;
  readonly group: string;
  /** How many devices the group has, for the number of shards. */
  readonly devices: number;
  readonly expiresDays?: number;
  /** P-4.1 */
  readonly urgent?: boolean;
  /** P-10.13; it is urgent too. */
  readonly emergency?: boolean;
  /** P-4.1. Default 5. */
  readonly priority?: number;
  /** P-4.1 */
  readonly urls?: readonly string[];
  /** Where the index is written, before anything is sent: devices look for it at once (P-11.1). */
  readonly indexFile?: string;
  /** Instead of the bundle's. */
  readonly broker?: string;
  /** Seconds since the epoch. */
  readonly now?: () => number;
}

export interface Published {
  readonly name: string;
  readonly version: string;
  readonly group: string;
  /** Hex of the index hash (P-1.3). */
  readonly artifact: string;
  readonly size: number;
  readonly chunks: number;
  readonly seq: number;
  /** P-4.1, where there are any. */
  readonly urls?: readonly string[];
  /** Hex of the artifact that had this name and version until now, where it is another. */
  readonly replaced?: string;
}

/**
 * @throws E_ID, E_ARGUMENT, E_MESSAGE_UNTRUSTED before anything is read or sent; E_FILE_*; E_BROKER_UNREACHABLE;
 *   E_BROKER_REFUSED where the broker does not hold the message afterwards; E_TIMEOUT.
 */
export async function publish(options: PublishOptions): Promise<Published> {
  const {
    credential,
    file,
    name,
    version,
    group,
    devices,
    urgent = false,
    emergency = false,
    priority = DEFAULT_PRIORITY,
    urls = [],
    indexFile: into,
    broker,
  } = options;
  checkArguments(options);
  const index = await indexFile(file);
  const rollout: Rollout = {
    name,
    version,
    artifact: new Uint8Array(Buffer.from(index.artifact, 'hex')),
    size: index.size,
    chunks: index.chunkCount,
    shards: shardCount(devices),
    ...((urgent || emergency) && { urgent: true }),
    ...(emergency && { emergency }),
    ...(priority !== DEFAULT_PRIORITY && { priority }),
    ...(urls.length > 0 && { urls: [...urls] }),
  };
  if (into !== undefined) await writeIndex(into, index);
  const link = await connectMember(credential, broker);
  try {
    const { seq, replaced } = await new Publication(link, options, rollout).run();
    const { artifact, size, chunkCount: chunks } = index;
    return {
      ...{ name, version, group, artifact, size, chunks, seq },
      ...(urls.length > 0 && { urls }),
      ...(replaced !== undefined && { replaced }),
    };
  } finally {
    await link.close();
  }
}

function checkArguments(options: PublishOptions): void {
  const { credential, name, version, group, priority = DEFAULT_PRIORITY, urls = [] } = options;
  checkId(name, 'name');
  checkId(group, 'group');
  if (!Number.isInteger(priority) || priority < 0 || priority > MAX_PRIORITY) {
    throw new ChunkmeshError('E_ARGUMENT', `priority ${priority} is not a whole number from 0 to ${MAX_PRIORITY}`);
  }
  if (urls.length > MAX_URLS || !urls.every(isSourceUrl)) {
    throw new ChunkmeshError('E_ARGUMENT', `more than ${MAX_URLS} URLs, or one that breaks P-4.1`);
  }
  if (!isVersion(version)) throw new ChunkmeshError('E_ARGUMENT', `version ${JSON.stringify(version)} breaks P-1.2`);
  const { identity, prefix } = credential;
  if (!mayPublish(prefix, identity, `${prefix}/trust/${group}`)) {
    throw new ChunkmeshError('E_MESSAGE_UNTRUSTED', `${identity.id} is a ${identity.role}, not a publisher (P-2.2)`);
  }
}

/** Whole or not at all: a server may be serving that folder. @throws E_STORE_IO */
async function writeIndex(path: string, { bytes }: ArtifactIndex): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, bytes);
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw new ChunkmeshError('E_STORE_IO', `${path}: ${systemCode(cause) ?? 'cannot be written'}`, { cause });
  }
}

/** Hex of what has the same name and version and other bytes. */
function replacedBy({ name, version, artifact }: Rollout, base: TrustMessage | undefined): string | undefined {
  const before = base?.rollouts.find((one) => one.name === name && one.version === version);
  if (before === undefined || Buffer.from(before.artifact).equals(artifact)) return undefined;
  return Buffer.from(before.artifact).toString('hex');
}

class Publication {
  readonly #link: ControlLink;
  readonly #options: PublishOptions;
  readonly #rollout: Rollout;
  readonly #memory: PublishMemory;
  readonly #trust: TrustTopic;
  readonly #now: () => number;

  constructor(link: ControlLink, options: PublishOptions, rollout: Rollout) {
    this.#link = link;
    this.#options = options;
    this.#rollout = rollout;
    this.#now = options.now ?? (() => Date.now() / 1000);
    this.#memory = new PublishMemory(options.fleetFolder);
    this.#trust = new TrustTopic(link, options.credential, options.group, this.#now);
  }

  async run(): Promise<{ seq: number; replaced: string | undefined }> {
    const { group } = this.#options;
    await this.#trust.retained(RETAINED_WAIT_MS);
    let base = newer((await this.#memory.read(group)).confirmed, this.#trust.newestOfOthers);
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      if (attempt > 0) base = await this.#afterOthers(attempt);
      const message = await this.#send(base);
      const seen = await this.#trust.retained(READ_BACK_TIMEOUT_MS);
      const other = this.#trust.newestOfOthers;
      if (other === undefined || other.seq <= (base?.seq ?? 0)) {
        this.#checkHeld(seen);
        await this.#memory.write(group, { seq: message.seq, confirmed: message });
        return { seq: message.seq, replaced: replacedBy(this.#rollout, base) };
      }
    }
    throw new ChunkmeshError('E_TIMEOUT', `other publishers changed group ${group} ${MAX_ATTEMPTS} times meanwhile`);
  }

  async #afterOthers(attempt: number): Promise<TrustMessage | undefined> {
    await sleep(randomInt(BACKOFF_MS * 2 ** attempt));
    await this.#trust.retained(READ_BACK_TIMEOUT_MS);
    return this.#trust.newestOfOthers;
  }

  async #send(base: TrustMessage | undefined): Promise<TrustMessage> {
    const { credential, group, expiresDays = DEFAULT_EXPIRES_DAYS } = this.#options;
    const remembered = await this.#memory.read(group);
    const message = nextManifest(base, {
      fleet: credential.identity.fleet,
      group,
      rollout: this.#rollout,
      highestSeq: remembered.seq,
      now: this.#now(),
      expiresDays,
    });
    const envelope = sealEnvelope(this.#trust.topic, encodeMessage(message), credential);
    this.#trust.expectOwn(envelope);
    // The number is spent before it is used: two messages of one number would split the fleet (P-4.3).
    await this.#memory.write(group, { ...remembered, seq: message.seq });
    await this.#confirmed(envelope);
    return message;
  }

  /** A broker may answer a denied publish by closing the connection, which a retry would only repeat. */
  async #confirmed(envelope: Uint8Array): Promise<void> {
    const { topic } = this.#trust;
    const done = new AbortController();
    const sent = this.#link.publishConfirmed(topic, envelope, { qos: 1, retain: true }, CONFIRM_TIMEOUT_MS);
    const closed = once(this.#link, 'offline', { signal: done.signal }).then(() => {
      throw new ChunkmeshError(
        'E_BROKER_REFUSED',
        `${this.#link.broker} closed the connection at a publish on ${topic}`,
      );
    });
    closed.catch(() => {});
    sent.catch(() => {});
    await Promise.race([sent, closed]).finally(() => done.abort());
  }

  /** @throws E_BROKER_REFUSED where the broker retains nothing, or what it had before: MQTT 3.1.1 denies in silence. */
  #checkHeld(seen: TrustSeen | undefined): void {
    if (seen?.own === true) return;
    const { topic } = this.#trust;
    throw new ChunkmeshError('E_BROKER_REFUSED', `${this.#link.broker} does not hold what was published on ${topic}`);
  }
}
