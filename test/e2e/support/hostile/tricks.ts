import { decodeMap, encodeMap } from '../../../../shared/control/message_pack.js';
import { parseTopic } from '../../../../shared/control/topics.js';
import type { SeededRandom } from '../../../sim/random.js';
import type { HostileBroker, Said } from './hostile_broker.js';

/** What a broker does to what it hears. Each is a `pass`; what the publisher says it leaves alone, or no test would have a rollout. */

export type Pass = (said: Said) => void;

const byPublisher = ({ from }: Said): boolean => from === 'publisher';

const later = (ms: number, act: () => void): void => void setTimeout(act, ms).unref();

/** Only so many of a hundred come through. */
export function dropping(broker: HostileBroker, random: SeededRandom, share: number): Pass {
  return (said) => {
    if (byPublisher(said) || !random.chance(share)) broker.deliver(said);
  };
}

/** Everything comes late, two or three times, in another order. */
export function shuffling(broker: HostileBroker, random: SeededRandom, mostMs: number): Pass {
  return (said) => {
    const times = byPublisher(said) ? 1 : 2 + Math.floor(random.next() * 2);
    if (byPublisher(said)) broker.deliver(said);
    else for (let i = 0; i < times; i++) later(random.next() * mostMs, () => broker.deliver(said));
  };
}

/** What each device is sent every other gets too, on its own topics. */
export function swapping(broker: HostileBroker, prefix: string): Pass {
  return (said) => {
    const parsed = parseTopic(prefix, said.topic);
    if (parsed?.name === 'signal') {
      for (const id of broker.ids) {
        if (id === parsed.to) continue;
        const { site, from } = parsed;
        broker.tell(id, `${prefix}/signal/${site}/${id}/${from}`, said.payload);
        broker.tell(id, `${prefix}/signal/${site}/${id}/${parsed.to}`, said.payload);
        broker.tell(id, said.topic, said.payload);
      }
    }
    broker.deliver(said);
  };
}

/** An envelope with one thing in it that is another. */
export function changed({ payload }: Said, random: SeededRandom): Uint8Array {
  const envelope = decodeMap(payload);
  const inner = decodeMap(envelope.p as Uint8Array);
  const n = Number(envelope.n);
  const changes: object[] = [
    { n: n + 1 },
    { n: n + 2 ** 30 },
    { n: Number.MAX_SAFE_INTEGER },
    { p: encodeMap({ ...inner, at: Number(inner.at) + 1 }) },
    { p: encodeMap({ ...inner, key: random.bytes(32) }) },
    { p: encodeMap({ ...inner, candidates: [['127.0.0.1', 9]] }) },
    { s: random.bytes(64) },
  ];
  return encodeMap({ ...envelope, ...changes[Math.floor(random.next() * changes.length)] });
}

/** All of it at once: for each message another of them, and now and then what was heard long ago. */
export function everything(broker: HostileBroker, random: SeededRandom, prefix: string): Pass {
  const swap = swapping(broker, prefix);
  const shuffle = shuffling(broker, random, 800);
  const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random.next() * list.length)];
  const toAll = (topic: string, payload: Uint8Array, retain = false): void => {
    for (const id of broker.ids) if (id !== 'publisher') broker.tell(id, topic, payload, { retain });
  };
  const tricks: readonly Pass[] = [
    () => {},
    shuffle,
    shuffle,
    swap,
    (said) => toAll(said.topic, changed(said, random)),
    (said) => toAll(said.topic, said.payload, true),
    (said) => later(random.next() * 3_000, () => swap(said)),
    (said) => broker.deliver(said),
    (said) => broker.deliver(said),
  ];
  return (said) => {
    if (byPublisher(said)) {
      broker.deliver(said);
      return;
    }
    pick(tricks)?.(said);
    for (let times = 0; times < 3; times++) {
      const [old, other] = [pick(broker.said), pick(broker.said)];
      if (old === undefined || other === undefined) continue;
      toAll(random.chance(0.7) ? old.topic : other.topic, old.payload, random.chance(0.2));
    }
    if (random.chance(0.02)) broker.disconnect(pick(broker.ids.filter((id) => id !== 'publisher')) ?? '');
  };
}
