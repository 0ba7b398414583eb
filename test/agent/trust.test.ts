import { beforeAll, describe, expect, it } from 'vitest';
import { TrustKeeper, type TrustMemory, trustMemorySchema } from '../../agent/trust.js';
import { encodeMap } from '../../shared/control/message_pack.js';
import type { TrustMessage } from '../../shared/control/messages.js';
import { topics } from '../../shared/control/topics.js';
import { codeOf, FLEET, Issuer, type Member, NOW, opened, PREFIX } from '../support/members.js';

let fleet: Issuer;
let publisher: Member;
let device: Member;

beforeAll(async () => {
  fleet = await Issuer.authority();
  publisher = await fleet.member({ id: 'pub', role: 'publisher', groups: [] });
  device = await fleet.member({ groups: ['cameras', 'all'] });
});

function keeper(memory: TrustMemory = {}, pinned: readonly Member[] = [publisher]): TrustKeeper {
  return new TrustKeeper(fleet.credential(device, pinned), memory);
}

const ROLLOUT = { name: 'app', version: '1', artifact: new Uint8Array(32), size: 9, chunks: 1, shards: 1 };

function trust(over: Partial<TrustMessage> = {}): TrustMessage {
  return {
    t: 'trust',
    v: 1,
    fleet: FLEET,
    group: 'cameras',
    seq: 5,
    at: NOW,
    expires: NOW + 100,
    rollouts: [],
    ...over,
  };
}

/** What becomes of `message`, published on the topic of `group` and told to the keeper as that. */
function told(to: TrustKeeper, message: TrustMessage, group = 'cameras', now = NOW, by = publisher): string {
  return codeOf(() => to.accept(group, opened(fleet, by, topics.trust(PREFIX, group), message), now));
}

describe('P-4.1 what is for this device', () => {
  it('takes a message for its fleet and each of its groups', () => {
    const to = keeper();
    for (const group of ['cameras', 'all']) {
      const heard = opened(fleet, publisher, topics.trust(PREFIX, group), trust({ group, rollouts: [ROLLOUT] }));
      expect(to.accept(group, heard, NOW)).toEqual(trust({ group, rollouts: [ROLLOUT] }));
    }
  });

  it('refuses a message of a group that it is not in, however well signed: a broker may pass on anything', () => {
    expect(told(keeper(), trust({ group: 'robots' }), 'robots')).toBe('E_MESSAGE_UNTRUSTED');
  });

  it('refuses a message of one of its groups on the topic of the other, and of another fleet', () => {
    expect(told(keeper(), trust({ group: 'all' }), 'cameras')).toBe('E_MESSAGE_UNTRUSTED');
    expect(told(keeper(), trust({ fleet: 'fleet2' }))).toBe('E_MESSAGE_UNTRUSTED');
  });

  it('refuses another version as unknown, and remembers nothing of it', () => {
    const to = keeper();
    const { topic, signer } = opened(fleet, publisher, topics.trust(PREFIX, 'cameras'), trust());
    const payload = encodeMap({ ...trust(), v: 2, seq: 99 });
    expect(codeOf(() => to.accept('cameras', { topic, signer, payload }, NOW))).toBe('E_MANIFEST_VERSION');
    expect(to.memory).toEqual({});
  });

  it('refuses another message that a publisher signed for the topic', () => {
    const to = keeper();
    const have = { t: 'have' as const, at: NOW, held: 0, room: 0, digest: Uint8Array.of(0) };
    const heard = opened(fleet, publisher, topics.trust(PREFIX, 'cameras'), have);
    expect(codeOf(() => to.accept('cameras', heard, NOW))).toBe('E_MESSAGE_MALFORMED');
  });
});

describe('P-4.2 whose word it is', () => {
  it('refuses a publisher of the fleet that is not pinned', async () => {
    const other = await fleet.member({ id: 'pub2', role: 'publisher', groups: [] });
    expect(told(keeper(), trust(), 'cameras', NOW, other)).toBe('E_MESSAGE_UNTRUSTED');
    expect(told(keeper({}, [publisher, other]), trust(), 'cameras', NOW, other)).toBe('accepted');
  });

  it('refuses a new key under the pinned publisher’s name', async () => {
    const impostor = await fleet.member({ id: 'pub', role: 'publisher', groups: [] });
    expect(told(keeper(), trust(), 'cameras', NOW, impostor)).toBe('E_MESSAGE_UNTRUSTED');
  });

  it('refuses everybody where nobody is pinned', () => {
    expect(told(keeper({}, []), trust())).toBe('E_MESSAGE_UNTRUSTED');
  });

  it.each(['device', 'seed', 'operator', 'auditor'] as const)('refuses the pinned key in the hands of a %s', (role) => {
    const { topic, payload, signer } = opened(fleet, publisher, topics.trust(PREFIX, 'cameras'), trust());
    const demoted = { ...signer, identity: { ...signer.identity, role } };
    expect(codeOf(() => keeper().accept('cameras', { topic, payload, signer: demoted }, NOW))).toBe(
      'E_MESSAGE_UNTRUSTED',
    );
  });

  it('refuses a device before it reads a byte of what it says', () => {
    const { topic, signer } = opened(fleet, device, topics.status(PREFIX, 'cam-1'), {
      t: 'status',
      at: NOW,
      online: true,
      agent: '',
      peers: 0,
      rollouts: [],
    });
    const forged = { topic, signer, payload: Uint8Array.of(0xc1) };
    expect(codeOf(() => keeper().accept('cameras', forged, NOW))).toBe('E_MESSAGE_UNTRUSTED');
  });
});

describe('P-4.3 what it remembers', () => {
  it('takes a higher seq, refuses a lower one', () => {
    const to = keeper();
    const of = (seq: number): string => told(to, trust({ seq }));
    expect([5, 6, 5, 4, 0, 7].map(of)).toEqual([
      'accepted',
      'accepted',
      'E_MANIFEST_ROLLBACK',
      'E_MANIFEST_ROLLBACK',
      'E_MANIFEST_ROLLBACK',
      'accepted',
    ]);
    expect(to.memory.cameras?.seq).toBe(7);
  });

  it('takes an equal seq again with the same payload, and with no other', () => {
    const to = keeper();
    expect(told(to, trust())).toBe('accepted');
    expect(told(to, trust())).toBe('accepted');
    expect(told(to, trust({ expires: NOW + 101 }))).toBe('E_MANIFEST_ROLLBACK');
    expect(told(to, trust({ rollouts: [ROLLOUT] }))).toBe('E_MANIFEST_ROLLBACK');
    expect(told(to, trust())).toBe('accepted');
  });

  it('gives what is in force once, however often the broker repeats it, and again where it was forgotten', () => {
    const to = keeper();
    const heard = opened(fleet, publisher, topics.trust(PREFIX, 'cameras'), trust());
    expect(to.accept('cameras', heard, NOW)).toEqual(trust());
    expect(to.accept('cameras', heard, NOW)).toBeNull();
    to.forget('cameras');
    expect(to.accept('cameras', heard, NOW)).toEqual(trust());
    expect(keeper(to.memory).accept('cameras', heard, NOW)).toEqual(trust());
  });

  it('holds for each group by itself', () => {
    const to = keeper();
    expect(told(to, trust({ seq: 9 }))).toBe('accepted');
    expect(told(to, trust({ seq: 1, group: 'all' }), 'all')).toBe('accepted');
    expect(told(to, trust({ seq: 8 }))).toBe('E_MANIFEST_ROLLBACK');
  });

  it('lasts through a restart', () => {
    const before = keeper();
    expect(told(before, trust({ seq: 9 }))).toBe('accepted');
    const after = keeper(trustMemorySchema.parse(JSON.parse(JSON.stringify(before.memory))));
    expect(told(after, trust({ seq: 8 }))).toBe('E_MANIFEST_ROLLBACK');
    expect(told(after, trust({ seq: 9, expires: NOW + 7 }))).toBe('E_MANIFEST_ROLLBACK');
    expect(told(after, trust({ seq: 9 }))).toBe('accepted');
  });

  it('is not moved by what is refused', () => {
    const to = keeper();
    expect(told(to, trust())).toBe('accepted');
    const { memory } = to;
    told(to, trust({ seq: 100, expires: NOW - 1 }));
    told(to, trust({ seq: 100, at: NOW + 301, expires: NOW + 999 }));
    told(to, trust({ seq: 100, fleet: 'fleet2' }));
    told(to, trust({ seq: 100, group: 'robots' }), 'robots');
    told(to, trust({ seq: 4 }));
    expect(to.memory).toEqual(memory);
  });

  it('knows nothing of groups named as what every object has', async () => {
    const ids = ['constructor', 'toString', 'valueOf', 'hasOwnProperty'];
    const was = device;
    device = await fleet.member({ groups: ids });
    const to = keeper();
    for (const group of ids) {
      const of = (seq: number): string => told(to, trust({ group, seq }), group);
      expect([0, 5, 4, 5].map(of)).toEqual(['accepted', 'accepted', 'E_MANIFEST_ROLLBACK', 'accepted']);
    }
    device = was;
  });

  it('refuses a message past `expires`, and takes it in its last second', () => {
    const at = (now: number): string => told(keeper(), trust(), 'cameras', now);
    expect([NOW, NOW + 100, NOW + 101].map(at)).toEqual(['accepted', 'accepted', 'E_MESSAGE_TIME']);
  });

  it('P-3.6 takes a message from 300 s ahead and refuses 301', () => {
    const ahead = (seconds: number): string => told(keeper(), trust({ at: NOW + seconds, expires: NOW + 999 }));
    expect([300, 301].map(ahead)).toEqual(['accepted', 'E_MESSAGE_TIME']);
  });
});
