import { checkRecent } from '../shared/control/envelope.js';
import { decodeMessage, type Rollout } from '../shared/control/messages.js';
import { asError, type ChunkmeshError } from '../shared/errors.js';
import { MAX_SESSIONS_PER_ARTIFACT } from '../shared/limits.js';
import type { ControlMessage } from '../shared/mqtt/control_link.js';
import type { Announcements } from './announcements.js';
import type { Control, Heard } from './control.js';
import type { Renewal } from './enrolment/renewal.js';
import type { Store } from './io/store/store.js';
import { type Negotiation, peerOf } from './negotiation.js';
import { TRUST_DOCUMENT } from './parts.js';
import type { Rollouts } from './rollouts.js';
import type { InForce } from './store/eviction.js';
import type { TrustKeeper } from './trust.js';

const inForceOf = ({ artifact, name, version }: Rollout): InForce => ({
  artifact: Buffer.from(artifact).toString('hex'),
  name,
  version,
});

/** What an agent makes of each control message that comes (P-3.4). */

export interface HearingParts {
  readonly control: Control;
  readonly announcements: Announcements;
  readonly negotiation: Negotiation;
  readonly rollouts: Rollouts;
  readonly trust: TrustKeeper;
  readonly store: Store;
  readonly renewal: Renewal;
}

export interface HearingHost {
  /** Monotonic, ms. */
  now(): number;
  /** Since the epoch, s. */
  seconds(): number;
  /** This device's own id. */
  readonly self: string;
  changed(): void;
  /** Refused, or could not be acted upon. @param times how often the like was, where not each is told. */
  refused(error: ChunkmeshError, times?: number): void;
}

export class Hearing {
  readonly #parts: HearingParts;
  readonly #host: HearingHost;

  constructor(parts: HearingParts, host: HearingHost) {
    this.#parts = parts;
    this.#host = host;
  }

  onMessage(message: ControlMessage): void {
    const { control } = this.#parts;
    const now = this.#host.now();
    let heard: Heard | null = null;
    try {
      heard = control.open(message, now, this.#host.seconds());
      if (heard !== null) this.#take(heard);
    } catch (error) {
      const refused = asError(error, `message on ${message.topic}`);
      const times = control.refused(message.topic, heard, refused.code, now);
      if (times !== null) this.#host.refused(refused, times);
    }
  }

  #take(heard: Heard): void {
    const { topic, opened } = heard;
    if (topic.name === 'trust') this.#onTrust(topic.group, heard);
    else if (topic.name === 'signal') this.#parts.negotiation.onSignal(opened);
    else if (topic.name === 'have') this.#onHave(topic.artifact, heard);
    else if (topic.name === 'enrolled') this.#parts.renewal.onAnswer(opened);
  }

  #onTrust(group: string, { opened }: Heard): void {
    const { control, rollouts, store, trust } = this.#parts;
    const message = trust.accept(group, opened, this.#host.seconds());
    control.heardOf(group, message !== null);
    if (message === null) return;
    const remember = async (): Promise<void> => {
      await store.keep(group, message.rollouts.map(inForceOf));
      await store.writeState(TRUST_DOCUMENT, trust.memory);
    };
    rollouts
      .apply(group, message.rollouts, remember)
      .catch((error: unknown) => {
        trust.forget(group);
        control.unheard(group);
        this.#host.refused(asError(error, `rollouts of group ${group}`));
      })
      .finally(() => this.#host.changed());
  }

  #onHave(artifact: string, { opened }: Heard): void {
    const { announcements, negotiation, rollouts } = this.#parts;
    const { now, seconds, self } = this.#host;
    const transfer = rollouts.get(artifact);
    const { id, groups } = opened.signer.identity;
    if (transfer === undefined || id === self || !transfer.isAudience(groups)) return; // P-5.4
    const have = decodeMessage('have', opened.payload);
    checkRecent(have.at, seconds());
    const peer = peerOf(opened);
    if (!announcements.heard(transfer, peer, have, now()) || have.room === 0) return;
    // P-5.6: with room for all of them, it has no session left.
    const alone = have.room >= MAX_SESSIONS_PER_ARTIFACT;
    negotiation.offer(transfer, peer, alone ? have.at : undefined);
  }
}
