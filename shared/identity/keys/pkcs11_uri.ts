import { isAbsolute } from 'node:path';
import { ChunkmeshError } from '../../errors.js';

/**
 * The part of RFC 7512 that names one private key (P-13.3). Pure.
 *
 *     pkcs11:token=mesh;object=cam-1;id=%01?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/chunkmesh/pin
 *
 * `token` or `serial`, and `object` or `id`, must be there, and `module-path`.
 */
export interface Pkcs11Uri {
  readonly token?: string;
  readonly serial?: string;
  /** CKA_LABEL */
  readonly object?: string;
  /** CKA_ID */
  readonly id?: Uint8Array;
  /** Absolute. */
  readonly modulePath: string;
  /** Where no PIN is named, nobody logs in. */
  readonly pinSource?: PinSource;
}

export type PinSource = { readonly file: string } | { readonly environment: string } | { readonly credential: string };

const PATH_ATTRIBUTES = ['token', 'serial', 'object', 'id', 'type'];
const QUERY_ATTRIBUTES = ['module-path', 'pin-source'];
const PIN_SOURCES: readonly (readonly [RegExp, (value: string) => PinSource])[] = [
  [/^file:(?:\/\/)?(\/.+)$/s, (file) => ({ file })],
  [/^(\/.+)$/s, (file) => ({ file })],
  [/^env:([A-Za-z_][A-Za-z0-9_]{0,127})$/, (environment) => ({ environment })],
  [/^credential:(.+)$/, (credential) => ({ credential })],
];

/** Never the URI itself: who wrote a PIN into it does not want to read it in a log. */
function refuse(why: string): never {
  throw new ChunkmeshError('E_KEY_REFERENCE', `pkcs11: ${why} (P-13.3)`);
}

/** @throws E_KEY_REFERENCE for what is no such URI, for an attribute that is not known, and for a PIN in the URI itself */
export function parsePkcs11Uri(uri: string): Pkcs11Uri {
  if (!uri.startsWith('pkcs11:')) refuse('the reference does not begin with pkcs11:');
  const [path = '', query = '', more] = uri.slice('pkcs11:'.length).split('?');
  if (more !== undefined) refuse('more than one ?');
  const named = attributes(path, ';', PATH_ATTRIBUTES);
  const asked = attributes(query, '&', QUERY_ATTRIBUTES);
  const [token, serial, object] = ['token', 'serial', 'object'].map((name) => textOf(named, name));
  const id = named.get('id');
  if (textOf(named, 'type') !== undefined && textOf(named, 'type') !== 'private') refuse('type is not private');
  if (token === undefined && serial === undefined) refuse('neither token nor serial is named');
  if (object === undefined && id === undefined) refuse('neither object nor id is named');
  const modulePath = textOf(asked, 'module-path');
  if (modulePath === undefined || !isAbsolute(modulePath)) refuse('module-path is not an absolute path');
  const source = textOf(asked, 'pin-source');
  return {
    ...(token !== undefined && { token }),
    ...(serial !== undefined && { serial }),
    ...(object !== undefined && { object }),
    ...(id !== undefined && { id: new Uint8Array(id) }),
    modulePath,
    ...(source !== undefined && { pinSource: pinSource(source) }),
  };
}

function pinSource(value: string): PinSource {
  for (const [pattern, make] of PIN_SOURCES) {
    const found = pattern.exec(value)?.[1];
    if (found !== undefined) return make(found);
  }
  return refuse('pin-source is not file:/<path>, env:<name> or credential:<name>');
}

/** RFC 7512 §2.3: each at most once, percent-encoded. */
function attributes(text: string, separator: string, known: readonly string[]): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (const part of text.split(separator)) {
    if (part === '' && text === '') continue;
    const at = part.indexOf('=');
    const name = part.slice(0, Math.max(at, 0));
    if (name === 'pin-value') refuse('a PIN belongs into no reference: name its place by pin-source');
    if (!known.includes(name)) refuse(`an attribute is not one of ${known.join(', ')}`);
    if (found.has(name)) refuse(`${name} is named twice`);
    const value = decoded(part.slice(at + 1), name);
    if (value.length === 0) refuse(`${name} is empty`);
    found.set(name, value);
  }
  return found;
}

function decoded(value: string, name: string): Buffer {
  if (!/^(?:%[0-9A-Fa-f]{2}|[A-Za-z0-9\-._~:[\]@!$'()*+,=&/?])*$/.test(value)) refuse(`${name} is not percent-encoded`);
  const latin1 = value.replace(/%([0-9A-Fa-f]{2})/g, (_, octet: string) =>
    String.fromCharCode(Number.parseInt(octet, 16)),
  );
  return Buffer.from(latin1, 'latin1');
}

function textOf(found: ReadonlyMap<string, Buffer>, name: string): string | undefined {
  return found.get(name)?.toString('utf8');
}
