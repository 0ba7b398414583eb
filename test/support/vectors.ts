import { readFileSync } from 'node:fs';
import type { encodeMessage } from '../../shared/control/messages.js';

/** The golden messages and envelopes of test/vectors; each file says where its bytes come from. */

export type AnyMessage = Parameters<typeof encodeMessage>[0];

export interface MessageVector {
  readonly name: string;
  readonly message: AnyMessage;
  readonly bytes: Buffer;
}

export interface EnvelopeVector {
  readonly name: string;
  readonly topic: string;
  readonly signer: object;
  /** Hex, save the number. */
  readonly seed: string;
  readonly certificate: string;
  /** P-3.8 */
  readonly n: number;
  readonly payload: string;
  readonly signature: string;
  readonly bytes: Buffer;
}

const BYTE_FIELDS = [
  ...['artifact', 'session', 'key', 'offer', 'digest', 'bundle', 'expected', 'found'],
  ...['revoked', 'quarantined', 'wiped', 'csr', 'request', 'certificate'],
];

const read = (name: string) => JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8'));

function withBytes(value: unknown, field = ''): unknown {
  if (typeof value === 'string' && BYTE_FIELDS.includes(field)) return new Uint8Array(Buffer.from(value, 'hex'));
  if (Array.isArray(value)) return value.map((entry) => withBytes(entry));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, withBytes(entry, key)]));
}

export const messageVectors: readonly MessageVector[] = read('messages').vectors.map(
  ({ name, message, hex }: { name: string; message: object; hex: string }) => ({
    name,
    message: withBytes(message),
    bytes: Buffer.from(hex, 'hex'),
  }),
);

const envelopes = read('envelopes');
export const envelopeFleet: { prefix: string; fleet: string; now: number; ca: string } = envelopes;
export const envelopeVectors: readonly EnvelopeVector[] = envelopes.vectors.map(
  ({ name, message, hex }: { name: string; message: object; hex: string }) => ({
    name,
    ...message,
    bytes: Buffer.from(hex, 'hex'),
  }),
);
