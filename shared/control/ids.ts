import { ChunkmeshError } from '../errors.js';

/** `__proto__` is a name that JSON and JavaScript objects do not give back. */
const ID = /^(?!__proto__$)[A-Za-z0-9_-]{1,64}$/;
const VERSION = /^[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,63}$/;
const HASH_HEX = /^[0-9a-f]{64}$/;
const MAX_PREFIX_SEGMENTS = 4;
/** 256 less the longest topic below it: `/signal/` and three ids. */
const MAX_PREFIX_BYTES = 54;

/** P-1.1 */
export function isId(value: string): boolean {
  return ID.test(value);
}

/** P-1.1. `what` names the id in the message, as `device id`. */
export function checkId(value: string, what: string): string {
  if (!isId(value))
    throw new ChunkmeshError('E_ID', `${what} ${JSON.stringify(value.slice(0, 80))} breaks the pattern`);
  return value;
}

/** P-1.2 */
export function isVersion(value: string): boolean {
  return VERSION.test(value);
}

/** P-1.3 */
export function isArtifactName(value: string): boolean {
  return HASH_HEX.test(value);
}

/** P-1.4 */
export function isPrefix(value: string): boolean {
  const segments = value.split('/');
  return value.length <= MAX_PREFIX_BYTES && segments.length <= MAX_PREFIX_SEGMENTS && segments.every(isId);
}

/** P-1.4 */
export function checkPrefix(value: string): string {
  if (!isPrefix(value)) {
    throw new ChunkmeshError(
      'E_TOPIC_PREFIX',
      `topic prefix ${JSON.stringify(value.slice(0, 120))} breaks the pattern`,
    );
  }
  return value;
}
