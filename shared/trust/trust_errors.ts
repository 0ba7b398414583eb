import { LengthOrHashMismatchError, UnsignedMetadataError } from '@tufjs/models/dist/error.js';
import {
  ExpiredMetadataError,
  BadVersionError as StoreBadVersionError,
  RepositoryError as StoreRepositoryError,
} from 'tuf-js/dist/error.js';
import { ChunkmeshError, type ErrorCode } from '../errors.js';

/** What the library threw, as one of ours (P-12.5). */

const CODES: readonly (readonly [abstract new (...args: never[]) => Error, ErrorCode])[] = [
  [UnsignedMetadataError, 'E_TRUST_SIGNATURE'],
  [LengthOrHashMismatchError, 'E_TRUST_MISMATCH'],
  [ExpiredMetadataError, 'E_TRUST_EXPIRED'],
  [StoreBadVersionError, 'E_TRUST_ROLLBACK'],
  [StoreRepositoryError, 'E_TRUST_MISMATCH'],
];

/** @param what names the file */
export function trustError(error: unknown, what: string): ChunkmeshError {
  if (error instanceof ChunkmeshError) return error;
  const code = CODES.find(([kind]) => error instanceof kind)?.[1] ?? 'E_TRUST_MALFORMED';
  const why = error instanceof Error ? error.message : String(error);
  return new ChunkmeshError(code, `${what}: ${why.slice(0, 200)}`, { cause: error });
}
