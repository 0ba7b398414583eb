import { resolve } from 'node:path';
import { checkReference, type KeyReference } from '../../shared/identity/keys/key_reference.js';
import { type PinSource, parsePkcs11Uri } from '../../shared/identity/keys/pkcs11_uri.js';

/** Where the keys are that a bundle does not hold itself (P-13.2, P-13.4), for a wipe (P-14.8). Pure. */

export interface KeyPlaces {
  /** Paths of files with a key, or with what opens one. */
  readonly files: readonly string[];
  /** In words: what whoever put it there alone can take away. */
  readonly elsewhere: readonly string[];
}

/**
 * @param text of a bundle, which may be spoilt: then it names nothing
 * @param folder what its paths are relative to
 */
export function keyPlaces(text: string, folder: string): KeyPlaces {
  const places = { files: new Set<string>(), elsewhere: new Set<string>() };
  for (const where of references(text)) {
    if ('file' in where) places.files.add(resolve(folder, where.file));
    else if ('credential' in where) places.elsewhere.add(`the systemd credential ${where.credential}`);
    else {
      places.elsewhere.add('the key in a PKCS#11 token');
      const pin = pinOf(where.pkcs11);
      if (pin !== undefined && 'file' in pin) places.files.add(pin.file);
    }
  }
  return { files: [...places.files], elsewhere: [...places.elsewhere] };
}

/** Those of `key` and `tls.key` that are references. A certificate is nobody's secret, and may be another's too. */
function references(text: string): KeyReference[] {
  const bundle = objectOf(parsed(text));
  const keys = [bundle.key, objectOf(bundle.tls).key];
  return keys.flatMap((key) => {
    if (typeof key !== 'object' || key === null) return [];
    return orNone(() => [checkReference(key as KeyReference)]) ?? [];
  });
}

const parsed = (text: string): unknown => orNone(() => JSON.parse(text));
const pinOf = (uri: string): PinSource | undefined => orNone(() => parsePkcs11Uri(uri).pinSource);

const objectOf = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

function orNone<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
