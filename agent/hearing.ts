import { decodeMessage, type Rollout } from '../shared/control/messages.js';
import { asError, ChunkmeshError } from '../shared/errors.js';
import { MAX_SESSIONS_PER_ARTIFACT } from '../shared/limits.js';
import type { Announcements } from './announcements.js';
import { checkFresh, type FleetClock } from './clock.js';
import { openCommand } from './commands.js';
import type { Control, Heard } from './control.js';
import type { Renewal } from './enrolment/renewal.js';
import type { Store } from './io/store/store.js';
import { type Negotiation, peerOf } from './negotiation.js';
import { TRUST_DOCUMENT } from './parts.js';
import type { Revocation } from './revocation/revocation.js';
import type { LateMessage } from './revocation/waiting.js';
import type { Rollouts } from './rollouts.js';
import type { SelfWatch } from './self_watch.js';
import type { InForce } from './store/eviction.js';
import type { Accepted, TrustKeeper, TrustMemory } from './trust/trust_keeper.js';
import type { TrustedClock } from './trust/trusted_clock.js';

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
  readonly clock: TrustedClock;
  readonly store: Store;
  readonly renewal: Renewal;
  readonly selfWatch: Pick<SelfWatch, 'carryOut'>;
  readonly revocation: Revocation;
}

export interface HearingHost {
  /** Monotonic, ms. */
  now(): number;
  readonly clock: FleetClock;
  /** This device's own id. */
  readonly self: string;
  changed(): void;
  /** Refused, or could not be acted upon. @param times how often the like was, where not each is told. */
  refused(error: ChunkmeshError, times?: number): void;
}

export class Hearing {
  readonly #parts: HearingParts;
  readonly #host: HearingHost;
  /** As the store has it, or is about to. */
  #saved: TrustMemory | undefined;

  constructor(parts: HearingParts, host: HearingHost) {
    this.#parts = parts;
    this.#host = host;
  }

  onMessage(message: LateMessage): void {
    const { control, revocation } = this.#parts;
    const now = this.#host.now();
    if (revocation.withholds(message)) return;
    let heard: Heard | null = message.heard ?? null;
    try {
      heard ??= control.open(message, now, this.#host.clock);
      if (heard !== null) {
        this.#parts.clock.issuedAt(heard.opened.signer.notBefore);
        this.#take(heard);
      }
    } catch (error) {
      const refused = asError(error, `message on ${message.topic}`);
      if (refused.code === 'E_REVOCATION_BEHIND') {
        revocation.awaitNewer({ ...message, ...(heard !== null && { heard }) });
        return;
      }
      const times = control.refused(message.topic, heard, refused.code, now);
      if (times !== null) this.#host.refused(refused, times);
    }
  }

  /** P-12.6: what the clock shows is remembered now and then, so that it is known where it is set back. */
  tick(): void {
    const { clock, trust } = this.#parts;
    clock.look();
    if (trust.isNews(this.#saved)) this.#keep(trust.memory);
  }

  #take(heard: Heard): void {
    const { topic, opened } = heard;
    if (topic.name === 'revoked') {
      this.#parts.revocation.onList(opened);
      return;
    }
    this.#parts.revocation.check(opened);
    if (topic.name === 'trust') this.#onTrust(topic.group, heard);
    else if (topic.name === 'signal') this.#parts.negotiation.onSignal(opened);
    else if (topic.name === 'command') this.#parts.selfWatch.carryOut(openCommand(opened, this.#host.clock));
    else if (topic.name === 'have') this.#onHave(topic.artifact, heard);
    else if (topic.name === 'enrolled') this.#parts.renewal.onAnswer(opened);
  }

  #onTrust(group: string, { opened }: Heard): void {
    const { control, rollouts, store, trust } = this.#parts;
    let accepted: Accepted | null;
    try {
      accepted = trust.accept(group, opened);
    } catch (error) {
      // A root that was verified stays, whatever came with it (TUF 5.3.8); and what expired has expired.
      const byDate = error instanceof ChunkmeshError && error.code === 'E_TRUST_EXPIRED';
      if (trust.isNews(this.#saved, byDate)) this.#keep(trust.memory);
      throw error;
    }
    control.heardOf(group, accepted !== null);
    if (accepted === null) return;
    const { rollouts: named, refused } = accepted;
    for (const error of refused) this.#host.refused(error);
    const remember = async (): Promise<void> => {
      await store.keep(group, named.map(inForceOf));
      const { memory } = trust;
      await store.writeState(TRUST_DOCUMENT, memory);
      this.#saved = memory;
    };
    rollouts
      .apply(group, named, remember)
      .catch((error: unknown) => {
        trust.forget(group);
        control.unheard(group);
        this.#host.refused(asError(error, `rollouts of group ${group}`));
      })
      .finally(() => this.#host.changed());
  }

  #keep(memory: TrustMemory): void {
    this.#saved = memory;
    this.#parts.store.writeState(TRUST_DOCUMENT, memory).catch((error: unknown) => {
      this.#host.refused(asError(error, 'what this device trusts'));
    });
  }

  #onHave(artifact: string, { opened }: Heard): void {
    const { announcements, negotiation, rollouts } = this.#parts;
    const { now, clock, self } = this.#host;
    const transfer = rollouts.get(artifact);
    const { identity } = opened.signer;
    if (transfer === undefined || identity.id === self || !transfer.isAudience(identity)) return; // P-5.4
    const have = decodeMessage('have', opened.payload);
    checkFresh(have.at, clock);
    const peer = peerOf(opened);
    if (!announcements.heard(transfer, peer, have, now()) || have.room === 0) return;
    // P-5.6: with room for all of them, it has no session left.
    const alone = have.room >= MAX_SESSIONS_PER_ARTIFACT;
    negotiation.offer(transfer, peer, alone ? opened.n : undefined);
  }
}
