import type { Identity, Role } from '../../shared/control/topics.js';

/** A client, and what it and others may try to publish or subscribe. */

export const PREFIX = 'chunkmesh/fleet1';
export const ARTIFACT = 'ab'.repeat(32);
export const OTHER_ARTIFACT = 'cd'.repeat(32);

export const who = (role: Role): Identity => ({
  fleet: 'fleet1',
  id: 'cam-1',
  role,
  site: 'north',
  groups: ['cameras', 'all'],
});

/** SHA-256 of `cam-1` begins with 4 bytes that leave these, by sha256sum and a calculator. */
export const OWN_SHARDS = [0, 2, 6, 38, 102, 2150, 6246];
export const OTHER_SHARD = 1;

/** Wrong for everybody, the auditor included: outside the prefix, lookalikes of it, and what MQTT does not allow. */
export const NOBODY: readonly string[] = [
  '',
  '/',
  '//',
  '+',
  '#',
  '+/#',
  '+/+/#',
  '+/+/trust/cameras',
  '$SYS/#',
  '$SYS',
  '$SYS/broker/uptime',
  '$CONTROL/dynamic-security/v1',
  `$share/g/${PREFIX}/trust/cameras`,
  `$share/g/${PREFIX}/#`,
  '$share/g/#',
  `$queue/${PREFIX}/#`,
  `$exclusive/${PREFIX}/status/cam-1`,
  `$delayed/1/${PREFIX}/status/cam-1`,
  'chunkmesh',
  'chunkmesh/#',
  'chunkmesh/+',
  'chunkmesh/+/#',
  'chunkmesh/+/trust/cameras',
  'chunkmesh/+/status/cam-1',
  '+/fleet1/status/cam-1',
  PREFIX,
  `${PREFIX}/`,
  `/${PREFIX}/#`,
  `/${PREFIX}/status/cam-1`,
  'chunkmesh/fleet2/#',
  'chunkmesh/fleet2/trust/cameras',
  'chunkmesh/fleet2/status/cam-1',
  'chunkmesh/fleetX/status/cam-1',
  'chunkmesh/fleet11/status/cam-1',
  'chunkmesh/fleet/status/cam-1',
  'Chunkmesh/fleet1/status/cam-1',
  'chunkmesh/fleet1status/cam-1',
  `${PREFIX}/#/status`,
  `${PREFIX}/trust/#/x`,
  `${PREFIX}/##`,
  `${PREFIX}/a#`,
  `${PREFIX}/#a`,
  `${PREFIX}/trust/a+`,
  `${PREFIX}/trust/+a`,
  `${PREFIX}/trust/a#`,
  `${PREFIX}/trust/++`,
  `${PREFIX}/status/cam-1+`,
  `${PREFIX}/status/cam-1#`,
  `${PREFIX}/+a/cam-1`,
  `${PREFIX}//status/cam-1`,
  `${PREFIX}/status//cam-1`,
  `${PREFIX}/status/cam-1//`,
  `${PREFIX}/status/cam-1/`,
  `${PREFIX}/status/`,
  `${PREFIX}/trust/`,
  `${PREFIX}/status/cam-1\0`,
  `${PREFIX}/status/\0`,
  `\0${PREFIX}/status/cam-1`,
  `${PREFIX}\0/status/cam-1`,
];
/** Below the prefix, so an auditor may hear it, but nobody's to say. */
export const UNKNOWN: readonly string[] = [
  'nothing',
  'status',
  'status/cam-1/x',
  'trust/cameras/x',
  'trust',
  'revoked/x',
  'have/x',
  'toString',
  '__proto__',
  'constructor/cam-1',
  '$SYS/cam-1',
].map((rest) => `${PREFIX}/${rest}`);
