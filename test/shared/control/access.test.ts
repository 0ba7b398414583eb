import { describe, expect, it } from 'vitest';
import {
  type Action,
  allowedFilters,
  mayPublish,
  maySubscribe,
  ROLES,
  type Role,
} from '../../../shared/control/topics.js';
import { ARTIFACT, OTHER_ARTIFACT, OTHER_SHARD, OWN_SHARDS, PREFIX, UNKNOWN, who } from '../../support/topics_tried.js';

const TRUSTS = [
  'trust/cameras',
  'trust/all',
  'trust/robots',
  'trust/cam-1',
  'trust/camera',
  'trust/cameras2',
  'trust/{group}',
  'trust/__proto__',
];
const STATUSES = ['status/cam-1', 'status/cam-2', 'status/cam-11', 'status/cam', 'status/CAM-1', 'status/{self}'];
const ENROLS = ['enroll/cam-1', 'enroll/cam-2', 'enroll/cam-11', 'enroll/{self}'];
const ENROLLEDS = ['enrolled/cam-1', 'enrolled/cam-2', 'enrolled/cam-11', 'enrolled/{self}'];
const COMMANDS = ['command/cam-1', 'command/cam-2', 'command/cam-11'];

/** P-2.2 for `cam-1`, by hand, not from the table under test. `S` is one of its own shards. */
const GRANTS: Record<Role, Record<Action, readonly string[]>> = {
  device: {
    publish: [
      `have/${ARTIFACT}/S/cam-1`,
      `have/${ARTIFACT}/X/cam-1`,
      `have/${OTHER_ARTIFACT}/S/cam-1`,
      'signal/north/cam-2/cam-1',
      'signal/south/cam-2/cam-1',
      'signal/north/cam-1/cam-1',
      'status/cam-1',
      'enroll/cam-1',
    ],
    subscribe: [
      'trust/cameras',
      'trust/all',
      `have/${ARTIFACT}/S/cam-1`,
      `have/${ARTIFACT}/S/cam-2`,
      `have/${ARTIFACT}/S/+`,
      'have/+/S/+',
      `have/${OTHER_ARTIFACT}/S/cam-1`,
      'have/+/S/cam-2',
      'signal/north/cam-1/cam-2',
      'signal/north/cam-1/+',
      'signal/north/cam-1/cam-1',
      'command/cam-1',
      'revoked',
      'enrolled/cam-1',
    ],
  },
  seed: {
    publish: [
      `have/${ARTIFACT}/S/cam-1`,
      `have/${ARTIFACT}/X/cam-1`,
      `have/${OTHER_ARTIFACT}/S/cam-1`,
      'signal/north/cam-2/cam-1',
      'signal/south/cam-2/cam-1',
      'signal/north/cam-1/cam-1',
      'status/cam-1',
      'enroll/cam-1',
    ],
    subscribe: [
      'trust/cameras',
      'trust/all',
      `have/${ARTIFACT}/S/cam-1`,
      `have/${ARTIFACT}/S/cam-2`,
      `have/${ARTIFACT}/S/+`,
      'have/+/S/+',
      `have/${OTHER_ARTIFACT}/S/cam-1`,
      'have/+/S/cam-2',
      `have/${ARTIFACT}/X/cam-1`,
      `have/${ARTIFACT}/X/cam-2`,
      `have/${ARTIFACT}/X/+`,
      `have/${ARTIFACT}/+/+`,
      'have/+/X/+',
      'have/+/+/+',
      'have/+/+/cam-1',
      'have/+/+/cam-2',
      'signal/north/cam-1/cam-2',
      'signal/north/cam-1/+',
      'signal/north/cam-1/cam-1',
      'command/cam-1',
      'revoked',
      'enrolled/cam-1',
    ],
  },
  publisher: {
    publish: TRUSTS,
    subscribe: [...TRUSTS, 'trust/+', 'revoked'],
  },
  operator: {
    publish: [...COMMANDS, 'revoked'],
    subscribe: [...TRUSTS, 'trust/+', ...STATUSES, 'status/+', 'revoked'],
  },
  auditor: { publish: [], subscribe: [] },
  registrar: { publish: ENROLLEDS, subscribe: [...ENROLS, 'enroll/+', 'revoked'] },
  newcomer: { publish: ['enroll/cam-1'], subscribe: ['enrolled/cam-1'] },
};

/** Every topic and filter below the prefix that somebody might try; every grant above is among them. */
const TOPICS_TRIED = [
  ...TRUSTS,
  `have/${ARTIFACT}/S/cam-1`,
  `have/${ARTIFACT}/S/cam-2`,
  `have/${ARTIFACT}/X/cam-1`,
  `have/${ARTIFACT}/X/cam-2`,
  `have/${OTHER_ARTIFACT}/S/cam-1`,
  'signal/north/cam-2/cam-1',
  'signal/south/cam-2/cam-1',
  'signal/north/cam-1/cam-2',
  'signal/south/cam-1/cam-2',
  'signal/north/cam-1/cam-1',
  'signal/north/cam-2/cam-3',
  ...STATUSES,
  ...COMMANDS,
  ...ENROLS,
  ...ENROLLEDS,
  'revoked',
];
const FILTERS_TRIED = [
  'trust/+',
  'have/+/+/+',
  'have/+/S/+',
  'have/+/X/+',
  `have/${ARTIFACT}/+/+`,
  `have/${ARTIFACT}/S/+`,
  `have/${ARTIFACT}/X/+`,
  'have/+/+/cam-1',
  'have/+/+/cam-2',
  'have/+/S/cam-2',
  'signal/+/+/+',
  'signal/north/+/+',
  'signal/+/cam-1/+',
  'signal/north/cam-1/+',
  'signal/south/cam-1/+',
  'signal/+/+/cam-1',
  'signal/north/+/cam-1',
  'signal/north/cam-2/+',
  'status/+',
  'command/+',
  'enroll/+',
  'enrolled/+',
  '+',
  '+/+',
  '+/cam-1',
  '+/+/+',
  '+/+/+/+',
  '+/north/cam-1/+',
  'trust/#',
  'have/#',
  'signal/#',
  'signal/north/cam-1/#',
  'status/#',
  'command/#',
  'enroll/#',
  'enrolled/#',
  'command/cam-1/#',
  'revoked/#',
  '+/#',
];

const fill = (text: string, shard: number): string =>
  `${PREFIX}/${text.replace('/S/', `/${shard}/`).replace('/X/', `/${OTHER_SHARD}/`)}`;

describe('P-2.2 who may do what', () => {
  const cases = ROLES.flatMap((role) => [...TOPICS_TRIED].map((text) => ({ role, text })));

  it.each(cases)('$role publishes $text as the table says', ({ role, text }) => {
    for (const shard of OWN_SHARDS) {
      expect(mayPublish(PREFIX, who(role), fill(text, shard))).toBe(GRANTS[role].publish.includes(text));
    }
  });

  it.each(ROLES.flatMap((role) => [...TOPICS_TRIED, ...FILTERS_TRIED].map((text) => ({ role, text }))))(
    '$role subscribes $text as the table says',
    ({ role, text }) => {
      const granted = role === 'auditor' || GRANTS[role].subscribe.includes(text);
      for (const shard of OWN_SHARDS) expect(maySubscribe(PREFIX, who(role), fill(text, shard))).toBe(granted);
    },
  );

  it('every grant was tried', () => {
    for (const role of ROLES) {
      for (const text of GRANTS[role].publish) expect(TOPICS_TRIED).toContain(text);
      for (const text of GRANTS[role].subscribe) expect([...TOPICS_TRIED, ...FILTERS_TRIED]).toContain(text);
    }
  });

  it('the auditor subscribes everything below the prefix, and publishes nothing', () => {
    expect(maySubscribe(PREFIX, who('auditor'), `${PREFIX}/#`)).toBe(true);
    expect(allowedFilters(PREFIX, who('auditor'), 'publish')).toEqual([]);
    for (const topic of UNKNOWN) expect(mayPublish(PREFIX, who('auditor'), topic)).toBe(false);
  });

  it.each(ROLES)('%s publishes no filter', (role) => {
    for (const text of FILTERS_TRIED) expect(mayPublish(PREFIX, who(role), fill(text, 0))).toBe(false);
  });

  it('a device of no group reads no trust', () => {
    const lone = { ...who('device'), groups: [] };
    expect(allowedFilters(PREFIX, lone, 'subscribe').some((filter) => filter.includes('/trust/'))).toBe(false);
  });
});
