import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ChunkmeshError } from '../../shared/errors.js';
import type { Credential } from '../../shared/identity/bundle.js';
import type { ControlLink } from '../../shared/mqtt/control_link.js';
import { withFleetLock } from '../fleet/fleet_lock.js';
import { adopt } from '../trust/adopt.js';
import { TrustRepository } from '../trust/repository.js';
import { groupsOf } from '../trust/schedule.js';
import { TrustTopic } from './trust_topic.js';

/** Bringing a change of a fleet's metadata to its broker: on top of what others made of it, and until the broker holds it. */

/**
 * How long a first retained message may take: MQTT does not say that there is none. One that comes later still is found after the
 * publish, and adopted.
 */
const RETAINED_WAIT_MS = 500;
/** What a broker retains it sends at once. */
const READ_BACK_TIMEOUT_MS = 5000;
/** Another publisher of the same group at the same moment is rare, and so often in a row, with the waits between, somebody's loop. */
const MAX_ATTEMPTS = 6;
/** Two that take turns in step would each undo the other for ever: who has to try again waits for a random part of this, doubled each time. */
const BACKOFF_MS = 100;

/** Changes the repository and seals it. Done again where others were first. @returns what the caller is to be told of */
export type Change = (repository: TrustRepository, now: number) => Promise<string | undefined>;

export interface PublicationOptions {
  readonly credential: Credential;
  readonly fleetFolder: string;
  readonly group: string;
  readonly days: number;
  /** Seconds since the epoch. */
  readonly now: () => number;
}

export class Publication {
  readonly #link: ControlLink;
  readonly #options: PublicationOptions;
  readonly #topics = new Map<string, TrustTopic>();

  constructor(link: ControlLink, options: PublicationOptions) {
    this.#link = link;
    this.#options = options;
  }

  async run(change: Change): Promise<{ timestamp: number; replaced: string | undefined }> {
    const { group } = this.#options;
    await this.#hearAll();
    let replaced: string | undefined;
    const others = new Set<string>();
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      if (attempt > 0) await backOff(attempt);
      const made = await this.#change(change);
      replaced ??= made.replaced;
      for (const other of made.others) others.add(other);
      let stands = await this.#bring(group);
      // Who was first on another group's topic made it without this change: it is made again, on top of that.
      for (const other of others) stands = stands && (await this.#bring(other));
      if (!stands) continue;
      return { timestamp: await this.#timestamp(), replaced };
    }
    throw new ChunkmeshError('E_TIMEOUT', `other publishers changed group ${group} ${MAX_ATTEMPTS} times meanwhile`);
  }

  /** Of every group: a folder from a backup is behind where any of them went on. */
  async #hearAll(): Promise<void> {
    const { fleetFolder, group } = this.#options;
    const known = await withFleetLock(fleetFolder, async () => {
      return groupsOf(await (await TrustRepository.open(fleetFolder)).current());
    });
    const topics = [...new Set([...known, group])].map((one) => this.#topic(one));
    await Promise.all(topics.map((topic) => topic.retained(RETAINED_WAIT_MS)));
  }

  /** @returns the groups beside this one whose bundles are others now. */
  async #change(change: Change): Promise<{ replaced: string | undefined; others: string[] }> {
    const { fleetFolder, group, now } = this.#options;
    return withFleetLock(fleetFolder, async () => {
      const repository = await TrustRepository.open(fleetFolder);
      for (const one of this.#topics.keys()) await this.#adoptAll(repository, one);
      const before = await filesByGroup(repository);
      const replaced = await change(repository, Math.floor(now()));
      const after = await filesByGroup(repository);
      const others = [...after].flatMap(([other, files]) =>
        other !== group && before.get(other) !== files ? [other] : [],
      );
      return { replaced, others };
    });
  }

  async #adoptAll(repository: TrustRepository, group: string): Promise<boolean> {
    let other = false;
    for (const files of this.#topic(group).takeOthers()) other = (await adopt(repository, files, group)) || other;
    return other;
  }

  /**
   * Sends the group's bundle as the folder has it, and looks whether the broker holds it.
   * @returns false where another publisher was first, or at the same time
   * @throws E_BROKER_REFUSED where the broker retains nothing, or what it had before: MQTT 3.1.1 denies in silence
   */
  async #bring(group: string): Promise<boolean> {
    const topic = this.#topic(group);
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const { fleetFolder } = this.#options;
      const { bundle, timestamp } = await withFleetLock(fleetFolder, async () => {
        const repository = await TrustRepository.open(fleetFolder);
        const current = await repository.current();
        return { bundle: await repository.bundle(current, group), timestamp: current.timestampVersion };
      });
      await topic.send(bundle);
      const seen = await topic.retained(READ_BACK_TIMEOUT_MS);
      const adopted = await withFleetLock(fleetFolder, async () => {
        return this.#adoptAll(await TrustRepository.open(fleetFolder), group);
      });
      if (adopted) return false;
      if (seen?.own !== true) {
        // Where it holds something else, another process of this folder may have sent that at the same moment.
        if (seen !== undefined && attempt + 1 < MAX_ATTEMPTS) {
          await backOff(attempt + 1);
          continue;
        }
        const { broker } = this.#link;
        throw new ChunkmeshError('E_BROKER_REFUSED', `${broker} does not hold what was published on ${topic.topic}`);
      }
      // Another process of this folder may have gone on meanwhile, and been overtaken on the way.
      if ((await this.#timestamp()) === timestamp) return true;
    }
    return false;
  }

  async #timestamp(): Promise<number> {
    const repository = await TrustRepository.open(this.#options.fleetFolder);
    return (await repository.current()).timestampVersion;
  }

  #topic(group: string): TrustTopic {
    const known = this.#topics.get(group);
    if (known !== undefined) return known;
    const made = new TrustTopic(this.#link, this.#options.credential, group, this.#options.now);
    this.#topics.set(group, made);
    return made;
  }
}

function backOff(attempt: number): Promise<void> {
  return sleep(randomInt(BACKOFF_MS * 2 ** attempt));
}

async function filesByGroup(repository: TrustRepository): Promise<Map<string, string>> {
  const current = await repository.current();
  const groups = new Map<string, string>();
  for (const group of groupsOf(current)) groups.set(group, (await repository.filesOf(current, group)).join());
  return groups;
}
