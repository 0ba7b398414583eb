import type { FleetClock } from '../../agent/clock.js';
import { type AgreedSession, Negotiation } from '../../agent/negotiation.js';
import type { Revocation } from '../../agent/revocation/revocation.js';
import type { MeshPeer } from '../../agent/transfer/host.js';
import type { Transfer } from '../../agent/transfer/transfer.js';
import type { Opened } from '../../shared/control/envelope.js';
import { type AnswerMessage, decodeMessage, encodeMessage, type OfferMessage } from '../../shared/control/messages.js';
import { SendersHeard } from '../../shared/control/replay.js';
import { topics } from '../../shared/control/topics.js';
import type { Asker } from '../../shared/trust/audience.js';
import { codeOf, Issuer, type Member, NOW, opened, PREFIX } from './members.js';
import { NO_REVOCATION } from './no_revocation.js';

/** A device that negotiates, without a broker: what it sends and agrees is kept, and its clocks are the test's. */

export const ARTIFACT = new Uint8Array(32).fill(0xab);
export const OTHER_ARTIFACT = new Uint8Array(32).fill(0xcd);
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** What a Negotiation sees of a transfer. */
export class FakeTransfer {
  readonly artifact: string;
  readonly rollout: { artifact: Uint8Array };
  groups = ['cameras'];
  room = 12;
  /** Whether there is one for whoever asks, where there is room. */
  place = true;
  readonly banned = new Set<string>();
  readonly since = new Map<string, number>();

  constructor(artifact: Uint8Array) {
    this.artifact = hex(artifact);
    this.rollout = { artifact };
  }
  get mayAgree(): number {
    return this.room;
  }
  isAudience(peer: Asker): boolean {
    return peer.groups.some((group) => this.groups.includes(group));
  }
  isBanned(device: string): boolean {
    return this.banned.has(device);
  }
  hasPlaceFor(): boolean {
    return this.place && this.room > 0;
  }
  sessionSince(device: string): number | undefined {
    return this.since.get(device);
  }
  get real(): Transfer {
    return this as unknown as Transfer;
  }
}

/** One device with its Negotiation: what it sends and agrees is kept for the test. */
export class Side {
  readonly fleet: Issuer;
  readonly member: Member;
  readonly transfer = new FakeTransfer(ARTIFACT);
  readonly other = new FakeTransfer(OTHER_ARTIFACT);
  readonly sent: { to: MeshPeer; payload: Uint8Array }[] = [];
  readonly agreed: AgreedSession[] = [];
  readonly misbehaved: [device: string, how: string][] = [];
  /** By the hex of what it sent: the number that this was signed with. */
  readonly numbers = new Map<string, number>();
  /** Whom it heard, as Control has it. */
  readonly heard = new SendersHeard();
  readonly negotiation: Negotiation;
  now = 1000;
  readonly revocation = { ...NO_REVOCATION } as { -readonly [K in keyof Revocation]: Revocation[K] };
  /** Since the epoch. */
  seconds = NOW;
  believed = true;

  constructor(fleet: Issuer, member: Member) {
    this.fleet = fleet;
    this.member = member;
    this.negotiation = new Negotiation(member.identity.id, {
      now: () => this.now,
      clock: clockOf(this),
      candidates: () => [['192.0.2.1', 4000]],
      revocation: this.revocation,
      transfer: (artifact) => [this.transfer, this.other].find((known) => known.artifact === artifact)?.real,
      signal: (to, payload) => {
        this.numbers.set(hex(payload), member.counter.next());
        this.sent.push({ to, payload });
      },
      misbehaved: (device, how) => void this.misbehaved.push([device, how]),
      agreed: (transfer, session) => {
        this.agreed.push(session);
        [this.transfer, this.other].find((known) => known.real === transfer)?.since.set(session.peer.device, this.now);
      },
    });
  }

  get peer(): MeshPeer {
    const { id, site } = this.member.identity;
    return { device: id, site, seed: false, notBefore: NOW - 86_400 };
  }

  offer(to: Side): OfferMessage {
    this.negotiation.offer(this.transfer.real, to.peer);
    return decodeMessage('offer', this.sent.at(-1)?.payload ?? new Uint8Array());
  }

  lastAnswer(): AnswerMessage {
    return decodeMessage('answer', this.sent.at(-1)?.payload ?? new Uint8Array());
  }

  /** What it makes of an envelope that was opened: what came before is dropped (P-3.8). */
  hear(message: Opened): void {
    if (this.heard.take(message.signer.publicKey, message.n, this.now)) this.negotiation.onSignal(message);
  }

  later(ms: number): void {
    this.now += ms;
    this.seconds = Math.floor(this.seconds + ms / 1000);
  }
}

const clockOf = (side: Side): FleetClock => ({
  now: () => side.seconds,
  get believed() {
    return side.believed;
  },
});

/** What `to` makes of a message that `by` signed for `addressee`: when it was sent, or now where it never was. */
export function tell(to: Side, by: Side, message: OfferMessage | AnswerMessage, addressee = to): string {
  const { site, id } = addressee.member.identity;
  const topic = topics.signal(PREFIX, site, id, by.member.identity.id);
  const n = by.numbers.get(hex(encodeMessage(message))) ?? by.member.counter.next();
  const signer = { ...by.member, counter: { next: () => n } };
  return codeOf(() => to.hear(opened(to.fleet, signer, topic, message)));
}

/** Devices `a`, `b` and `c` of one fleet, that have nothing yet. */
export async function threeSides(): Promise<{ fleet: Issuer; a: Side; b: Side; c: Side }> {
  const fleet = await Issuer.authority();
  const side = async (id: string): Promise<Side> => new Side(fleet, await fleet.member({ id }));
  const [a, b, c] = await Promise.all([side('a'), side('b'), side('c')]);
  return { fleet, a, b, c };
}
