import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { AgreedSession } from '../../agent/negotiation.js';
import { openEnvelope, sealEnvelope } from '../../shared/control/envelope.js';
import { decodeMessage, messageType } from '../../shared/control/messages.js';
import { topics } from '../../shared/control/topics.js';
import type { CertificateVerifier } from '../../shared/identity/certificate.js';
import { codeOf, type Issuer, NOW, PREFIX } from '../support/members.js';
import { hex, Side, threeSides } from '../support/negotiating_side.js';

/** Three devices and a broker that holds every signal they send, and hands out any of them, to anyone, at any time, as often as it likes. */

interface Held {
  readonly by: Side;
  readonly to: Side;
  readonly envelope: Uint8Array;
  readonly session: Uint8Array;
}

type Step =
  | { readonly do: 'offer'; readonly by: number; readonly to: number }
  | { readonly do: 'deliver'; readonly which: number; readonly at: number; readonly as: number }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'lose'; readonly by: number; readonly to: number };

const device = fc.nat(2);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant('offer'), by: device, to: device }) },
  // Mostly to whom it is meant.
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('deliver'), which: fc.nat(9), at: fc.nat(11), as: fc.nat(11) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait'), ms: fc.nat(15_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('lose'), by: device, to: device }) },
);

const topicOf = (by: Side, to: Side): string => topics.signal(PREFIX, to.peer.site, to.peer.device, by.peer.device);

/** A run of the three, with what the broker holds of it. */
class Run {
  readonly sides: readonly Side[];
  readonly held: Held[] = [];
  readonly #verifier: CertificateVerifier;
  readonly #collected = new Map<Side, number>();

  constructor(fleet: Issuer, members: readonly Side[]) {
    this.sides = members.map(({ member }) => new Side(fleet, member));
    this.#verifier = fleet.verifier();
  }

  take(step: Step): void {
    if (step.do === 'wait') for (const one of this.sides) one.later(step.ms);
    else if (step.do === 'deliver') this.#deliver(step.which, this.sides[step.at], this.sides[step.as]);
    else this.#between(step.do, this.#side(step.by), this.#side(step.to));
    this.#collect();
  }

  #side(i: number): Side {
    const side = this.sides[i];
    if (side === undefined) throw new Error(`no side ${i}`);
    return side;
  }

  #between(what: 'offer' | 'lose', by: Side, { peer }: Side): void {
    if (by.peer.device === peer.device) return;
    if (what === 'offer') by.negotiation.offer(by.transfer.real, peer);
    else by.transfer.since.delete(peer.device);
  }

  /** @param at whom it is handed to, and @param as whose topic it comes on, where not those that it was signed for. */
  #deliver(which: number, at: Side | undefined, as: Side | undefined): void {
    const held = this.held.at(-1 - (which % Math.max(1, this.held.length)));
    if (held === undefined) return;
    const topic = topicOf(held.by, as ?? held.to);
    codeOf(() => {
      (at ?? held.to).hear(openEnvelope(PREFIX, topic, held.envelope, this.#verifier, NOW));
    });
  }

  #collect(): void {
    for (const by of this.sides) {
      for (const { to: peer, payload } of by.sent.slice(this.#collected.get(by) ?? 0)) {
        const to = this.sides.find((side) => side.peer.device === peer.device);
        if (to === undefined) continue;
        const { session } = decodeMessage(messageType(payload) === 'offer' ? 'offer' : 'answer', payload);
        this.held.push({ by, to, session, envelope: sealEnvelope(topicOf(by, to), payload, by.member) });
      }
      this.#collected.set(by, by.sent.length);
    }
  }
}

let fleet: Issuer;
let members: readonly Side[];

beforeAll(async () => {
  const { a, b, c, fleet: made } = await threeSides();
  [fleet, members] = [made, [a, b, c]];
});

const pair = ({ localId, remoteId }: AgreedSession): string => `${hex(localId)}/${hex(remoteId)}`;
const mirrored = ({ localId, remoteId }: AgreedSession): string => `${hex(remoteId)}/${hex(localId)}`;

/** Whether what one seals the other opens. */
function agree(left: AgreedSession, right: AgreedSession): boolean {
  const datagram = new Uint8Array(40);
  return (
    left.key.seal(left.direction, datagram, 9) === 40 &&
    right.key.open(left.direction, datagram, new Uint8Array(9)) === 9
  );
}

describe('a broker that reorders, repeats, delays, drops and misdirects signals', () => {
  it('P-5: makes nobody agree on anything but what two devices meant for each other, once', () => {
    let agreed = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) => {
        const run = new Run(fleet, members);
        for (const one of steps) run.take(one);
        for (const side of run.sides) {
          agreed += side.agreed.length;
          // P-5.1, P-5.2, P-5.3: an offer or an answer makes one session, whose ids come once.
          expect(new Set(side.agreed.map(({ localId }) => hex(localId))).size).toBe(side.agreed.length);
          expect(new Set(side.agreed.map(({ remoteId }) => hex(remoteId))).size).toBe(side.agreed.length);
          for (const session of side.agreed) {
            // P-2.2: what made it was signed for this device, by that one.
            expect(
              run.held.some(
                ({ by, to, session: id }) =>
                  by.peer.device === session.peer.device && to === side && hex(id) === hex(session.remoteId),
              ),
            ).toBe(true);
            const other = run.sides.find(({ peer }) => peer.device === session.peer.device);
            const twin = other?.agreed.find((theirs) => pair(theirs) === mirrored(session));
            // Who offered has a session only with the device that answered, which has its like; the answer to it may be lost.
            if (session.direction === 0) expect(twin).toBeDefined();
            if (twin !== undefined) expect(twin.peer.device).toBe(side.peer.device);
            if (twin !== undefined) expect([agree(session, twin), agree(twin, session)]).toEqual([true, true]);
          }
        }
      }),
      { numRuns: 200 },
    );
    // Or nothing was tried.
    expect(agreed).toBeGreaterThan(100);
  });
});
