import { X509Certificate } from 'node:crypto';
import { Authority, MEMBER_DAYS, validFor } from '../../../broker/fleet/authority.js';
import { Bitfield } from '../../../shared/artifact/bitfield.js';
import { makeDigest } from '../../../shared/artifact/digest.js';
import { EpochCounter } from '../../../shared/control/counter.js';
import { type Signer, sealEnvelope } from '../../../shared/control/envelope.js';
import { encodeMessage, type Rollout } from '../../../shared/control/messages.js';
import { type Identity, topics } from '../../../shared/control/topics.js';
import { SigningKey } from '../../../shared/crypto/signature.js';
import { MAX_DIGEST_BITS } from '../../../shared/limits.js';
import { VERSION } from '../../../shared/version.js';
import { TrustMaker } from '../../support/trust_maker.js';

/**
 * How many bytes each kind of control message is as an MQTT packet: the real encoders' work, once for each kind, with the envelope, a
 * certificate of the fleet's CA and names as fleets have them. TLS and TCP are not counted.
 */

export interface PacketSizes {
  /** PUBLISH, by what it carries. */
  readonly trust: number;
  readonly have: number;
  readonly offer: number;
  readonly answer: number;
  readonly status: number;
  /** Of one filter of `have`, and what the broker says to it. */
  readonly subscribe: number;
  readonly suback: number;
  readonly unsubscribe: number;
  readonly unsuback: number;
  readonly puback: number;
}

const FLEET = 'plant';
const PREFIX = `chunkmesh/${FLEET}`;
const SITE = 'north-1';
const DEVICE = 'device-0012345';
const PEER = 'device-0098765';
/** 2030-01-01, seconds since the epoch. */
const AT = 1_893_456_000;
const SHARD = 1023;
/** MQTT 3.1.1 §3.4, §3.9, §3.11. */
const PUBACK_BYTES = 4;
const SUBACK_BYTES = 5;
const UNSUBACK_BYTES = 4;
const PACKET_ID_BYTES = 2;

/** §2.2.3 */
function lengthBytes(remaining: number): number {
  let bytes = 1;
  for (let rest = remaining; rest >= 128; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

const packet = (remaining: number): number => 1 + lengthBytes(remaining) + remaining;
const text = (value: string): number => 2 + Buffer.byteLength(value);

async function signer(fleet: Authority, identity: Identity): Promise<Signer> {
  const key = SigningKey.generate();
  const pem = await fleet.issueMember(identity, key.publicKey, validFor(AT * 1000, MEMBER_DAYS));
  const certificateDer = new Uint8Array(new X509Certificate(pem).raw);
  return { key, certificateDer, counter: new EpochCounter(AT, () => {}) };
}

/** @param rollout the one that is rolled out */
export async function packetSizes(rollout: Rollout): Promise<PacketSizes> {
  const root = SigningKey.generate();
  const fleet = await Authority.create(FLEET, root, validFor(AT * 1000, MEMBER_DAYS));
  const groups = ['cameras'];
  const device = await signer(fleet, { fleet: FLEET, id: DEVICE, role: 'device', site: SITE, groups });
  const publisher = await signer(fleet, { fleet: FLEET, id: 'publisher', role: 'publisher', site: SITE, groups: [] });
  const { artifact, name, version, size, chunks } = rollout;
  const publish = (topic: string, by: Signer, qos: 0 | 1, message: Parameters<typeof encodeMessage>[0]): number => {
    const payload = sealEnvelope(topic, encodeMessage(message), by);
    return packet(text(topic) + (qos === 0 ? 0 : PACKET_ID_BYTES) + payload.length);
  };
  const signal = topics.signal(PREFIX, SITE, PEER, DEVICE);
  const have = topics.have(PREFIX, Buffer.from(artifact).toString('hex'), SHARD, DEVICE);
  const agreement = {
    ...{ at: AT, expires: AT + 60, artifact, session: new Uint8Array(8), key: new Uint8Array(32) },
    // A device with an IPv4 and an IPv6 address.
    candidates: [
      ['192.168.117.123', 51_554] as [string, number],
      ['2001:db8:1234:5678:9abc:def0:1234:5678', 51_554] as [string, number],
    ],
  };
  const progress = {
    ...{
      name,
      version,
      artifact,
      state: 'fetching' as const,
      held: chunks >> 1,
      chunks,
      size,
      fromSeed: size >> 3,
      fromPeers: size >> 2,
    },
    ...{ fromDisk: 0, wasted: 65_536, seconds: 12.345, error: '' },
  };
  const filter = topics.have(PREFIX, Buffer.from(artifact).toString('hex'), SHARD, '+');
  const trust = { t: 'trust' as const, v: 2 as const, bundle: new TrustMaker(AT, FLEET).bundle('cameras', [rollout]) };
  return {
    trust: publish(topics.trust(PREFIX, 'cameras'), publisher, 1, trust),
    // As large as it gets.
    have: publish(have, device, 0, {
      t: 'have',
      at: AT,
      held: chunks >> 1,
      room: 255,
      digest: makeDigest(new Bitfield(MAX_DIGEST_BITS)),
    }),
    offer: publish(signal, device, 1, { t: 'offer', ...agreement }),
    answer: publish(signal, device, 1, { t: 'answer', offer: new Uint8Array(32), ...agreement }),
    status: publish(topics.status(PREFIX, DEVICE), device, 1, {
      t: 'status',
      at: AT,
      online: true,
      agent: VERSION,
      peers: 12,
      rollouts: [progress],
    }),
    subscribe: packet(PACKET_ID_BYTES + text(filter) + 1),
    suback: SUBACK_BYTES,
    unsubscribe: packet(PACKET_ID_BYTES + text(filter)),
    unsuback: UNSUBACK_BYTES,
    puback: PUBACK_BYTES,
  };
}
