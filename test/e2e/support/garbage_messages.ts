import { createHash } from 'node:crypto';
import { sealEnvelope } from '../../../shared/control/envelope.js';
import { encodeMap } from '../../../shared/control/message_pack.js';
import type { Credential } from '../../../shared/identity/bundle.js';
import { seededBytes } from '../../support/artifact_bytes.js';

/** What a hostile member may put on a topic: noise, and messages that are right in all but one thing. */

const seconds = (): number => Math.floor(Date.now() / 1000);
const ZERO_KEY = new Uint8Array(32);
/** A point of order 8 on Curve25519 (RFC 7748 §7 warns of these). */
const SMALL_ORDER = new Uint8Array(
  Buffer.from('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800', 'hex'),
);
const DEEP = Buffer.concat([Buffer.alloc(5000, 0x91), Buffer.of(0xc0)]);

/** MessagePack that claims what it does not have, or is of kinds that P-3.3 refuses. */
const MALFORMED: readonly Buffer[] = [
  Buffer.alloc(0),
  Buffer.of(0xc1),
  Buffer.of(0xc0),
  Buffer.of(0x80),
  Buffer.of(0xdf, 0xff, 0xff, 0xff, 0xff),
  Buffer.of(0xdd, 0xff, 0xff, 0xff, 0xff),
  Buffer.of(0xc6, 0xff, 0xff, 0xff, 0xff, 0),
  Buffer.of(0xd6, 0xff, 0, 0, 0, 0),
  Buffer.of(0xc9, 0xff, 0xff, 0xff, 0xff, 0x72),
  Buffer.of(0x81, 0xa9, ...Buffer.from('__proto__'), 0x81, 0xa1, 0x78, 1),
  DEEP,
];

/** An offer that is good until `change` makes it otherwise. */
function offer(artifact: string, change: Readonly<Record<string, unknown>>): Uint8Array {
  const at = seconds();
  const key = seededBytes('garbage key', 32);
  const named = { artifact: new Uint8Array(Buffer.from(artifact, 'hex')), session: seededBytes('session', 8), key };
  return encodeMap({ t: 'offer', at, expires: at + 30, ...named, candidates: [['127.0.0.1', 9]], ...change });
}

/** Payloads of every type and of none, for a hostile hand to sign. */
function payloads(artifact: string): Uint8Array[] {
  const at = seconds();
  const digest = new Uint8Array(64).fill(0xff);
  const have = { t: 'have', at, held: 1, room: 255, digest };
  const bad: Readonly<Record<string, unknown>>[] = [
    { key: ZERO_KEY },
    { key: SMALL_ORDER },
    { key: new Uint8Array(31) },
    { session: new Uint8Array(8) },
    { candidates: [] },
    {
      candidates: [
        ['0.0.0.0', 1],
        ['255.255.255.255', 65_535],
        ['224.0.0.1', 53],
        ['::1', 53],
        ['name.example', 53],
      ],
    },
    { candidates: Array.from({ length: 9 }, () => ['127.0.0.1', 9]) },
    { candidates: [['127.0.0.1', 0]] },
    { artifact: new Uint8Array(32) },
    { expires: at + 61 },
    { expires: at - 1 },
    { at: at + 4000, expires: at + 4010 },
    { t: 'answer', offer: new Uint8Array(32) },
    { t: 'offer', extra: 'ignored (P-1.5)' },
  ];
  return [
    ...bad.map((change) => offer(artifact, change)),
    ...[
      {},
      { held: 2 ** 31 },
      { digest: new Uint8Array(65) },
      { digest: Uint8Array.of(1) },
      { held: -1 },
      { at: 'now' },
    ].map((change) => encodeMap({ ...have, ...change })),
    encodeMap({ t: 'trust', v: 1 }),
    encodeMap({ t: 'trust', v: 2 ** 40 }),
    encodeMap({ t: 'status', at, online: 'yes' }),
    encodeMap({ t: 'command', run: 'anything' }),
    encodeMap({ t: 'constructor' }),
  ];
}

/** Everything for one topic, in the sender's own name. @param seed of the noise */
export function garbageFor(topic: string, sender: Credential, artifact: string, seed: string): Uint8Array[] {
  const noise = [1, 2, 20, 64, 700, 5000, 100_000].map((size) => seededBytes(`${seed} ${topic} ${size}`, size));
  const sealed = sealEnvelope(topic, offer(artifact, {}), sender);
  const almost = [
    sealed.subarray(0, -1),
    sealed.subarray(0, sealed.length >> 1),
    Buffer.concat([sealed, Buffer.of(0)]),
  ];
  const turned = Array.from({ length: 24 }, (_, i) => {
    const copy = Uint8Array.from(sealed);
    const at = createHash('sha256').update(`${seed}${i}`).digest().readUInt16BE(0) % copy.length;
    copy[at] = (copy[at] ?? 0) ^ 0x10;
    return copy;
  });
  const signed = [...payloads(artifact), ...MALFORMED, ...noise.slice(0, 5)];
  return [
    ...noise,
    ...MALFORMED,
    ...almost,
    ...turned,
    sealEnvelope(`${topic}x`, offer(artifact, {}), sender),
    ...signed.map((payload) => sealEnvelope(topic, payload, sender)),
  ];
}
