import { randomBytes } from 'node:crypto';
import type { Misbehaviour } from '../../../agent/swarm/misbehaviour.js';
import type { Session } from '../../../agent/transport/session.js';
import type { SessionEvents } from '../../../agent/transport/session_types.js';
import { makeDigest } from '../../../shared/artifact/digest.js';
import { Bitfield } from '../../../shared/artifact/index.js';
import { encodeMessage, type HaveMessage } from '../../../shared/control/messages.js';
import { generateSessionKeyPair } from '../../../shared/crypto/box.js';
import { INDEX_CHUNK } from '../../../shared/limits.js';
import { REJECT } from '../../../shared/wire/frames/reject.js';
import type { Sample } from '../../support/memory_artifact.js';
import { QUIET } from '../../support/quiet_events.js';
import type { World } from '../world.js';
import type { DeviceOptions, Twist, VirtualDevice } from './device.js';

/** What malicious members of a fleet do: each has a good certificate, and is quicker than any honest one to offer a session. */

/** Announcements 10 a second, and offers, to each, as many as P-3.7 lets. */
const STEP_MS = 100;
const FLOOD_OFFERS_MS = 250;
const NAMES_MS = 5_000;
const OFFER_SECONDS = 60;
/** As P-7.9 takes of one frame. */
const NAMES = 16;

export interface Malice {
  readonly name: string;
  /** Any of which it is to be named by... */
  readonly named: readonly Misbehaviour[];
  /** ...once it was seen to offend, if it does so late. */
  readonly late?: boolean;
  options(context: Context): Pick<DeviceOptions, 'full' | 'spoil' | 'twist'>;
  /** Once it runs, beside what its agent does. */
  run?(device: VirtualDevice, context: Context): void;
}

export interface Context {
  readonly world: World;
  readonly sample: Sample;
  /** Sends what sessions have to say. */
  wake(): void;
  /** It withholds what it was asked for, from now on. */
  offends(): void;
  /** All others. */
  readonly peers: readonly { readonly device: string; readonly site: string; readonly seed: boolean }[];
}

const bytesOf = ({ index, chunk }: Sample, i: number): Uint8Array => (i === INDEX_CHUNK ? index.bytes : chunk(i));

/** Hears nothing of what comes over its sessions: it asks for nothing, and gives nothing. */
const deaf = ({ onClosed }: SessionEvents): SessionEvents => ({ ...QUIET, onClosed });

/** Answers requests in its own way, and gives nothing else. */
const answering =
  (answer: (session: Session, chunk: number, length: number) => void, wake: () => void): Twist =>
  (events, _peer, session) => ({
    ...events,
    onRequest: (chunk, _offset, length) => {
      answer(session(), chunk, length);
      wake();
    },
    onCancel() {},
  });

/** Sends `piece` bytes of the oldest request each `everyMs`. */
function trickling({ world, sample, wake }: Context, piece: number, everyMs: number): Twist {
  return (events, _peer, session) => {
    const owed = new Map<number, number>();
    let over = false;
    const send = (): void => {
      const [next] = owed;
      if (over) return;
      world.at(world.now + everyMs, send);
      if (next === undefined) return;
      const [chunk, sent] = next;
      const bytes = bytesOf(sample, chunk).subarray(sent, sent + piece);
      session().serve(chunk, sent, bytes);
      if (bytes.length < piece) owed.delete(chunk);
      else owed.set(chunk, sent + bytes.length);
      wake();
    };
    world.at(world.now + everyMs, send);
    return {
      ...events,
      onRequest: (chunk) => owed.set(chunk, 0),
      onCancel: (chunk) => owed.delete(chunk),
      onClosed: (reason, byPeer) => {
        over = true;
        events.onClosed(reason, byPeer);
      },
    };
  };
}

/** Serves as an honest device does until the peer has told of 99 of 100 chunks, and then nothing more. */
const stallingLate =
  ({ sample, offends }: Context): Twist =>
  (events) => {
    const there = new Bitfield(sample.rollout.chunks);
    return {
      ...events,
      onHave: (first: number, bits: Uint8Array) => {
        there.merge(first, bits);
        events.onHave(first, bits);
      },
      onRequest: (chunk: number, offset: number, length: number) => {
        if (there.count < 0.99 * there.length - 1) events.onRequest(chunk, offset, length);
        else offends();
      },
    } satisfies SessionEvents;
  };

/** Offers for ever, whatever is answered, says `have` all the time, and names devices that are not there. */
function flood(device: VirtualDevice, { world, peers, sample }: Context): void {
  let next = 0;
  // One key for all of them: who is malicious saves what it can.
  const { publicKey: key } = generateSessionKeyPair();
  const have: HaveMessage = {
    ...{ t: 'have', at: device.seconds, held: 0, room: 255 },
    digest: makeDigest(new Bitfield(sample.rollout.chunks)),
  };
  const step = (): void => {
    device.control.have(sample.index.artifact, 0, { ...have, at: device.seconds });
    for (let i = 0; i < (peers.length * STEP_MS) / FLOOD_OFFERS_MS; i++) {
      const to = peers[next++ % peers.length];
      if (to === undefined) continue;
      const at = device.seconds;
      const session = new Uint8Array(randomBytes(8));
      const { artifact } = sample.rollout;
      const offer = { t: 'offer' as const, at, expires: at + OFFER_SECONDS, artifact, session, key };
      device.control.signal(to, encodeMessage({ ...offer, candidates: [...device.endpoint.candidates] }));
    }
    world.at(world.now + STEP_MS, step);
  };
  step();
}

const naming =
  ({ world, wake }: Context): Twist =>
  (events, _peer, session) => {
    let over = false;
    let named = 0;
    const name = (): void => {
      if (over) return;
      const names = Array.from({ length: NAMES }, () => ({ site: 'north', device: `nobody-${named++}` }));
      session().peers(names);
      wake();
      world.at(world.now + NAMES_MS, name);
    };
    return {
      ...deaf(events),
      onOpen: name,
      onClosed: (reason, byPeer) => {
        over = true;
        events.onClosed(reason, byPeer);
      },
    };
  };

export const WRONG_BYTES: Malice = {
  name: 'wrong bytes',
  named: ['wrong-bytes'],
  options: () => ({
    full: true,
    spoil: (bytes) => {
      bytes[7] = (bytes[7] ?? 0) ^ 1;
    },
  }),
};

export const SILENT: Malice = {
  name: 'has all, never answers',
  named: ['stalled', 'slow'],
  options: ({ wake }) => ({ full: true, twist: answering(() => {}, wake) }),
};

export const REJECTING: Malice = {
  name: 'has all, rejects all',
  named: ['false-have'],
  options: ({ wake }) => ({
    full: true,
    twist: answering((session, chunk) => session.reject(chunk, REJECT.notHeld), wake),
  }),
};

export const STALLING: Malice = {
  name: 'stalls at 99 % of each chunk',
  named: ['stalled', 'slow'],
  options: ({ sample, wake }) => ({
    full: true,
    twist: answering((session, chunk, length) => {
      session.serve(chunk, 0, bytesOf(sample, chunk).subarray(0, Math.floor(length * 0.99)));
    }, wake),
  }),
};

export const STALLING_LATE: Malice = {
  name: 'stalls at 99 % of the artifact',
  named: ['stalled', 'slow'],
  late: true,
  options: (context) => ({ full: true, twist: stallingLate(context) }),
};

export const ONE_BYTE: Malice = {
  name: '1 byte/s',
  named: ['stalled', 'slow'],
  options: (context) => ({ full: true, twist: trickling(context, 1, 1_000) }),
};

export const TRICKLING: Malice = {
  name: '1,100 bytes each 4.5 s',
  named: ['stalled', 'slow'],
  options: (context) => ({ full: true, twist: trickling(context, 1_100, 4_500) }),
};

export const FLOODING: Malice = {
  name: 'endless offers, have and PEERS',
  named: ['flood'],
  options: (context) => ({ twist: naming(context) }),
  run: flood,
};

export const IDLE: Malice = {
  name: 'sessions that are never used',
  named: ['idle'],
  options: () => ({ twist: deaf }),
};

export const KINDS: readonly Malice[] = [
  ...[WRONG_BYTES, SILENT, REJECTING, STALLING, STALLING_LATE, ONE_BYTE, TRICKLING, FLOODING, IDLE],
];
