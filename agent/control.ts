import { type Opened, openEnvelope, sealEnvelope } from '../shared/control/envelope.js';
import { encodeMessage } from '../shared/control/messages.js';
import { SendersHeard } from '../shared/control/replay.js';
import { allowedFilters, covers, type ParsedTopic, parseTopic, TOPICS, topics } from '../shared/control/topics.js';
import { ChunkmeshError, type ErrorCode } from '../shared/errors.js';
import type { Credential } from '../shared/identity/bundle.js';
import type { ControlLink, ControlMessage } from '../shared/mqtt/control_link.js';
import { Tally } from '../shared/tally.js';
import type { FleetClock } from './clock.js';
import type { Misbehaviour } from './swarm/misbehaviour.js';
import { type Allowance, TokenBuckets } from './token_buckets.js';
import type { MeshPeer } from './transfer/host.js';

/** What a device says and hears over MQTT: sealed going out, opened and checked coming in. */

type Message = Parameters<typeof encodeMessage>[0];

/**
 * P-3.7. A rollout takes an offer, an answer, and both again where they were lost, and a device has 16 rollouts (P-12.3). An offer without
 * an answer is made again after 10 s: 3.2 a second. Of one artifact a device announces itself less often than that (P-10.1).
 */
const SHARE: Allowance = { burst: 64, perSecond: 4 };
/** While a group says nothing: a new device's place in the broker's access list is there within seconds of its enrolment. */
const ASK_AGAIN_MS = 10_000;
/** For so long after it came online; then with each status only, lest a fleet whose group has no rollout asks its broker for ever. */
const ASK_OFTEN_MS = 60_000;
/** So long after it first was online a person is told which groups said nothing. */
const TELL_SILENT_MS = 30_000;
/** Refused by this device's clock, which may be what is wrong: the same message may be good later. */
const BY_THE_CLOCK: readonly ErrorCode[] = ['E_MESSAGE_TIME', 'E_CERT_EXPIRED', 'E_TRUST_EXPIRED'];

export interface Heard {
  readonly topic: ParsedTopic;
  readonly opened: Opened;
}

/** A status as the broker keeps it, for the will too. */
export function sealStatus(credential: Credential, status: Message): { topic: string; payload: Uint8Array } {
  const topic = topics.status(credential.prefix, credential.identity.id);
  return { topic, payload: sealEnvelope(topic, encodeMessage(status), credential) };
}

export class Control {
  readonly link: ControlLink;
  readonly #credential: Credential;
  /** P-3.4: whatever the broker sends, nothing else is for this device. */
  readonly #readable: readonly string[];
  /** Groups that said nothing yet, or nothing that could be taken. */
  readonly #silent: Set<string>;
  /** Monotonic ms; from when it first was online. */
  #askDue = Number.POSITIVE_INFINITY;
  #askOftenUntil = Number.NEGATIVE_INFINITY;
  #tellDue: number | undefined;
  readonly #signals = new TokenBuckets(SHARE);
  readonly #haves = new TokenBuckets(SHARE);
  readonly #senders = new SendersHeard();
  #replayed = 0;
  readonly #refusals = new Tally();
  readonly #misbehaved: (device: string, how: Misbehaviour) => void;

  /** @param misbehaved is told of who says more than its share, on the broker's word, or what it signed and nobody can read. */
  constructor(
    credential: Credential,
    link: ControlLink,
    misbehaved: (device: string, how: Misbehaviour) => void = () => {},
  ) {
    this.#misbehaved = misbehaved;
    this.#credential = credential;
    this.link = link;
    const { prefix, identity } = credential;
    this.#readable = allowedFilters(prefix, identity, 'subscribe');
    this.#silent = new Set(identity.groups);
    this.askAgain();
    link.subscribe(topics.signal(prefix, identity.site, identity.id, '+'), TOPICS.signal.qos);
    link.subscribe(topics.command(prefix, identity.id), TOPICS.command.qos);
  }

  /** Messages that came before, or far too late. A broker repeats some when it connects anew (MQTT 3.1.1 §4.3.2). */
  get replayed(): number {
    return this.#replayed;
  }

  /**
   * @param now monotonic ms
   * @returns null for what came before, and for what is not for this agent: the connection may be the caller's own, with topics of its own.
   * @throws as openEnvelope; E_MESSAGE_RATE
   */
  open({ topic, payload, retained }: ControlMessage, now: number, clock: FleetClock): Heard | null {
    const { prefix, verifier } = this.#credential;
    const parsed = parseTopic(prefix, topic);
    if (parsed === null || (retained && !TOPICS[parsed.name].retained)) return null; // P-2.6
    if (!this.#readable.some((filter) => covers(filter, topic))) return null;
    // P-3.7, before a signature is looked at: the broker's ACL lets nobody speak in the name of another.
    if (parsed.name === 'have' && !this.#haves.take(`${parsed.artifact}/${parsed.device}`, now)) {
      this.#misbehaved(parsed.device, 'flood');
      return null;
    }
    if (parsed.name === 'signal' && !this.#signals.take(parsed.from, now)) {
      this.#misbehaved(parsed.from, 'flood');
      throw new ChunkmeshError('E_MESSAGE_RATE', `${parsed.from} sends more than ${SHARE.perSecond} signals a second`);
    }
    const opened = openEnvelope(prefix, topic, payload, verifier, clock.now());
    // P-3.8. What a broker retains has a number of its own kind, and comes as often as it is asked for.
    if (!TOPICS[parsed.name].retained && !this.#senders.take(opened.signer.publicKey, opened.n, now)) {
      this.#replayed++;
      return null;
    }
    return { topic: parsed, opened };
  }

  /**
   * What came could not be taken.
   * @param heard what it was, where it could be opened; @param now monotonic ms
   * @returns how often that was so, where it is to be told: who is refused without end must not fill a log
   */
  refused(topic: string, heard: Heard | null, code: ErrorCode, now: number): number | null {
    const parsed = parseTopic(this.#credential.prefix, topic);
    if (parsed?.name === 'trust' && BY_THE_CLOCK.includes(code)) this.unheard(parsed.group);
    const [said, signer] = [topic.slice(topic.lastIndexOf('/') + 1), heard?.opened.signer.identity.id ?? ''];
    if (heard !== null && code === 'E_MESSAGE_MALFORMED') this.#misbehaved(signer, 'protocol');
    return this.#refusals.add(`${parsed?.name}/${said}/${signer}/${code}`, now);
  }

  /** @param isNew whether it said what it had not said before: what is refused from then on is told anew. */
  heardOf(group: string, isNew: boolean): void {
    this.#silent.delete(group);
    if (isNew) this.#refusals.forget(`trust/${group}/`);
  }

  /** What it said could not be acted upon, and is to be said again. */
  unheard(group: string): void {
    this.#silent.add(group);
  }

  /**
   * Subscribes anew where a group has said nothing. A broker whose access list was not there yet when this device came accepts a
   * subscription and sends nothing, not even later (Mosquitto does); asked again, it sends what it retains.
   */
  askAgain(): void {
    for (const group of this.#silent)
      this.link.subscribe(topics.trust(this.#credential.prefix, group), TOPICS.trust.qos);
  }

  /** The broker is there, and was asked for everything just now. @param now monotonic ms */
  online(now: number): void {
    this.#askDue = now + ASK_AGAIN_MS;
    this.#askOftenUntil = now + ASK_OFTEN_MS;
    this.#tellDue ??= now + TELL_SILENT_MS;
  }

  /** @param now monotonic ms @returns the groups that said nothing, once, where that is to be told. */
  tick(now: number): readonly string[] {
    if (!this.link.online) return [];
    if (now >= this.#askDue) {
      this.#askDue = now < this.#askOftenUntil ? now + ASK_AGAIN_MS : Number.POSITIVE_INFINITY;
      this.askAgain();
    }
    if (now < (this.#tellDue ?? Number.POSITIVE_INFINITY)) return [];
    this.#tellDue = Number.POSITIVE_INFINITY;
    return [...this.#silent];
  }

  signal(to: MeshPeer, payload: Uint8Array): void {
    const { prefix, identity } = this.#credential;
    const topic = topics.signal(prefix, to.site, to.device, identity.id);
    this.link.publish(topic, sealEnvelope(topic, payload, this.#credential), { qos: TOPICS.signal.qos, retain: false });
  }

  have(artifact: string, shard: number, have: Message): void {
    const { prefix, identity } = this.#credential;
    const topic = topics.have(prefix, artifact, shard, identity.id);
    const payload = sealEnvelope(topic, encodeMessage(have), this.#credential);
    this.link.publish(topic, payload, { qos: TOPICS.have.qos, retain: false });
  }

  status(status: Message): void {
    const { topic, payload } = sealStatus(this.#credential, status);
    this.link.publish(topic, payload, { qos: TOPICS.status.qos, retain: true });
  }

  /** The last status, then the end of the connection, or of this agent's part in it. */
  async farewell(status: Message, timeoutMs: number): Promise<void> {
    if (this.link.online) {
      const { topic, payload } = sealStatus(this.#credential, status);
      const options = { qos: TOPICS.status.qos, retain: true };
      await this.link.publishConfirmed(topic, payload, options, timeoutMs).catch(() => {});
    }
    await this.link.close();
  }
}
