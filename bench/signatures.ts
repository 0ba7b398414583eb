import { randomBytes } from 'node:crypto';
import { SigningKey, verifySignature } from '../shared/crypto/signature.js';
import {
  loadSodiumSignatures,
  nobleSignatures,
  nodeSignatures,
  type SignatureProvider,
} from '../shared/crypto/signature_provider.js';
import type { Contender, Figure } from './rounds.js';
import type { Subject } from './subject.js';

/** What a signature costs by each provider (P-13.1). An envelope has one, its certificate another, checked once while it is remembered. */

/** About what a `have` or an offer has. */
const MESSAGE_BYTES = 300;
/** A swarm's worth of signers. */
const SIGNERS = 32;
/** Until the compiler has seen what it wants to. */
const WARM_UP_MS = 100;
/** Enough of any for a figure. */
const MEASURE_MS = 400;
const BATCH = 8;
const MICROSECONDS = 1000;

interface Signed {
  readonly key: SigningKey;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

function makeSigned(): Signed[] {
  return Array.from({ length: SIGNERS }, () => {
    const key = SigningKey.generate();
    const message = new Uint8Array(randomBytes(MESSAGE_BYTES));
    return { key, message, signature: key.sign(message) };
  });
}

/** Of one call, in microseconds. */
function costOf(signed: readonly Signed[], act: (one: Signed) => void): number {
  let calls = 0;
  const during = (milliseconds: number): number => {
    const begun = performance.now();
    let now = begun;
    for (calls = 0; now - begun < milliseconds; now = performance.now()) {
      for (let i = 0; i < BATCH; i++) {
        const one = signed[calls++ % signed.length];
        if (one !== undefined) act(one);
      }
    }
    return now - begun;
  };
  during(WARM_UP_MS);
  return (during(MEASURE_MS) / calls) * MICROSECONDS;
}

function measure(by: SignatureProvider, signed: readonly Signed[]): Figure[] {
  const verify = costOf(signed, ({ signature, message, key }) => {
    if (!verifySignature(signature, message, key.publicKey, by)) throw new Error(`${by.name} refuses a good signature`);
  });
  const sign = costOf(signed, ({ message, key }) => void key.sign(message, by));
  return [
    { metric: 'verify', unit: 'us', value: verify },
    { metric: 'sign', unit: 'us', value: sign },
  ];
}

export async function signatures(): Promise<Subject> {
  const signed = makeSigned();
  const contender = (subject: string, by: SignatureProvider | null): Contender => ({
    subject,
    absent: by === null ? 'npm install on a platform that it has a binary for' : undefined,
    run: async () => (by === null ? [] : measure(by, signed)),
  });
  return {
    name: 'signatures',
    contenders: [
      contender('sodium-native', loadSodiumSignatures()),
      contender('node', nodeSignatures),
      contender('noble', nobleSignatures),
    ],
    // What the provider that is always there is for: noble would take a core for 400 messages a second.
    rules: [
      { subject: 'node', metric: 'verify', is: 'at most', limit: 0.25, of: { subject: 'noble', metric: 'verify' } },
    ],
    notes: [`Ed25519 of ${MESSAGE_BYTES} bytes, ${SIGNERS} signers in turn, by one thread`],
  };
}
