import { ChunkmeshError } from '../../errors.js';
import type { Pin } from './pin.js';
import { type Attribute, type Pkcs11Module, returnValue } from './pkcs11_library.js';
import type { Pkcs11Uri } from './pkcs11_uri.js';

/** A session with a token, and one Ed25519 key that was found in it (PKCS#11 v3.0, §6.3.14 and §6.3.16 for Edwards curves). */

const CKF_SERIAL_SESSION = 4;
const CKU_USER = 1;
const CKO_PUBLIC_KEY = 2;
const CKO_PRIVATE_KEY = 3;
const CKK_EC_EDWARDS = 0x40;
const CKM_EDDSA = 0x1057;
const CKA_CLASS = 0;
const CKA_LABEL = 3;
const CKA_KEY_TYPE = 0x100;
const CKA_ID = 0x102;
const CKA_EXTRACTABLE = 0x162;
const CKA_EC_POINT = 0x181;
const CKR_USER_ALREADY_LOGGED_IN = 0x100;
/** Incorrect, invalid, of a wrong length, expired, locked; no PIN set. */
const PIN_REFUSALS: readonly number[] = [0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0x102];

const SIGNATURE_BYTES = 64;
/** One more than there may be. */
const ENOUGH = 2;
/** How a token may wrap the 32 bytes: not at all, in an OCTET STRING (v2.40), in a BIT STRING (v3.0). */
const POINT_HEADS = ['', '0420', '032100'];

export interface Pkcs11Session {
  readonly session: Buffer;
  readonly key: Buffer;
  /** 32 bytes, as the token has it. */
  readonly publicKey: Uint8Array;
}

/**
 * @throws E_KEY_TOKEN where the token is not there or fails, E_KEY_PIN where it refuses the PIN, E_KEY_REFERENCE where it has no such key.
 *   No session is left open then.
 */
export function openPkcs11Session(module: Pkcs11Module, uri: Pkcs11Uri, pin: Pin | null): Pkcs11Session {
  let session: Buffer | undefined;
  try {
    session = module.C_OpenSession(findSlot(module, uri), CKF_SERIAL_SESSION);
    if (pin !== null) login(module, session, pin, uri);
    const key = onlyObject(module, session, keyTemplate(CKO_PRIVATE_KEY, uri), uri);
    checkKept(module, session, key, uri);
    return { session, key, publicKey: readPublicKey(module, session, key, uri) };
  } catch (cause) {
    if (session !== undefined) closePkcs11Session(module, session);
    throw cause instanceof ChunkmeshError ? cause : tokenError(uri, cause);
  }
}

export function closePkcs11Session(module: Pkcs11Module, session: Buffer): void {
  try {
    module.C_CloseSession(session);
  } catch {
    // A session that died needs no end.
  }
}

/** 64 bytes. @throws what the module does */
export function signInSession(module: Pkcs11Module, { session, key }: Pkcs11Session, message: Uint8Array): Uint8Array {
  module.C_SignInit(session, { mechanism: CKM_EDDSA, parameter: null }, key);
  return new Uint8Array(module.C_Sign(session, Buffer.from(message), Buffer.alloc(SIGNATURE_BYTES)));
}

export function tokenError(uri: Pkcs11Uri, cause: unknown): ChunkmeshError {
  return new ChunkmeshError('E_KEY_TOKEN', `${nameOf(uri)} does not answer as it should`, { cause });
}

export const nameOf = ({ token, serial }: Pkcs11Uri): string => `token ${JSON.stringify(token ?? serial)}`;

function findSlot(module: Pkcs11Module, uri: Pkcs11Uri): Buffer {
  const found = module.C_GetSlotList(true).filter((slot) => {
    const { label, serialNumber } = module.C_GetTokenInfo(slot);
    // PKCS#11 pads with spaces.
    const is = (wanted: string | undefined, padded: string): boolean =>
      wanted === undefined || padded.trimEnd() === wanted;
    return is(uri.token, label) && is(uri.serial, serialNumber);
  });
  const [slot] = found;
  if (found.length > 1) throw new ChunkmeshError('E_KEY_REFERENCE', `more than one is ${nameOf(uri)}: name its serial`);
  if (slot === undefined) throw new ChunkmeshError('E_KEY_TOKEN', `${nameOf(uri)} is not there`);
  return slot;
}

function login(module: Pkcs11Module, session: Buffer, pin: Pin, uri: Pkcs11Uri): void {
  try {
    pin.use((text) => module.C_Login(session, CKU_USER, text));
  } catch (cause) {
    const code = returnValue(cause);
    if (code === CKR_USER_ALREADY_LOGGED_IN) return;
    if (code === undefined || !PIN_REFUSALS.includes(code)) throw cause;
    throw new ChunkmeshError('E_KEY_PIN', `${nameOf(uri)} refuses the PIN`, { cause });
  }
}

function keyTemplate(kind: number, { object, id }: Pick<Pkcs11Uri, 'object' | 'id'>): Attribute[] {
  return [
    { type: CKA_CLASS, value: kind },
    { type: CKA_KEY_TYPE, value: CKK_EC_EDWARDS },
    ...(object === undefined ? [] : [{ type: CKA_LABEL, value: object }]),
    ...(id === undefined ? [] : [{ type: CKA_ID, value: Buffer.from(id) }]),
  ];
}

function findObjects(module: Pkcs11Module, session: Buffer, template: readonly Attribute[]): Buffer[] {
  module.C_FindObjectsInit(session, template);
  try {
    return module.C_FindObjects(session, ENOUGH);
  } finally {
    module.C_FindObjectsFinal(session);
  }
}

function onlyObject(module: Pkcs11Module, session: Buffer, template: readonly Attribute[], uri: Pkcs11Uri): Buffer {
  const [key, another] = findObjects(module, session, template);
  if (key === undefined) {
    const why = uri.pinSource === undefined ? '; it may want a PIN (pin-source)' : '';
    throw new ChunkmeshError('E_KEY_REFERENCE', `${nameOf(uri)} has no such Ed25519 key${why}`);
  }
  if (another !== undefined) throw new ChunkmeshError('E_KEY_REFERENCE', `${nameOf(uri)} has more than one such key`);
  return key;
}

function attribute(module: Pkcs11Module, session: Buffer, object: Buffer, type: number): Buffer | undefined {
  try {
    return module.C_GetAttributeValue(session, object, [{ type }])[0]?.value;
  } catch {
    // Not every token has every attribute.
    return undefined;
  }
}

/** A key that can be taken out is a file in a costly place. */
function checkKept(module: Pkcs11Module, session: Buffer, key: Buffer, uri: Pkcs11Uri): void {
  if (attribute(module, session, key, CKA_EXTRACTABLE)?.[0] !== 1) return;
  throw new ChunkmeshError('E_KEY_REFERENCE', `${nameOf(uri)} lets that key be taken out (CKA_EXTRACTABLE)`);
}

/** Of the public key with the same id, or of the private one, where the token says it there. */
function readPublicKey(module: Pkcs11Module, session: Buffer, key: Buffer, uri: Pkcs11Uri): Uint8Array {
  const id = attribute(module, session, key, CKA_ID);
  const same = id === undefined || id.length === 0 ? uri : { id };
  const [publicObject] = findObjects(module, session, keyTemplate(CKO_PUBLIC_KEY, same));
  const point = attribute(module, session, publicObject ?? key, CKA_EC_POINT)?.toString('hex') ?? '';
  const head = POINT_HEADS.find((one) => point.startsWith(one) && point.length === one.length + 64);
  if (head === undefined)
    throw new ChunkmeshError('E_KEY_REFERENCE', `${nameOf(uri)} does not tell that key's public part`);
  return new Uint8Array(Buffer.from(point.slice(head.length), 'hex'));
}
