import { deflateSync, inflateSync } from 'node:zlib';
import { decodeMap, encodeMap } from '../control/message_pack.js';
import { ChunkmeshError } from '../errors.js';

/**
 * A trust bundle (P-12.4): the files of a TUF metadata directory that one group needs, by name, as one zlib stream (RFC 1950) of a
 * MessagePack map. DEFLATE, since each of a chain of roots repeats nearly all of the one before.
 */

/** 50 roots, 256 bins and a thousand groups are 0.5 MB. */
export const MAX_BUNDLE_BYTES = 786_432;
/** As many rotations as a device follows at once, and the rest of a bundle. */
export const MAX_BUNDLE_FILES = 512;

const FILE_NAME = /^(?:[1-9][0-9]{0,9}\.)?[A-Za-z0-9_.-]{1,80}\.json$/;

export type Files = ReadonlyMap<string, Uint8Array>;

export function packBundle(files: Files): Uint8Array {
  return new Uint8Array(deflateSync(encodeMap(Object.fromEntries(files)), { level: 9 }));
}

/** @throws E_TRUST_MALFORMED. Nothing past MAX_BUNDLE_BYTES is ever made. */
export function unpackBundle(packed: Uint8Array): Files {
  let map: Record<string, unknown>;
  try {
    map = decodeMap(new Uint8Array(inflateSync(packed, { maxOutputLength: MAX_BUNDLE_BYTES })));
  } catch (cause) {
    throw new ChunkmeshError('E_TRUST_MALFORMED', 'the bundle does not unpack', { cause });
  }
  const files = Object.entries(map);
  if (files.length > MAX_BUNDLE_FILES)
    throw new ChunkmeshError('E_TRUST_MALFORMED', `${files.length} files in a bundle`);
  for (const [name, bytes] of files) {
    if (FILE_NAME.test(name) && bytes instanceof Uint8Array) continue;
    throw new ChunkmeshError('E_TRUST_MALFORMED', `a bundle with ${JSON.stringify(name.slice(0, 80))}`);
  }
  return new Map(files as [string, Uint8Array][]);
}
