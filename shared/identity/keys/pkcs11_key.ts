import { inspect } from 'node:util';
import { verifySignature } from '../../crypto/signature.js';
import { ChunkmeshError } from '../../errors.js';
import type { IdentityKey } from './identity_key.js';
import type { Pin } from './pin.js';
import type { Pkcs11Library } from './pkcs11_library.js';
import {
  closePkcs11Session,
  nameOf,
  openPkcs11Session,
  type Pkcs11Session,
  signInSession,
  tokenError,
} from './pkcs11_session.js';
import type { Pkcs11Uri } from './pkcs11_uri.js';

/** Signed where a key is opened, and nowhere sent: a message of the protocol begins otherwise (P-3.2). */
const PROBE = Buffer.from('chunkmesh/1 key probe\0', 'latin1');

/**
 * A key that never leaves its token (P-13.3). It holds one session, from its opening to its close; one that died, with the token's
 * removal or without, is opened anew once for each signature.
 */
export class Pkcs11Key implements IdentityKey {
  readonly publicKey: Uint8Array;
  readonly #library: Pkcs11Library;
  readonly #uri: Pkcs11Uri;
  readonly #pin: Pin | null;
  #session: Pkcs11Session | null;
  /** A token counts wrong PINs and locks itself: one that was refused is not tried again. */
  #refused: ChunkmeshError | null = null;
  #closed = false;

  /** @throws E_KEY_TOKEN, E_KEY_PIN, E_KEY_REFERENCE. Nothing is left open then. */
  constructor(library: Pkcs11Library, uri: Pkcs11Uri, pin: Pin | null) {
    this.#library = library;
    this.#uri = uri;
    this.#pin = pin;
    library.enter();
    try {
      this.#session = this.#open();
      this.publicKey = this.#session.publicKey;
    } catch (error) {
      library.leave();
      throw error;
    }
  }

  sign(message: Uint8Array): Uint8Array {
    if (this.#closed) throw new ChunkmeshError('E_ARGUMENT', `the key of ${nameOf(this.#uri)} was closed`);
    if (this.#refused !== null) throw this.#refused;
    if (this.#session !== null) {
      try {
        return signInSession(this.#library.module, this.#session, message);
      } catch {
        // Whatever it was: a session that is opened anew either signs or says why not.
        this.#drop();
      }
    }
    const session = this.#reopen();
    this.#session = session;
    try {
      return signInSession(this.#library.module, session, message);
    } catch (cause) {
      this.#drop();
      throw tokenError(this.#uri, cause);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#drop();
    this.#library.leave();
  }

  toJSON(): string {
    return '[redacted]';
  }

  toString(): string {
    return '[redacted]';
  }

  [inspect.custom](): string {
    return 'Pkcs11Key [redacted]';
  }

  #drop(): void {
    if (this.#session !== null) closePkcs11Session(this.#library.module, this.#session.session);
    this.#session = null;
  }

  #reopen(): Pkcs11Session {
    try {
      const session = this.#open();
      if (Buffer.from(session.publicKey).equals(this.publicKey)) return session;
      closePkcs11Session(this.#library.module, session.session);
      throw new ChunkmeshError('E_KEY_REFERENCE', `${nameOf(this.#uri)} has another key now`);
    } catch (error) {
      if (error instanceof ChunkmeshError && error.code === 'E_KEY_PIN') this.#refused = error;
      throw error;
    }
  }

  #open(): Pkcs11Session {
    const { module } = this.#library;
    try {
      this.#library.initialize();
    } catch (cause) {
      throw tokenError(this.#uri, cause);
    }
    const session = openPkcs11Session(module, this.#uri, this.#pin);
    try {
      const signature = signInSession(module, session, PROBE);
      if (verifySignature(signature, PROBE, session.publicKey)) return session;
    } catch (cause) {
      closePkcs11Session(module, session.session);
      throw tokenError(this.#uri, cause);
    }
    closePkcs11Session(module, session.session);
    throw new ChunkmeshError('E_KEY_REFERENCE', `${nameOf(this.#uri)}: the key does not sign for its public part`);
  }
}
