import { beforeAll, describe, expect, it } from 'vitest';
import { TrustKeeper, type TrustMemory, trustMemorySchema } from '../../../agent/trust/trust_keeper.js';
import { TrustedClock } from '../../../agent/trust/trusted_clock.js';
import { renew } from '../../../broker/trust/ceremony.js';
import type { Opened } from '../../../shared/control/envelope.js';
import { encodeMap } from '../../../shared/control/message_pack.js';
import type { Rollout } from '../../../shared/control/messages.js';
import { topics } from '../../../shared/control/topics.js';
import { type Files, packBundle } from '../../../shared/trust/bundle.js';
import { codeOf, Issuer, type Member, NOW, opened, PREFIX, TRUST } from '../../support/members.js';
import { DAY, TestTrust } from '../../support/test_trust.js';
import { type BundleOptions, TrustMaker } from '../../support/trust_maker.js';

let fleet: Issuer;
let publisher: Member;
let device: Member;

beforeAll(async () => {
  fleet = await Issuer.authority();
  publisher = await fleet.member({ id: 'pub', role: 'publisher', groups: [] });
  device = await fleet.member({ groups: ['cameras', 'all'] });
});

interface Given {
  readonly memory?: TrustMemory;
  readonly root?: string;
  /** Seconds since the epoch, by the device. */
  readonly wall?: number;
  readonly of?: Member;
}

function keeper({ memory, root = TRUST.root, wall = NOW, of = device }: Given = {}): TrustKeeper {
  const clock = new TrustedClock({ wall: () => wall, now: () => 0 }, memory?.clock);
  return new TrustKeeper(of.identity, root, clock, memory);
}

/** As it comes back from the disk. */
const kept = ({ memory }: TrustKeeper): TrustMemory => trustMemorySchema.parse(JSON.parse(JSON.stringify(memory)));

const ROLLOUT: Rollout = { name: 'app', version: '1', artifact: new Uint8Array(32), size: 9, chunks: 1, shards: 1 };
const named = (...names: string[]): Rollout[] => names.map((name) => ({ ...ROLLOUT, name }));

function heardAs(bundle: Uint8Array, group = 'cameras', by = publisher): Opened {
  return opened(fleet, by, topics.trust(PREFIX, group), { t: 'trust', v: 2, bundle });
}

const heard = (rollouts: readonly Rollout[] = [], options: BundleOptions = {}, group = 'cameras'): Opened =>
  heardAs(TRUST.bundle(group, rollouts, options), group);

/** What becomes of a bundle of that number. */
const told = (to: TrustKeeper, version: number, rollouts: readonly Rollout[] = [], over: BundleOptions = {}): string =>
  codeOf(() => to.accept('cameras', heard(rollouts, { version, ...over })));

async function messageOf({ repository }: TestTrust, group: string, on = group): Promise<Opened> {
  return heardAs(await repository.bundle(await repository.current(), group), on);
}

describe('P-4.1 what is for this device', () => {
  it('takes a message of each of its groups', async () => {
    const trust = await TestTrust.create(NOW);
    const to = keeper({ root: await trust.firstRoot() });
    for (const group of ['cameras', 'all']) {
      await trust.publish(group, { name: `app-${group}`, version: '1' }, NOW);
      const accepted = to.accept(group, await messageOf(trust, group));
      expect(accepted).toMatchObject({ rollouts: [{ name: `app-${group}`, version: '1' }], refused: [] });
    }
  });

  it('refuses a message of a group that it is not in, however well signed: a broker may pass on anything', () => {
    expect(codeOf(() => keeper().accept('robots', heard([], {}, 'robots')))).toBe('E_MESSAGE_UNTRUSTED');
  });

  it('refuses a bundle of one of its groups on the topic of the other, and of another fleet', async () => {
    const trust = await TestTrust.create(NOW);
    for (const group of ['cameras', 'all']) await trust.publish(group, { name: 'app', version: '1' }, NOW);
    const to = keeper({ root: await trust.firstRoot() });
    const crossed = await messageOf(trust, 'all', 'cameras');
    expect(codeOf(() => to.accept('cameras', crossed))).toBe('E_TRUST_MISMATCH');
    const foreign = heardAs(new TrustMaker(NOW).bundle('cameras', [ROLLOUT], { version: 9 }));
    expect(codeOf(() => to.accept('cameras', foreign))).toBe('E_TRUST_SIGNATURE');
  });

  it('refuses another version as unknown, and remembers nothing of it', () => {
    const to = keeper();
    const before = to.memory;
    const { topic, signer, n } = heard();
    for (const v of [1, 3]) {
      const payload = encodeMap({ t: 'trust', v, bundle: TRUST.bundle('cameras', [], { version: 99 }) });
      expect(codeOf(() => to.accept('cameras', { topic, signer, n, payload }))).toBe('E_TRUST_VERSION');
    }
    expect(to.memory).toEqual(before);
  });

  it('refuses another message that a publisher signed for the topic, and a bundle that does not unpack', () => {
    const have = { t: 'have' as const, at: NOW, held: 0, room: 0, digest: Uint8Array.of(0) };
    const other = opened(fleet, publisher, topics.trust(PREFIX, 'cameras'), have);
    expect(codeOf(() => keeper().accept('cameras', other))).toBe('E_MESSAGE_MALFORMED');
    expect(codeOf(() => keeper().accept('cameras', heardAs(Uint8Array.of(1))))).toBe('E_TRUST_MALFORMED');
  });

  it('P-12.3: takes what release signed for its site or one of its groups, and leaves the rest out', () => {
    const audiences = [{ sites: ['north'] }, { sites: ['south'] }, { groups: ['all'] }, { groups: ['robots'] }];
    const rollouts = audiences.map((audience, i) => ({ ...ROLLOUT, name: `n${i}`, audience }));
    const accepted = keeper().accept('cameras', heard(rollouts));
    expect(accepted?.rollouts.map(({ name }) => name)).toEqual(['n0', 'n2']);
    expect(accepted?.refused).toEqual([]);
  });

  it('P-12.7: takes the good rollouts beside one that is not to be believed, and tells of that', () => {
    const bad = { ...ROLLOUT, name: 'bad', chunks: 0 };
    const accepted = keeper().accept('cameras', heard([...named('one'), bad, ...named('two')]));
    expect(accepted?.rollouts.map(({ name }) => name)).toEqual(['one', 'two']);
    expect(accepted?.refused.map(({ code }) => code)).toEqual(['E_TRUST_ARTIFACT']);
  });
});

describe('P-4.2 whose word it is', () => {
  it('takes what the fleet’s keys signed from any of its publishers, and from none what they did not', async () => {
    const other = await fleet.member({ id: 'pub2', role: 'publisher', groups: [] });
    const good = TRUST.bundle('cameras', [ROLLOUT]);
    expect(codeOf(() => keeper().accept('cameras', heardAs(good, 'cameras', other)))).toBe('accepted');
    const own = new TrustMaker(NOW).bundle('cameras', [ROLLOUT]);
    for (const by of [publisher, other]) {
      expect(codeOf(() => keeper().accept('cameras', heardAs(own, 'cameras', by)))).toBe('E_TRUST_SIGNATURE');
    }
  });

  it.each(['device', 'seed', 'operator', 'auditor'] as const)('refuses a good bundle in the hands of a %s', (role) => {
    const { topic, payload, n, signer } = heard();
    const demoted = { ...signer, identity: { ...signer.identity, role } };
    expect(codeOf(() => keeper().accept('cameras', { topic, payload, n, signer: demoted }))).toBe(
      'E_MESSAGE_UNTRUSTED',
    );
  });

  it('refuses a device before it reads a byte of what it says', () => {
    const said = { t: 'status' as const, at: NOW, online: true, agent: '', peers: 0, rollouts: [] };
    const { topic, signer, n } = opened(fleet, device, topics.status(PREFIX, 'cam-1'), said);
    const forged = { topic, signer, n, payload: Uint8Array.of(0xc1) };
    expect(codeOf(() => keeper().accept('cameras', forged))).toBe('E_MESSAGE_UNTRUSTED');
  });
});

describe('P-12.5 what it remembers', () => {
  it('takes a higher number, refuses a lower one', () => {
    const to = keeper();
    const of = (version: number): string => told(to, version);
    expect([5, 6, 5, 4, 1, 7].map(of)).toEqual([
      'accepted',
      'accepted',
      'E_TRUST_ROLLBACK',
      'E_TRUST_ROLLBACK',
      'E_TRUST_ROLLBACK',
      'accepted',
    ]);
  });

  it('takes an equal number again with the same bundle, and with no other', () => {
    const to = keeper();
    expect(told(to, 5)).toBe('accepted');
    expect(told(to, 5)).toBe('accepted');
    expect(told(to, 5, [], { expires: NOW + 2 * DAY })).toBe('E_TRUST_MISMATCH');
    expect(told(to, 5, [ROLLOUT])).toBe('E_TRUST_MISMATCH');
    expect(told(to, 5)).toBe('accepted');
  });

  it('gives what is in force once, however often the broker repeats it, and again where it was forgotten', () => {
    const to = keeper();
    const message = heard([ROLLOUT]);
    const accepted = { rollouts: [{ ...ROLLOUT, audience: {} }], refused: [] };
    expect(to.accept('cameras', message)).toEqual(accepted);
    expect(to.accept('cameras', message)).toBeNull();
    to.forget('cameras');
    expect(to.accept('cameras', message)).toEqual(accepted);
    expect(keeper({ memory: kept(to) }).accept('cameras', message)).toEqual(accepted);
  });

  it('takes for one group what is older than what another brought, where it is still what the snapshot names', async () => {
    const trust = await TestTrust.create(NOW);
    await trust.publish('cameras', { name: 'app', version: '1' }, NOW);
    await trust.publish('all', { name: 'other', version: '1' }, NOW);
    const older = await messageOf(trust, 'cameras');
    await trust.publish('all', { name: 'model', version: '1' }, NOW);
    const to = keeper({ root: await trust.firstRoot() });
    expect(to.accept('all', await messageOf(trust, 'all'))?.rollouts).toHaveLength(2);
    expect(to.accept('cameras', older)?.rollouts).toHaveLength(1);
    await trust.publish('cameras', { name: 'app', version: '2' }, NOW);
    expect(to.accept('cameras', await messageOf(trust, 'cameras'))?.rollouts).toMatchObject([{ version: '2' }]);
    expect(codeOf(() => to.accept('cameras', older))).toBe('E_TRUST_ROLLBACK');
  });

  it('lasts through a restart', () => {
    const before = keeper();
    expect(told(before, 9)).toBe('accepted');
    const memory = kept(before);
    expect(told(keeper({ memory }), 8)).toBe('E_TRUST_ROLLBACK');
    expect(told(keeper({ memory }), 9, [ROLLOUT])).toBe('E_TRUST_MISMATCH');
    expect(told(keeper({ memory }), 9)).toBe('accepted');
  });

  it('is not moved by what is refused', () => {
    const to = keeper();
    expect(told(to, 5)).toBe('accepted');
    const { memory } = to;
    told(to, 100, [], { at: NOW - 9, expires: NOW - 1 });
    told(to, 4);
    told(to, 5, [ROLLOUT]);
    codeOf(() => to.accept('robots', heard([], { version: 100 }, 'robots')));
    codeOf(() => to.accept('cameras', heardAs(new TrustMaker(NOW).bundle('cameras', [], { version: 100 }))));
    expect(to.memory).toEqual(memory);
    expect(told(to, 6)).toBe('accepted');
  });

  it('keeps a root that was verified, whatever came with it (TUF 5.3.8)', async () => {
    const trust = await TestTrust.create(NOW);
    const root = await trust.firstRoot();
    const { repository } = trust;
    await renew(repository, 'root', NOW);
    const files = new Map(await repository.bundleFiles(await repository.current(), 'cameras'));
    const second = Buffer.from(files.get('2.root.json') ?? []).toString();
    const spoilt = (change: (files: Map<string, Uint8Array>) => void): Files => {
      const other = new Map(files);
      change(other);
      return other;
    };
    const to = keeper({ root });
    const accept = (some: Files): string => codeOf(() => to.accept('cameras', heardAs(packBundle(some))));
    expect(accept(spoilt((some) => some.delete('timestamp.json')))).toBe('E_TRUST_MISMATCH');
    expect(to.memory.state).toEqual({ root: second });
    const again = keeper({ root, memory: kept(to) });
    expect(again.memory.state).toEqual({ root: second });
    expect(again.accept('cameras', heardAs(packBundle(files)))).not.toBeNull();
  });

  it('begins anew from the root of another credential bundle, and takes nothing older for it', () => {
    const to = keeper();
    expect(told(to, 9)).toBe('accepted');
    const memory = { ...kept(to), anchor: '0'.repeat(64) };
    const renewed = keeper({ memory });
    expect(renewed.memory.state.root).toBe(TRUST.root);
    expect(told(renewed, 8)).toBe('E_TRUST_ROLLBACK');
    // Of another fleet's keys: what the old ones signed binds nobody any more (fast-forward recovery).
    const other = new TrustMaker(NOW);
    const moved = keeper({ memory: kept(to), root: other.root });
    expect(codeOf(() => moved.accept('cameras', heardAs(other.bundle('cameras', [ROLLOUT]))))).toBe('accepted');
    expect(told(moved, 10)).toBe('E_TRUST_SIGNATURE');
  });

  it('knows nothing of groups named as what every object has', async () => {
    const ids = ['constructor', 'toString', 'valueOf', 'hasOwnProperty'];
    const of = await fleet.member({ groups: ids });
    for (const group of ids) {
      const to = keeper({ of });
      const at = (version: number): string => codeOf(() => to.accept(group, heard([ROLLOUT], { version }, group)));
      expect([1, 5, 4, 5].map(at)).toEqual(['accepted', 'accepted', 'E_TRUST_ROLLBACK', 'accepted']);
      expect(keeper({ of }).accept(group, heard([ROLLOUT], {}, group))?.rollouts).toHaveLength(1);
    }
  });

  it('refuses a bundle past its end, and takes it in its last second', () => {
    const at = (wall: number): string => told(keeper({ wall }), 1, [], { expires: NOW + 100 });
    expect([NOW, NOW + 99, NOW + 100, NOW + 101].map(at)).toEqual([
      'accepted',
      'accepted',
      'E_TRUST_EXPIRED',
      'E_TRUST_EXPIRED',
    ]);
  });

  it('P-12.6: refuses what was seen expired also after the clock was set back, through a restart', () => {
    const before = keeper({ wall: NOW + 3 * DAY });
    expect(told(before, 1)).toBe('E_TRUST_EXPIRED');
    expect(told(keeper({ memory: kept(before), wall: NOW }), 1)).toBe('E_TRUST_EXPIRED');
    expect(told(keeper({ wall: NOW }), 1)).toBe('accepted');
  });

  it('P-12.6: refuses what is older than what was signed since, where its own clock says 1970', () => {
    const to = keeper({ wall: 0 });
    expect(told(to, 1, [], { at: NOW - 10 * DAY })).toBe('accepted');
    expect(told(to, 2, [], { at: NOW })).toBe('accepted');
    const after = keeper({ memory: kept(to), wall: 0 });
    expect(told(after, 3, [], { at: NOW - 2 * DAY })).toBe('E_TRUST_EXPIRED');
    expect(told(after, 3, [], { at: NOW + 60 * DAY })).toBe('accepted');
  });
});
