import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { Attribute, Pkcs11Module } from '../../shared/identity/keys/pkcs11_library.js';

/** A PKCS#11 module in memory: tokens with Ed25519 keys, sessions that can die, and counts of what is open. */

export const CKR = {
  GENERAL_ERROR: 5,
  DEVICE_REMOVED: 0x32,
  PIN_INCORRECT: 0xa0,
  PIN_LOCKED: 0xa4,
  SESSION_HANDLE_INVALID: 0xb3,
  USER_ALREADY_LOGGED_IN: 0x100,
  USER_NOT_LOGGED_IN: 0x101,
  CRYPTOKI_NOT_INITIALIZED: 0x190,
  CRYPTOKI_ALREADY_INITIALIZED: 0x191,
} as const;

const PRIVATE = 3;
const CKA = { CLASS: 0, LABEL: 3, KEY_TYPE: 0x100, ID: 0x102, EXTRACTABLE: 0x162, EC_POINT: 0x181 };

export interface FakeKey {
  readonly label: string;
  readonly id: string;
  readonly key: KeyObject;
  /** Hex before the 32 bytes of CKA_EC_POINT. Default an OCTET STRING. */
  readonly head?: string;
  readonly extractable?: boolean;
  /** No public key beside it. */
  readonly alone?: boolean;
  /** Another key's public part. */
  readonly wrongPublic?: boolean;
}

export const fakeKey = (label: string, id: string, over: Partial<FakeKey> = {}): FakeKey => {
  return { label, id, key: generateKeyPairSync('ed25519').privateKey, ...over };
};

export const rawPublic = (key: KeyObject): Buffer =>
  Buffer.from(
    createPublicKey(createPrivateKey(key.export({ type: 'pkcs8', format: 'pem' }))).export({ format: 'jwk' }).x ?? '',
    'base64url',
  );

class Refusal extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`CKR 0x${code.toString(16)}`);
    this.code = code;
  }
}

export class FakeToken implements Pkcs11Module {
  label = 'mesh';
  serial = '0001';
  pin = '1234';
  present = true;
  initialized = false;
  /** How often a PIN was tried. */
  logins = 0;
  /** Thrown by the next calls of C_Sign, one each. */
  readonly signFailures: number[] = [];
  readonly sessions = new Set<string>();
  keys: FakeKey[] = [];
  #made = 0;
  #loggedIn = false;
  #found: Buffer[] = [];

  load(): void {}

  C_Initialize(): void {
    if (this.initialized) throw new Refusal(CKR.CRYPTOKI_ALREADY_INITIALIZED);
    this.initialized = true;
  }

  C_Finalize(): void {
    this.#check();
    this.initialized = false;
    this.killSessions();
  }

  C_GetSlotList(): Buffer[] {
    this.#check();
    return this.present ? [Buffer.from([1])] : [];
  }

  C_GetTokenInfo(): { label: string; serialNumber: string } {
    return { label: this.label.padEnd(32), serialNumber: this.serial.padEnd(16) };
  }

  C_OpenSession(): Buffer {
    this.#check();
    if (!this.present) throw new Refusal(CKR.DEVICE_REMOVED);
    const session = Buffer.from([++this.#made & 0xff, this.#made >> 8]);
    this.sessions.add(session.toString('hex'));
    return session;
  }

  C_CloseSession(session: Buffer): void {
    this.#check(session);
    this.sessions.delete(session.toString('hex'));
    if (this.sessions.size === 0) this.#loggedIn = false;
  }

  C_Login(session: Buffer, _user: number, pin: string): void {
    this.#check(session);
    if (this.#loggedIn) throw new Refusal(CKR.USER_ALREADY_LOGGED_IN);
    this.logins++;
    if (pin !== this.pin) throw new Refusal(CKR.PIN_INCORRECT);
    this.#loggedIn = true;
  }

  C_FindObjectsInit(session: Buffer, template: readonly Attribute[]): void {
    this.#check(session);
    const of = (type: number): Attribute['value'] | undefined => template.find((one) => one.type === type)?.value;
    const [kind, label, id] = [of(CKA.CLASS), of(CKA.LABEL), of(CKA.ID)];
    this.#found = this.keys.flatMap((key, at) => {
      const seen = kind === PRIVATE ? this.#loggedIn : key.alone !== true;
      const named = (label === undefined || label === key.label) && (id === undefined || String(id) === key.id);
      return seen && named ? [Buffer.from([Number(kind), at])] : [];
    });
  }

  C_FindObjects(session: Buffer, most: number): Buffer[] {
    this.#check(session);
    return this.#found.slice(0, most);
  }

  C_FindObjectsFinal(session: Buffer): void {
    this.#check(session);
  }

  C_GetAttributeValue(session: Buffer, object: Buffer, [wanted]: readonly { type: number }[]): { value: Buffer }[] {
    this.#check(session);
    const key = this.#keyAt(object);
    const point = key.wrongPublic ? rawPublic(generateKeyPairSync('ed25519').privateKey) : rawPublic(key.key);
    if (wanted?.type === CKA.ID) return [{ value: Buffer.from(key.id) }];
    if (wanted?.type === CKA.EXTRACTABLE) return [{ value: Buffer.from([key.extractable ? 1 : 0]) }];
    if (wanted?.type === CKA.EC_POINT && object[0] !== PRIVATE) {
      return [{ value: Buffer.concat([Buffer.from(key.head ?? '0420', 'hex'), point]) }];
    }
    throw new Refusal(CKR.GENERAL_ERROR);
  }

  #signing: FakeKey | undefined;

  C_SignInit(session: Buffer, _mechanism: object, key: Buffer): void {
    this.#check(session);
    if (!this.#loggedIn) throw new Refusal(CKR.USER_NOT_LOGGED_IN);
    this.#signing = this.#keyAt(key);
  }

  C_Sign(session: Buffer, message: Buffer): Buffer {
    this.#check(session);
    const failure = this.signFailures.shift();
    if (failure !== undefined) throw new Refusal(failure);
    return sign(null, message, this.#signing?.key ?? '');
  }

  /** As a token does that is pulled out, or a daemon that is restarted. */
  killSessions(): void {
    this.sessions.clear();
    this.#loggedIn = false;
  }

  #keyAt(object: Buffer): FakeKey {
    const key = this.keys[object[1] ?? 0];
    if (key === undefined) throw new Refusal(CKR.GENERAL_ERROR);
    return key;
  }

  #check(session?: Buffer): void {
    if (!this.initialized) throw new Refusal(CKR.CRYPTOKI_NOT_INITIALIZED);
    if (session === undefined) return;
    if (!this.present) throw new Refusal(CKR.DEVICE_REMOVED);
    if (!this.sessions.has(session.toString('hex'))) throw new Refusal(CKR.SESSION_HANDLE_INVALID);
  }
}
