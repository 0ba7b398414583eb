import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Control } from '../../agent/control.js';
import { Hearing, type HearingParts } from '../../agent/hearing.js';
import { TrustedClock } from '../../agent/trust/trusted_clock.js';
import { sealEnvelope } from '../../shared/control/envelope.js';
import { encodeMessage } from '../../shared/control/messages.js';
import { shardOf, topics } from '../../shared/control/topics.js';
import { SigningKey } from '../../shared/crypto/signature.js';
import type { ControlLink } from '../../shared/mqtt/control_link.js';
import { Issuer, identityOf, type Member, NOW, PREFIX } from '../support/members.js';
import { ARTIFACT, FakeTransfer, hex } from '../support/negotiating_side.js';
import { NO_REVOCATION } from '../support/no_revocation.js';

let fleet: Issuer;
let self: Member;
let hearing: Hearing;
const offer = vi.fn();
const onAnswer = vi.fn();
const refused = vi.fn();

beforeAll(async () => {
  fleet = await Issuer.authority();
  self = await fleet.member({ id: 'cam-1', groups: ['cameras'] });
});

beforeEach(() => {
  vi.clearAllMocks();
  const link = { subscribe() {}, online: true } as unknown as ControlLink;
  const transfer = new FakeTransfer(ARTIFACT);
  const parts = {
    control: new Control(fleet.credential(self), link),
    announcements: { heard: () => true },
    negotiation: { offer },
    rollouts: { get: () => transfer.real },
    renewal: { onAnswer },
    revocation: NO_REVOCATION,
    clock: new TrustedClock({ wall: () => NOW, now: () => 0 }),
    trust: { memory: {} },
    store: { writeState: async () => {} },
  } as unknown as HearingParts;
  hearing = new Hearing(parts, {
    now: () => 0,
    clock: { now: () => NOW, believed: true },
    self: 'cam-1',
    changed() {},
    refused,
  });
});

function hear(by: Member, topic: string, message: Parameters<typeof encodeMessage>[0]): void {
  hearing.onMessage({ topic, payload: sealEnvelope(topic, encodeMessage(message), by), retained: false });
}

const have = { t: 'have' as const, at: NOW, held: 0, room: 3, digest: Uint8Array.of(0) };
const topicOf = ({ identity }: Member): string => topics.have(PREFIX, hex(ARTIFACT), shardOf('cam-1', 1), identity.id);

describe('P-5.4 audience', () => {
  it('offers nothing to a device in none of the groups that have the artifact', async () => {
    const groups: string[][] = [['robots'], ['camera', 'cameras2'], []];
    for (const [i, own] of groups.entries()) {
      const outsider = await fleet.member({ id: `x-${i}`, groups: own });
      hear(outsider, topicOf(outsider), have);
    }
    expect(offer).not.toHaveBeenCalled();
  });

  it('offers to one that is in it, by its certificate', async () => {
    const peer = await fleet.member({ id: 'cam-2', groups: ['robots', 'cameras'] });
    hear(peer, topicOf(peer), have);
    expect(offer).toHaveBeenCalledOnce();
  });
});

describe('P-13.9 an answer to a question for a certificate', () => {
  it('is heard of a registrar alone, and on the own topic', async () => {
    const certificate = await fleet.leaf(identityOf(), SigningKey.generate());
    const answer = { t: 'enrolled' as const, at: NOW, request: new Uint8Array(32), certificate };
    const registrar = await fleet.member({ id: 'registrar', role: 'registrar' });
    hear(await fleet.member({ id: 'cam-2' }), topics.enrolled(PREFIX, 'cam-1'), answer);
    expect(refused).toHaveBeenCalledOnce();
    hear(registrar, topics.enrolled(PREFIX, 'cam-2'), answer);
    expect(onAnswer).not.toHaveBeenCalled();
    hear(registrar, topics.enrolled(PREFIX, 'cam-1'), answer);
    expect(onAnswer).toHaveBeenCalledOnce();
  });
});
