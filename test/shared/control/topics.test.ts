import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPrefix } from '../../../shared/control/ids.js';
import {
  type Action,
  allowedFilters,
  covers,
  isFilter,
  isTopic,
  mayPublish,
  maySubscribe,
  parseTopic,
  ROLES,
  shardOf,
  shardsOf,
  TOPICS,
  topics,
} from '../../../shared/control/topics.js';
import { ARTIFACT, NOBODY, OWN_SHARDS, PREFIX, UNKNOWN, who } from '../../support/topics_tried.js';

describe('P-2.1 topics', () => {
  it('has retained and QoS as the table says', () => {
    const rows = Object.entries(TOPICS).map(([name, { retained, qos }]) => [name, retained, qos]);
    expect(rows).toEqual([
      ['trust', true, 1],
      ['have', false, 0],
      ['signal', false, 1],
      ['status', true, 1],
      ['command', false, 1],
      ['revoked', true, 1],
      ['enroll', false, 1],
      ['enrolled', false, 1],
    ]);
  });

  it.each([
    [topics.trust(PREFIX, 'g'), `${PREFIX}/trust/g`, { name: 'trust', group: 'g' }],
    [
      topics.have(PREFIX, ARTIFACT, 5, 'd'),
      `${PREFIX}/have/${ARTIFACT}/5/d`,
      { name: 'have', artifact: ARTIFACT, shard: 5, device: 'd' },
    ],
    [topics.have(PREFIX, ARTIFACT, '+', '+'), `${PREFIX}/have/${ARTIFACT}/+/+`, null],
    [topics.signal(PREFIX, 's', 't', 'f'), `${PREFIX}/signal/s/t/f`, { name: 'signal', site: 's', to: 't', from: 'f' }],
    [topics.status(PREFIX, 'd'), `${PREFIX}/status/d`, { name: 'status', device: 'd' }],
    [topics.command(PREFIX, 'd'), `${PREFIX}/command/d`, { name: 'command', device: 'd' }],
    [topics.enroll(PREFIX, 'd'), `${PREFIX}/enroll/d`, { name: 'enroll', device: 'd' }],
    [topics.enrolled(PREFIX, 'd'), `${PREFIX}/enrolled/d`, { name: 'enrolled', device: 'd' }],
    [topics.revoked(PREFIX), `${PREFIX}/revoked`, { name: 'revoked' }],
  ])('builds and parses %s', (built, text, parsed) => {
    expect(built).toBe(text);
    expect(parseTopic(PREFIX, built)).toEqual(parsed);
  });

  it.each([...NOBODY, ...UNKNOWN])('parses %j as none', (topic) => {
    expect(parseTopic(PREFIX, topic)).toBeNull();
  });

  it.each([
    ['P-1.1 a group of 65 characters', `trust/${'g'.repeat(65)}`],
    ['P-1.1 a dot in an id', 'status/cam.1'],
    ['P-1.1 a wildcard', 'status/+'],
    ['P-1.3 an artifact in upper case', `have/${ARTIFACT.toUpperCase()}/0/d`],
    ['P-1.3 an artifact of 63 characters', `have/${ARTIFACT.slice(1)}/0/d`],
    ['P-2.4 shard 32768', `have/${ARTIFACT}/32768/d`],
    ['P-2.4 a shard of six digits', `have/${ARTIFACT}/100000/d`],
    ['P-2.4 a negative shard', `have/${ARTIFACT}/-1/d`],
    ['P-2.4 a shard with a leading zero', `have/${ARTIFACT}/01/d`],
    ['P-2.4 a shard in hex', `have/${ARTIFACT}/0x1/d`],
    ['P-2.4 a shard with an exponent', `have/${ARTIFACT}/1e1/d`],
    ['P-2.4 no shard', `have/${ARTIFACT}//d`],
    ['a segment too few', `have/${ARTIFACT}/0`],
    ['a segment too many', `have/${ARTIFACT}/0/d/e`],
  ])('refuses to parse %s', (_what, rest) => {
    expect(parseTopic(PREFIX, `${PREFIX}/${rest}`)).toBeNull();
  });

  it('P-2.4 parses shards 0 and 1023', () => {
    for (const shard of [0, 1023])
      expect(parseTopic(PREFIX, topics.have(PREFIX, ARTIFACT, shard, 'd'))).toMatchObject({ shard });
  });

  it('P-1.4 has at most 7 slashes and 256 bytes, under the longest prefix and between the longest ids', () => {
    const [prefix, id] = [`${'p'.repeat(24)}/a/b/${'p'.repeat(25)}`, 'i'.repeat(64)];
    expect(isPrefix(prefix)).toBe(true);
    expect(prefix.length).toBe(54);
    const signal = topics.signal(prefix, id, id, id);
    const have = topics.have(prefix, ARTIFACT, 1023, id);
    for (const topic of [
      signal,
      have,
      topics.trust(prefix, id),
      topics.status(prefix, id),
      topics.command(prefix, id),
      topics.enrolled(prefix, id),
    ]) {
      expect(topic.split('/').length - 1).toBeLessThanOrEqual(7);
      expect(topic.length).toBeLessThanOrEqual(256);
      expect(parseTopic(prefix, topic)).not.toBeNull();
    }
    expect([signal.split('/').length - 1, signal.length]).toEqual([7, 256]);
  });
});

describe('P-2.3 what nobody may do', () => {
  it.each(NOBODY)('refuses %j in every role, to publish and to subscribe', (text) => {
    for (const role of ROLES) {
      expect(mayPublish(PREFIX, who(role), text)).toBe(false);
      expect(maySubscribe(PREFIX, who(role), text)).toBe(false);
    }
  });

  it.each(UNKNOWN)('refuses %j, which no row allows', (text) => {
    for (const role of ROLES) {
      expect(mayPublish(PREFIX, who(role), text)).toBe(false);
      expect(maySubscribe(PREFIX, who(role), text)).toBe(role === 'auditor');
    }
  });

  it('covers # by # alone', () => {
    expect(covers('a/#', 'a/#')).toBe(true);
    expect(covers('#', 'a/#')).toBe(true);
    for (const allowed of ['a/+', 'a/b', '+/+', 'a']) expect(covers(allowed, 'a/#')).toBe(false);
  });

  it('covers + by + or #, never by a name', () => {
    expect(covers('a/+', 'a/+')).toBe(true);
    expect(covers('a/#', 'a/+')).toBe(true);
    expect(covers('a/b', 'a/+')).toBe(false);
  });

  it('compares whole segments, and as many', () => {
    expect(covers('a/b', 'a/bc')).toBe(false);
    expect(covers('a/bc', 'a/b')).toBe(false);
    expect(covers('a/+', 'a')).toBe(false);
    expect(covers('a/+', 'a/b/c')).toBe(false);
    expect(covers('a/#', 'a')).toBe(false);
  });

  const segment = fc.constantFrom('a', 'b', '+', '#', '');
  const filter = fc.array(segment, { minLength: 1, maxLength: 4 }).map((list) => list.join('/'));
  const topic = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 5 }).map((list) => list.join('/'));
  /** MQTT 3.1.1 §4.7 as a regular expression, `#` without its parent. */
  const matches = (of: string, name: string): boolean =>
    new RegExp(
      `^${of
        .split('/')
        .map((part) => (part === '+' ? '[^/]+' : part === '#' ? '.+' : part))
        .join('/')}$`,
    ).test(name);

  it('covers a filter only where it matches every topic that the filter matches', () => {
    fc.assert(
      fc.property(filter, filter, fc.array(topic, { minLength: 20, maxLength: 20 }), (allowed, asked, names) => {
        fc.pre(isFilter(allowed) && isFilter(asked));
        if (covers(allowed, asked))
          for (const name of names) if (matches(asked, name)) expect(matches(allowed, name)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('decides about a name as the filters that it binds for an ACL do', () => {
    const pieces = [
      ...['trust', 'have', 'signal', 'status', 'command', 'revoked', 'cam-1', 'cam-2', 'north', 'cameras', 'all'],
      ...['+', '#', '', '{self}', '{shard}', '{group}', ARTIFACT, ...OWN_SHARDS.map(String), '5'],
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(...ROLES),
        fc.array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 4 }),
        (role, rest) => {
          const [name, identity] = [[PREFIX, ...rest].join('/'), who(role)];
          const bound = (action: Action): boolean =>
            allowedFilters(PREFIX, identity, action).some((allowed) => covers(allowed, name));
          expect(mayPublish(PREFIX, identity, name)).toBe(isTopic(name) && bound('publish'));
          expect(maySubscribe(PREFIX, identity, name)).toBe(isFilter(name) && bound('subscribe'));
        },
      ),
      { numRuns: 5000 },
    );
  });

  it('lets nobody publish what random segments make, save as somebody’s row says', () => {
    const piece = fc.constantFrom(
      'chunkmesh',
      'fleet1',
      'status',
      'have',
      'signal',
      'command',
      'trust',
      'revoked',
      'cam-1',
      'cam-2',
      'north',
      '+',
      '#',
      '',
      '$SYS',
      ARTIFACT,
      '0',
      '\0',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 7 }), (pieces) => {
        const text = pieces.join('/');
        if (!mayPublish(PREFIX, who('device'), text)) return true;
        return isTopic(text) && text.startsWith(`${PREFIX}/`) && text.endsWith('/cam-1');
      }),
      { numRuns: 5000 },
    );
  });
});

describe('P-2.4 shards', () => {
  it('are the first four bytes of SHA-256 of the id, modulo the count', () => {
    const counts = Array.from({ length: 16 }, (_, k) => 2 ** k);
    expect(counts.map((count) => shardOf('cam-1', count))).toEqual([
      0, 0, 2, 6, 6, 6, 38, 102, 102, 102, 102, 102, 2150, 6246, 6246, 6246,
    ]);
    expect(counts.map((count) => shardOf('gw_7', count))).toEqual([
      0, 0, 2, 6, 14, 14, 46, 46, 46, 46, 558, 1582, 3630, 7726, 7726, 24110,
    ]);
    expect(shardsOf('cam-1')).toEqual(OWN_SHARDS);
  });

  it('are at most 16 for any device', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 64 }), (id) => {
        const shards = shardsOf(id);
        expect(shards.length).toBeLessThanOrEqual(16);
        expect(shards).toEqual([...new Set(shards)].sort((a, b) => a - b));
      }),
    );
  });
});
