import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import nacl from 'tweetnacl';
import { ChunkmeshError } from '../errors.js';
import { MAX_DATAGRAM_BYTES } from '../limits.js';
import { type CryptoProvider, defaultProvider } from './provider.js';

/**
 * The one door to sealed datagrams. No key leaves it: keys have no accessor and print as redacted, and nonces are built
 * here from the header that travels with them.
 *
 *     +-----------------+----------------+---------------------+
 *     | header (15)     | tag (16)       | frames, sealed      |
 *     +-----------------+----------------+---------------------+
 *     |<---- nonce ---->|<------------- box ------------------>|
 */

/** Bytes of the clear header, P-6. */
export const SEAL_HEADER_BYTES = 15;
/** Bytes of the Poly1305 tag, P-6.2. */
export const SEAL_TAG_BYTES = 16;
/** Where plaintext starts in a datagram that is about to be sealed in place. */
export const SEAL_OVERHEAD_BYTES = SEAL_HEADER_BYTES + SEAL_TAG_BYTES;

const KEY_BYTES = 32;
const NONCE_BYTES = 24;
const REDACTED = '[redacted]';

/** P-6.3: who seals. 0 the side that offered, 1 the side that answered. */
export type Direction = 0 | 1;

/** One side of a session, as its offer or answer was signed. */
export interface SessionParty {
  /** P-1.1 */
  readonly device: string;
  /** 8 bytes: the id under which it receives. */
  readonly session: Uint8Array;
}

/** What a session's key is bound to (P-5.5): who repeats another's public key as its own agrees with nobody. */
export interface SessionContext {
  /** 32 bytes. */
  readonly artifact: Uint8Array;
  readonly offerer: SessionParty;
  readonly answerer: SessionParty;
}

const KEY_DOMAIN = Buffer.from('chunkmesh/1 session\0', 'latin1');

/** P-5.5 */
function sessionKeyBytes(agreed: Uint8Array, { artifact, offerer, answerer }: SessionContext): Uint8Array {
  const hash = createHash('sha256').update(KEY_DOMAIN).update(agreed).update(artifact);
  hash.update(offerer.session).update(answerer.session);
  for (const { device } of [offerer, answerer]) hash.update(Uint8Array.of(device.length)).update(device, 'latin1');
  return new Uint8Array(hash.digest());
}

/** The secret half of a fresh X25519 key pair (P-5.1). Opaque. */
export class SessionSecret {
  readonly #bytes: Uint8Array;

  /** @param bytes 32 bytes, copied. @throws ChunkmeshError E_ARGUMENT for any other length. */
  constructor(bytes: Uint8Array) {
    if (bytes.length !== KEY_BYTES) throw new ChunkmeshError('E_ARGUMENT', 'session secret is not 32 bytes');
    this.#bytes = Uint8Array.from(bytes);
  }

  /** The session's key, or null where the X25519 result is all zero (P-5.5). */
  agree(theirPublic: Uint8Array, context: SessionContext, provider: CryptoProvider): SessionKey | null {
    if (isZero(nacl.scalarMult(this.#bytes, theirPublic))) return null;
    return new SessionKey(sessionKeyBytes(nacl.box.before(theirPublic, this.#bytes), context), provider);
  }

  toJSON(): string {
    return REDACTED;
  }

  toString(): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return `SessionSecret ${REDACTED}`;
  }
}

/** The key of one session. Opaque: it seals and opens, and nothing else. */
export class SessionKey {
  readonly #bytes: Uint8Array;
  readonly #provider: CryptoProvider;
  readonly #nonce = new Uint8Array(NONCE_BYTES);

  /** @param bytes 32 bytes, copied. Made by `agreeSessionKey`; by hand in tests of vectors only. */
  constructor(bytes: Uint8Array, provider: CryptoProvider) {
    if (bytes.length !== KEY_BYTES) throw new ChunkmeshError('E_ARGUMENT', 'session key is not 32 bytes');
    this.#bytes = Uint8Array.from(bytes);
    this.#provider = provider;
  }

  /**
   * Seals in place: `datagram` holds the header at 0 and `plaintextBytes` of frames at SEAL_OVERHEAD_BYTES.
   * The caller must never seal two datagrams with one header (P-6.4): the nonce is made from it.
   * @returns the length of the sealed datagram.
   */
  seal(direction: Direction, datagram: Uint8Array, plaintextBytes: number): number {
    const total = SEAL_OVERHEAD_BYTES + plaintextBytes;
    if (plaintextBytes < 0 || total > datagram.length) {
      throw new ChunkmeshError('E_ARGUMENT', `plaintext of ${plaintextBytes} bytes does not fit its datagram`);
    }
    this.#setNonce(direction, datagram);
    const sealed = sealViews.of(datagram, SEAL_HEADER_BYTES, plaintextBytes + SEAL_TAG_BYTES);
    const plaintext = frameViews.of(datagram, SEAL_OVERHEAD_BYTES, plaintextBytes);
    this.#provider.seal(sealed, plaintext, this.#nonce, this.#bytes);
    return total;
  }

  /**
   * Opens `datagram` into `into`, from its start. Never throws.
   * @param direction the direction of who sealed it.
   * @returns the length of the plaintext, or -1 where it is short, does not fit, or does not open.
   */
  open(direction: Direction, datagram: Uint8Array, into: Uint8Array): number {
    const plaintextBytes = datagram.length - SEAL_OVERHEAD_BYTES;
    if (plaintextBytes < 0 || plaintextBytes > into.length || datagram.length > arrived.length) return -1;
    this.#setNonce(direction, datagram);
    const sealedBytes = plaintextBytes + SEAL_TAG_BYTES;
    arrived.set(datagram);
    const sealed = sealViews.of(arrived, SEAL_HEADER_BYTES, sealedBytes);
    const plaintext = openViews.of(into, 0, plaintextBytes);
    return this.#provider.open(plaintext, sealed, this.#nonce, this.#bytes) ? plaintextBytes : -1;
  }

  toJSON(): string {
    return REDACTED;
  }

  toString(): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return `SessionKey ${REDACTED}`;
  }

  /** P-6.3. The last 8 bytes stay zero. */
  #setNonce(direction: Direction, datagram: Uint8Array): void {
    const nonce = this.#nonce;
    for (let i = 0; i < SEAL_HEADER_BYTES; i++) nonce[i] = datagram[i] ?? 0;
    nonce[SEAL_HEADER_BYTES] = direction;
  }
}

/** A fresh key pair for one session (P-5.1). Never use one twice. */
export function generateSessionKeyPair(): { secret: SessionSecret; publicKey: Uint8Array } {
  const pair = nacl.box.keyPair();
  const secret = new SessionSecret(pair.secretKey);
  pair.secretKey.fill(0);
  return { secret, publicKey: pair.publicKey };
}

/**
 * P-5.5. Null where `theirPublic` is not 32 bytes or gives an all-zero X25519 result, as a point of small order does: then
 * anyone knows the key.
 */
export function agreeSessionKey(
  secret: SessionSecret,
  theirPublic: Uint8Array,
  context: SessionContext,
  provider: CryptoProvider = defaultProvider(),
): SessionKey | null {
  if (theirPublic.length !== KEY_BYTES) return null;
  return secret.agree(theirPublic, context, provider);
}

/**
 * The last view made over each buffer. Views are what a datagram would otherwise cost in allocations: a sender seals into
 * a ring of buffers, mostly to one length, so the last view of a buffer is nearly always its next.
 */
class LastViews {
  readonly #views = new WeakMap<Uint8Array, Uint8Array>();

  of(whole: Uint8Array, offset: number, length: number): Uint8Array {
    const last = this.#views.get(whole);
    if (last !== undefined && last.length === length) return last;
    const view = new Uint8Array(whole.buffer, whole.byteOffset + offset, length);
    this.#views.set(whole, view);
    return view;
  }
}

const sealViews = new LastViews();
const frameViews = new LastViews();
const openViews = new LastViews();

/** Where a datagram is copied to be opened: one buffer has one view, and copying costs less than another for each that comes. */
const arrived = new Uint8Array(MAX_DATAGRAM_BYTES);

/** Without an early exit, so that the time taken tells nothing. */
function isZero(bytes: Uint8Array): boolean {
  let any = 0;
  for (const byte of bytes) any |= byte;
  return any === 0;
}
