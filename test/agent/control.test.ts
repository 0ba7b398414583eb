import { EventEmitter } from 'node:events';
import { beforeAll, describe, expect, it } from 'vitest';
import type { FleetClock } from '../../agent/clock.js';
import { Control } from '../../agent/control.js';
import { sealEnvelope } from '../../shared/control/envelope.js';
import { encodeMessage, type HaveMessage } from '../../shared/control/messages.js';
import { shardOf, topics } from '../../shared/control/topics.js';
import type { ErrorCode } from '../../shared/errors.js';
import type { Credential } from '../../shared/identity/bundle.js';
import type { ControlLink, ControlMessage } from '../../shared/mqtt/control_link.js';
import { codeOf, Issuer, type Member, NOW, PREFIX } from '../support/members.js';

const ARTIFACT = 'ab'.repeat(32);
const HAVE: HaveMessage = { t: 'have', at: NOW, held: 0, room: 1, digest: Uint8Array.of(0) };

const clock = (now = NOW, believed = true): FleetClock => ({ now: () => now, believed });
/** Monotonic ms. */
const START = 5_000;

let credential: Credential;
let issuer: Issuer;
let other: Member;
let publisher: Member;

beforeAll(async () => {
  const fleet = await Issuer.authority();
  issuer = fleet;
  const device = await fleet.member({ groups: ['cameras', 'all'] });
  other = await fleet.member({ id: 'seed-1', role: 'seed' });
  publisher = await fleet.member({ id: 'pub', role: 'publisher', groups: [] });
  credential = fleet.credential(device);
});

interface Made {
  readonly control: Control;
  readonly subscribed: string[];
  readonly link: { online: boolean };
  /** Whom it named, and by what. */
  readonly named: string[];
}

function control(): Made {
  const subscribed: string[] = [];
  const subscribe = (filter: string): number => subscribed.push(filter);
  const link = Object.assign(new EventEmitter(), { online: true, subscribe });
  const named: string[] = [];
  const misbehaved = (device: string, how: string): number => named.push(`${device} ${how}`);
  return { control: new Control(credential, link as unknown as ControlLink, misbehaved), subscribed, link, named };
}

describe('Control', () => {
  it('asks again for the groups that said nothing, and for no other', () => {
    const { control: asked, subscribed } = control();
    const [cameras, all] = ['cameras', 'all'].map((group) => topics.trust(PREFIX, group));
    const own = [topics.signal(PREFIX, 'north', 'cam-1', '+'), topics.command(PREFIX, 'cam-1')];
    expect(subscribed).toEqual([cameras, all, ...own]);
    asked.heardOf('cameras', true);
    subscribed.length = 0;
    asked.askAgain();
    expect(subscribed).toEqual([all]);
  });

  it('asks again each 10 s while it is online and a group says nothing', () => {
    const { control: asked, subscribed, link } = control();
    const [cameras, all] = ['cameras', 'all'].map((group) => topics.trust(PREFIX, group));
    const times: number[] = [];
    const until = (end: number): void => {
      for (let at = (times.at(-1) ?? START) + 1000; at <= end; at += 1000) {
        subscribed.length = 0;
        asked.tick(at);
        if (subscribed.length > 0) times.push(at);
      }
    };
    asked.tick(START);
    asked.online(START);
    until(START + 35_000);
    expect(times).toEqual([10_000, 20_000, 30_000].map((ms) => START + ms));
    asked.heardOf('cameras', true);
    asked.tick(START + 40_000);
    expect(subscribed).toEqual([all]);
    asked.unheard('cameras');
    subscribed.length = 0;
    link.online = false;
    asked.tick(START + 90_000);
    expect(subscribed).toEqual([]);
    link.online = true;
    asked.online(START + 100_000);
    asked.tick(START + 109_999);
    expect(subscribed).toEqual([]);
    asked.tick(START + 110_000);
    expect(new Set(subscribed)).toEqual(new Set([cameras, all]));
  });

  it('asks so often for a minute only', () => {
    const { control: asked, subscribed } = control();
    asked.online(START);
    let times = 0;
    for (let at = START; at < START + 3_600_000; at += 1000) {
      subscribed.length = 0;
      asked.tick(at);
      if (subscribed.length > 0) times++;
    }
    expect(times).toBe(6);
  });

  it('tells once, 30 s after it first was online, which groups said nothing', () => {
    const { control: asked } = control();
    asked.online(START);
    asked.heardOf('all', true);
    expect(asked.tick(START + 29_999)).toEqual([]);
    asked.online(START + 29_999);
    expect(asked.tick(START + 30_000)).toEqual(['cameras']);
    asked.online(START + 40_000);
    expect(asked.tick(START + 100_000)).toEqual([]);
  });

  it('P-3.4: takes a message of its own shard, and not one that it could not have subscribed to', () => {
    const own = shardOf('cam-1', 1024);
    const heard = (shard: number): unknown => {
      const topic = topics.have(PREFIX, ARTIFACT, shard, 'seed-1');
      const payload = sealEnvelope(topic, encodeMessage(HAVE), other);
      return control().control.open({ topic, payload, retained: false }, START, clock());
    };
    expect(heard(own)).not.toBeNull();
    expect(heard((own + 1) % 1024)).toBeNull();
  });

  it('P-2.6: takes nothing retained where nothing is', () => {
    const topic = topics.have(PREFIX, ARTIFACT, 0, 'seed-1');
    const payload = sealEnvelope(topic, encodeMessage(HAVE), other);
    expect(control().control.open({ topic, payload, retained: false }, START, clock())).not.toBeNull();
    expect(control().control.open({ topic, payload, retained: true }, START, clock())).toBeNull();
  });

  it('leaves topics of others alone: the connection may be the caller’s own', () => {
    const payload = new Uint8Array(10);
    for (const topic of ['elsewhere', `${PREFIX}/unknown/x`, `${PREFIX}2/status/cam-1`]) {
      expect(control().control.open({ topic, payload, retained: false }, START, clock())).toBeNull();
    }
  });

  it('P-3.6: asks again for a group that it did not hear for its clock alone, also where it heard it before', () => {
    const { control: asked, subscribed } = control();
    for (const group of ['cameras', 'all']) asked.heardOf(group, true);
    const again = (code: ErrorCode, group = 'cameras'): string[] => {
      asked.refused(topics.trust(PREFIX, group), null, code, START);
      subscribed.length = 0;
      asked.askAgain();
      asked.heardOf(group, true);
      return [...subscribed];
    };
    const cameras = topics.trust(PREFIX, 'cameras');
    expect(again('E_MESSAGE_TIME')).toEqual([cameras]);
    expect(again('E_CERT_EXPIRED')).toEqual([cameras]);
    expect(again('E_TRUST_EXPIRED')).toEqual([cameras]);
    expect(again('E_TRUST_ROLLBACK')).toEqual([]);
    expect(again('E_MESSAGE_SIGNATURE')).toEqual([]);
    asked.refused(topics.signal(PREFIX, 'north', 'cam-1', 'cameras'), null, 'E_MESSAGE_TIME', START);
    subscribed.length = 0;
    asked.askAgain();
    expect(subscribed).toEqual([]);
  });

  it('P-3.6: takes a trust message at last that came before its clock was right', () => {
    const { control: asked, subscribed } = control();
    const topic = topics.trust(PREFIX, 'cameras');
    const message = encodeMessage({ t: 'trust', v: 2, bundle: Uint8Array.of(1) });
    const heard = { topic, payload: sealEnvelope(topic, message, publisher), retained: true };
    asked.heardOf('cameras', true);
    // After the publisher's certificate ends.
    expect(codeOf(() => asked.open(heard, START, clock(NOW + 86_500)))).toBe('E_CERT_EXPIRED');
    asked.refused(topic, null, 'E_CERT_EXPIRED', START);
    subscribed.length = 0;
    asked.askAgain();
    expect(subscribed).toContain(topic);
    expect(asked.open(heard, START, clock())).not.toBeNull();
    // Before it begins it is this clock that is behind: 1970, at boot.
    expect(asked.open(heard, START, clock(0))).not.toBeNull();
  });
});

describe('P-3.7 a device that floods', () => {
  const signal = (from: string): ControlMessage => ({
    topic: topics.signal(PREFIX, 'north', 'cam-1', from),
    // No envelope: what is dropped unread costs no signature, and what is read is refused.
    payload: new Uint8Array(10),
    retained: false,
  });
  const heard = (by: Control, from: string, now: number): string => codeOf(() => by.open(signal(from), now, clock()));
  const READ = 'E_MESSAGE_MALFORMED';

  it('has 64 signals read at once and 4 a second, and takes nothing from the share of another', () => {
    const { control: flooded } = control();
    const all = Array.from({ length: 200 }, (_, i) => heard(flooded, 'mallory', START + i / 2));
    expect(all.filter((code) => code === READ).length).toBe(64);
    expect(new Set(all.slice(64))).toEqual(new Set(['E_MESSAGE_RATE']));
    expect(heard(flooded, 'cam-2', START + 100)).toBe(READ);
    const later = Array.from({ length: 1000 }, (_, i) => heard(flooded, 'mallory', START + 100 + 10 * i));
    expect(later.filter((code) => code === READ).length).toBe(40);
  });

  it('is named for each that is dropped, and so is who signs what nobody can read; who is only said to have, is not', () => {
    const { control: flooded, named } = control();
    for (let i = 0; i < 66; i++) heard(flooded, 'mallory', START);
    heard(flooded, 'cam-2', START);
    const topic = topics.have(PREFIX, ARTIFACT, shardOf('cam-1', 1), 'cam-3');
    const open = (): string =>
      codeOf(() => flooded.open({ topic, payload: new Uint8Array(10), retained: false }, START, clock()));
    for (let i = 0; i < 65; i++) open();
    expect(named).toEqual(['mallory flood', 'mallory flood', 'cam-3 flood']);
    const unread = topics.have(PREFIX, ARTIFACT, shardOf('cam-1', 1), 'seed-1');
    const read = flooded.open(
      { topic: unread, payload: sealEnvelope(unread, encodeMessage(HAVE), other), retained: false },
      START,
      clock(),
    );
    named.length = 0;
    flooded.refused(unread, null, 'E_MESSAGE_MALFORMED', START);
    flooded.refused(unread, read, 'E_MESSAGE_TIME', START);
    // Another's message, passed on by a broker where it does not belong.
    flooded.refused(unread, read, 'E_MESSAGE_UNTRUSTED', START);
    expect(named).toEqual([]);
    flooded.refused(unread, read, 'E_MESSAGE_MALFORMED', START);
    expect(named).toEqual(['seed-1 protocol']);
  });

  it('is not who has twelve peers of sixteen rollouts, each with an offer and an answer, twice', () => {
    const { control: honest } = control();
    for (let peer = 0; peer < 12; peer++) {
      for (let i = 0; i < 64; i++) expect(heard(honest, `cam-${peer + 2}`, START)).toBe(READ);
    }
  });

  it('has as many announcements read for each artifact, and the rest dropped without a word', () => {
    const { control: flooded } = control();
    const shard = shardOf('cam-1', 1024);
    const have = (artifact: string, from: string): string => {
      const topic = topics.have(PREFIX, artifact, shard, from);
      return codeOf(() => flooded.open({ topic, payload: new Uint8Array(10), retained: false }, START, clock()));
    };
    const all = Array.from({ length: 1000 }, () => have(ARTIFACT, 'mallory'));
    expect(all.filter((code) => code === READ).length).toBe(64);
    expect(new Set(all.slice(64))).toEqual(new Set(['accepted']));
    expect(have(ARTIFACT, 'cam-2')).toBe(READ);
    expect(have('cd'.repeat(32), 'mallory')).toBe(READ);
  });

  it('is told of at the 1st, 2nd, 4th, 8th ... refusal, apart from others and from other codes', () => {
    const { control: flooded } = control();
    const told = (from: string, code: ErrorCode): number | null =>
      flooded.refused(signal(from).topic, null, code, START);
    const mallory = Array.from({ length: 1000 }, () => told('mallory', 'E_MESSAGE_RATE'));
    expect(mallory.filter((times) => times !== null)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
    expect(told('mallory', 'E_MESSAGE_MALFORMED')).toBe(1);
    expect(told('cam-2', 'E_MESSAGE_RATE')).toBe(1);
  });

  it('is told of anew, by its group, once that said something new', () => {
    const { control: asked } = control();
    const topic = topics.trust(PREFIX, 'cameras');
    const told = (): number | null => asked.refused(topic, null, 'E_TRUST_ROLLBACK', START);
    expect([told(), told(), told()]).toEqual([1, 2, null]);
    asked.heardOf('all', true);
    asked.heardOf('cameras', false);
    expect([told(), told()]).toEqual([4, null]);
    asked.heardOf('cameras', true);
    expect(told()).toBe(1);
  });
});

describe('P-3.8 what came before', () => {
  const topic = topics.signal(PREFIX, 'north', 'cam-1', 'seed-1');
  const message = (n: number, by = other): ControlMessage => {
    const payload = sealEnvelope(topic, encodeMessage(HAVE), { ...by, counter: { next: () => n } });
    return { topic, payload, retained: false };
  };

  it('is dropped without a word and counted, and so is what is far behind', () => {
    const { control: heard, named } = control();
    const takes = (said: ControlMessage): boolean => heard.open(said, START, clock()) !== null;
    const [first, later] = [message(1000), message(2000)];
    expect([takes(first), takes(first), takes(later), takes(first), takes(message(1001))]).toEqual([
      true,
      false,
      true,
      false,
      false,
    ]);
    expect(heard.replayed).toBe(3);
    expect(named).toEqual([]);
  });

  it('is no command that is obeyed twice, whatever the broker does with it', async () => {
    const { control: heard } = control();
    const operator = await issuer.member({ id: 'operator', role: 'operator', groups: [] });
    const command = topics.command(PREFIX, 'cam-1');
    const said = { topic: command, payload: sealEnvelope(command, encodeMessage(HAVE), operator) };
    const takes = (retained: boolean): boolean => heard.open({ ...said, retained }, START, clock()) !== null;
    expect([takes(true), takes(false), takes(false), takes(true)]).toEqual([false, true, false, false]);
  });

  it('is known by what verifies alone: a forger uses up no number of another', async () => {
    const { control: heard } = control();
    const good = message(7);
    const forged = Buffer.from(good.payload);
    // Within the signature: it comes before the certificate, which is last.
    const at = forged.indexOf(Buffer.from(other.certificateDer)) - 20;
    forged[at] = (forged[at] ?? 0) ^ 1;
    expect(codeOf(() => heard.open({ ...good, payload: forged }, START, clock()))).toBe('E_MESSAGE_SIGNATURE');
    expect(heard.open(good, START, clock())).not.toBeNull();
  });

  it('is known by the key that signed: who held a key of that id before, a thief too, silences nobody', async () => {
    const { control: heard } = control();
    const before = await issuer.member({ id: 'seed-1', role: 'seed' });
    expect(heard.open(message(Number.MAX_SAFE_INTEGER, before), START, clock())).not.toBeNull();
    expect(heard.open(message(7), START, clock())).not.toBeNull();
  });

  it('is no matter of what a broker retains: that has a number of its own kind', () => {
    const { control: heard } = control();
    const trust = topics.trust(PREFIX, 'cameras');
    const payload = sealEnvelope(trust, encodeMessage(HAVE), publisher);
    for (let times = 0; times < 3; times++) {
      expect(heard.open({ topic: trust, payload, retained: true }, START, clock())).not.toBeNull();
    }
    expect(heard.replayed).toBe(0);
  });

  it('P-3.6: a device without a clock takes certificates that are newer than the time it knows, and none that ended before it', () => {
    const takes = (now: number, believed: boolean): string =>
      codeOf(() => control().control.open(message(1), START, clock(now, believed)));
    expect([takes(NOW - 200_000, true), takes(NOW - 200_000, false)]).toEqual(['E_CERT_EXPIRED', 'accepted']);
    expect([takes(0, false), takes(NOW + 200_000, false)]).toEqual(['accepted', 'E_CERT_EXPIRED']);
  });
});
