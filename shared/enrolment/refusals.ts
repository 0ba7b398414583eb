import type { ErrorCode } from '../errors.js';

/** P-13.10, P-13.12: what an answer of the registrar says that no later one takes back. */
export const FINAL_REFUSALS: readonly ErrorCode[] = [
  'E_REQUEST_INVALID',
  'E_TOKEN_UNKNOWN',
  'E_TOKEN_USED',
  'E_TOKEN_EXPIRED',
  'E_TOKEN_DEVICE',
  'E_DEVICE_EXISTS',
  'E_RENEWAL_REFUSED',
];
