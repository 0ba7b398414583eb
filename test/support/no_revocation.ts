import type { Revocation } from '../../agent/revocation/revocation.js';

/** That of a fleet that never revoked anybody, once its broker has said so. */
export const NO_REVOCATION = {
  version: 0,
  isAhead: () => false,
  isNamed: () => false,
  mayMeet: () => true,
  withholds: () => false,
  check: () => {},
} as unknown as Revocation;
