import { describe, expect, it } from 'vitest';
import { AccessList } from '../../../broker/policy/access.js';
import { mosquittoAcl } from '../../../broker/policy/mosquitto_acl.js';
import { allowedFilters, ROLES, topics } from '../../../shared/control/topics.js';
import { identityOf } from '../../support/members.js';

const PREFIX = 'chunkmesh/plant';
const below = (filters: readonly string[]): string[] => filters.map((filter) => filter.slice(PREFIX.length + 1));

describe('P-14.9 a member in quarantine', () => {
  it.each(['device', 'seed'] as const)('of role %s may say how it is, and read what concerns it', (role) => {
    const identity = identityOf({ id: 'cam-1', role, groups: ['a', 'b'] });
    expect(below(allowedFilters(PREFIX, identity, 'publish', true))).toEqual(['status/cam-1']);
    expect(below(allowedFilters(PREFIX, identity, 'subscribe', true))).toEqual([
      ...['trust/a', 'trust/b', 'command/cam-1', 'revoked'],
    ]);
  });

  it.each(ROLES)('of role %s has no right that it has not otherwise', (role) => {
    const identity = identityOf({ role });
    for (const action of ['publish', 'subscribe'] as const) {
      const all = new Set(allowedFilters(PREFIX, identity, action));
      for (const filter of allowedFilters(PREFIX, identity, action, true)) expect(all).toContain(filter);
    }
  });

  it('may not announce itself, signal to anyone, or listen to either', () => {
    const access = new AccessList(PREFIX, identityOf({ id: 'cam-1' }), true);
    const artifact = 'ab'.repeat(32);
    for (const topic of [topics.have(PREFIX, artifact, 0, 'cam-1'), topics.signal(PREFIX, 'north', 'cam-2', 'cam-1')]) {
      expect(access.decide('publish', topic)).toBe(false);
    }
    for (const filter of [topics.have(PREFIX, '+', 0, '+'), topics.signal(PREFIX, 'north', 'cam-1', '+')]) {
      expect(access.decide('subscribe', filter)).toBe(false);
    }
  });

  it.each(['publisher', 'operator', 'auditor'] as const)('of role %s may publish nothing', (role) => {
    expect(allowedFilters(PREFIX, identityOf({ role }), 'publish', true)).toEqual([]);
  });
});

describe('P-14.9 the access list of Mosquitto', () => {
  it('has no row of who is revoked, and few of who is in quarantine', () => {
    const members = ['a', 'b', 'c'].map((id) => identityOf({ id }));
    const acl = mosquittoAcl('plant', PREFIX, members, ({ id }) =>
      id === 'a' ? 'revoked' : id === 'b' ? 'quarantined' : 'good',
    );
    expect(acl).not.toContain('user a');
    const block = (id: string): string[] =>
      acl
        .split('\n\n')
        .find((text) => text.includes(`user ${id}\n`))
        ?.split('\n') ?? [];
    expect(block('b').filter((line) => line.startsWith('topic'))).toHaveLength(4);
    expect(block('c').length).toBeGreaterThan(block('b').length);
  });
});
