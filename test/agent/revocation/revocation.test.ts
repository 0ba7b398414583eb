import { EventEmitter } from 'node:events';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Store } from '../../../agent/io/store/store.js';
import { Revocation } from '../../../agent/revocation/revocation.js';
import { SILENCE_MS } from '../../../agent/revocation/vigil.js';
import { topics } from '../../../shared/control/topics.js';
import type { ControlLink } from '../../../shared/mqtt/control_link.js';
import { FLEET, Issuer, type Member, NOW, opened, PREFIX } from '../../support/members.js';

/** What a device waits for before it speaks to others, by the hand of a test (P-14.3, P-14.4). */

const TOPIC = topics.revoked(PREFIX);
const store = { readState: async () => undefined, writeState: async () => {} } as unknown as Store;
const none = new Uint8Array();
let fleet: Issuer;
let operator: Member;
let now: number;
let revocation: Revocation;
let link: EventEmitter & { subscribe: ReturnType<typeof vi.fn> };
const replay = vi.fn();

beforeAll(async () => {
  fleet = await Issuer.authority();
  operator = await fleet.member({ id: 'operator', role: 'operator' });
});

beforeEach(async () => {
  replay.mockClear();
  now = 0;
  revocation = await Revocation.open(store, fleet.credential(await fleet.member({ id: 'cam-1' })));
  link = Object.assign(new EventEmitter(), { subscribe: vi.fn() });
  revocation.attach(link as unknown as ControlLink, {
    now: () => now,
    replay,
    enforce() {},
    standing() {},
    warn() {},
  });
});

const signal = (from: string) => ({
  topic: topics.signal(PREFIX, 'hall', 'cam-1', from),
  payload: none,
  retained: false,
});
const replayed = (): string[] => replay.mock.calls.map(([{ topic }]) => topic.split('/').at(-1));

describe('P-14.3 what came before the silence of a broker was over', () => {
  it('is looked at once it is, whatever number a peer claims', () => {
    // A liar, of whom this device believes nothing but that it is to ask.
    expect(revocation.isAhead(2 ** 53 - 1)).toBe(true);
    revocation.awaitNewer(signal('liar'));
    expect(revocation.withholds(signal('cam-2'))).toBe(true);
    link.emit('granted', TOPIC);
    revocation.tick(now);
    expect(replayed()).toEqual([]);
    now = SILENCE_MS;
    revocation.tick(now);
    expect(replayed()).toEqual(['liar', 'cam-2']);
    // As the agent does with who is ahead still: not each second anew.
    revocation.awaitNewer(signal('liar'));
    now += 1000;
    revocation.tick(now);
    expect(replayed()).toHaveLength(2);
  });

  it('is so again after the next connection', () => {
    link.emit('granted', TOPIC);
    now = SILENCE_MS;
    revocation.tick(now);
    link.emit('offline');
    expect(revocation.withholds(signal('cam-2'))).toBe(true);
    link.emit('granted', TOPIC);
    now += SILENCE_MS;
    revocation.tick(now);
    expect(replayed()).toEqual(['cam-2']);
  });
});

describe('P-14.3 a list that is refused', () => {
  const hear = (version: number, at: number): void => {
    const lists = { revoked: none, quarantined: none, wiped: none };
    const message = { t: 'revoked', v: 1, fleet: FLEET, version, at, ...lists } as const;
    revocation.onList(opened(fleet, operator, TOPIC, message));
  };

  it('for its time alone lets no silence end, and for anything else does', () => {
    link.emit('granted', TOPIC);
    expect(() => hear(2, 2 ** 40)).toThrow('dated past the end');
    expect([revocation.mayMeet(SILENCE_MS), revocation.tick(SILENCE_MS)]).toEqual([false, Number.POSITIVE_INFINITY]);
    hear(2, NOW);
    expect(revocation.mayMeet(SILENCE_MS)).toBe(true);
    link.emit('offline');
    link.emit('granted', TOPIC);
    expect(() => hear(1, 2 ** 40)).toThrow('revocation list 1 after 2');
    expect(revocation.mayMeet(now + SILENCE_MS)).toBe(true);
  });
});
