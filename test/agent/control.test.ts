import { EventEmitter } from 'node:events';
import { beforeAll, describe, expect, it } from 'vitest';
import { Control } from '../../agent/control.js';
import { sealEnvelope } from '../../shared/control/envelope.js';
import { encodeMessage, type HaveMessage } from '../../shared/control/messages.js';
import { shardOf, topics } from '../../shared/control/topics.js';
import type { Credential } from '../../shared/identity/bundle.js';
import type { ControlLink } from '../../shared/mqtt/control_link.js';
import { Issuer, type Member, NOW, PREFIX } from '../support/members.js';

const ARTIFACT = 'ab'.repeat(32);
const HAVE: HaveMessage = { t: 'have', at: NOW, held: 0, room: 1, digest: Uint8Array.of(0) };

let credential: Credential;
let other: Member;

beforeAll(async () => {
  const fleet = await Issuer.authority();
  const device = await fleet.member({ groups: ['cameras', 'all'] });
  other = await fleet.member({ id: 'seed-1', role: 'seed' });
  credential = fleet.credential(device);
});

function control(): { control: Control; subscribed: string[] } {
  const subscribed: string[] = [];
  const link = Object.assign(new EventEmitter(), { subscribe: (filter: string) => subscribed.push(filter) });
  return { control: new Control(credential, link as unknown as ControlLink), subscribed };
}

describe('Control', () => {
  it('asks again for the groups that said nothing, and for no other', () => {
    const { control: asked, subscribed } = control();
    const [cameras, all] = ['cameras', 'all'].map((group) => topics.trust(PREFIX, group));
    expect(subscribed).toEqual([cameras, all, topics.signal(PREFIX, 'north', 'cam-1', '+')]);
    asked.heardOf('cameras');
    subscribed.length = 0;
    asked.askAgain();
    expect(subscribed).toEqual([all]);
  });

  it('P-3.4: takes a message of its own shard, and not one that it could not have subscribed to', () => {
    const own = shardOf('cam-1', 1024);
    const heard = (shard: number): unknown => {
      const topic = topics.have(PREFIX, ARTIFACT, shard, 'seed-1');
      const payload = sealEnvelope(topic, encodeMessage(HAVE), other);
      return control().control.open({ topic, payload, retained: false }, NOW);
    };
    expect(heard(own)).not.toBeNull();
    expect(heard((own + 1) % 1024)).toBeNull();
  });

  it('P-2.6: takes nothing retained where nothing is', () => {
    const topic = topics.have(PREFIX, ARTIFACT, 0, 'seed-1');
    const payload = sealEnvelope(topic, encodeMessage(HAVE), other);
    expect(control().control.open({ topic, payload, retained: false }, NOW)).not.toBeNull();
    expect(control().control.open({ topic, payload, retained: true }, NOW)).toBeNull();
  });

  it('leaves topics of others alone: the connection may be the caller’s own', () => {
    const payload = new Uint8Array(10);
    for (const topic of ['elsewhere', `${PREFIX}/unknown/x`, `${PREFIX}2/status/cam-1`]) {
      expect(control().control.open({ topic, payload, retained: false }, NOW)).toBeNull();
    }
  });
});
