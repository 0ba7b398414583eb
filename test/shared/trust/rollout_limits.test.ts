import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Rollout } from '../../../shared/control/messages.js';
import { MAX_MESSAGE_BYTES } from '../../../shared/limits.js';
import { MAX_METADATA_VERSION } from '../../../shared/trust/metadata.js';
import { type Verdict, verifyBundle } from '../../../shared/trust/verify.js';
import { type BundleOptions, TrustMaker } from '../../support/trust_maker.js';

/** What a rollout may say, at each limit and one past it, all of it signed by who may. */

const NOW = 1_893_456_000;
const GROUP = 'cameras';
const TRUST = new TrustMaker(NOW);
const ROLLOUT: Rollout = {
  ...{ name: 'firmware', version: '2.1.0', artifact: new Uint8Array(32).fill(7) },
  ...{ size: 3_221_225_472, chunks: 12_000, shards: 4 },
};

function verdict(rollouts: readonly object[], options: BundleOptions = {}): Verdict {
  const files = TRUST.files(GROUP, rollouts as Rollout[], options);
  return verifyBundle({ root: TRUST.root }, files, GROUP, () => NOW);
}

/** What becomes of one rollout, changed. */
function changed(over: object): string {
  const { error, refused, rollouts } = verdict([{ ...ROLLOUT, ...over }]);
  if (error !== undefined) return error.code;
  return refused[0]?.code ?? (rollouts.length === 1 ? 'accepted' : 'nothing');
}

const REFUSED = /^E_TRUST_(ARTIFACT|MALFORMED)$/;
const many = (count: number): object[] => Array.from({ length: count }, (_, i) => ({ ...ROLLOUT, name: `n${i}` }));

describe('P-12.3 a rollout', () => {
  it('is given with all that was signed of it', () => {
    const full = { ...ROLLOUT, urgent: true, priority: 9, urls: ['https://files.example/x'] };
    const audience = { groups: [GROUP, 'all'], sites: ['north'] };
    const { rollouts } = verdict([{ ...full, audience }]);
    expect(rollouts).toEqual([{ ...full, audience }]);
    const [plain] = verdict([ROLLOUT]).rollouts;
    expect(plain).toEqual({ ...ROLLOUT, audience: {} });
  });

  it('P-4.1: sixteen are taken, seventeen refused, and two of one name', () => {
    expect(verdict([]).rollouts).toEqual([]);
    expect(verdict(many(16)).rollouts).toHaveLength(16);
    expect(verdict(many(17))).toMatchObject({ error: { code: 'E_TRUST_MALFORMED' }, rollouts: [] });
    const twice = verdict([ROLLOUT, { ...ROLLOUT, version: '2.2.0' }]);
    expect(twice.rollouts.length).toBeLessThan(2);
    expect([...twice.refused, twice.error].some((one) => REFUSED.test(one?.code ?? ''))).toBe(true);
  });

  const limits: [string, string, unknown[], unknown[]][] = [
    ['P-1.1', 'name', ['a', 'a'.repeat(64)], ['', 'a'.repeat(65), 'a.b', 'a/b', '../a', 'a\0', '\ufffd']],
    ['P-1.2', 'version', ['1.2.3', 'v'.repeat(64)], ['', 'v'.repeat(65), '.1', '../1', '1/2', '1 2']],
    ['P-1.3', 'artifact', [new Uint8Array(32)], [new Uint8Array(31), new Uint8Array(33), new Uint8Array(0)]],
    ['P-9.1', 'size', [1, 64 * 2 ** 30], [0, 64 * 2 ** 30 + 1]],
    ['P-9.2', 'chunks', [1, 16_384], [0, 16_385, -1, '1', true, null, undefined]],
    ['P-4.1', 'urgent', [true, undefined], [false, 1, 'true', null]],
    ['P-4.1', 'priority', [0, 5, 9, undefined], [-1, 10, '5', true, null, [5], 2 ** 32]],
    ['P-2.4', 'shards', [1, 2, 512, 32_768], [0, 3, 1023, 32_767, 65_536, 2 ** 31, 2 ** 32, '1', null, undefined]],
  ];
  it.each(limits)('%s %s at its limits and one past them', (_rule, field, good, bad) => {
    for (const value of good) expect(changed({ [field]: value }), String(value)).toBe('accepted');
    for (const value of bad) expect(changed({ [field]: value }), String(value)).toMatch(REFUSED);
  });

  it('P-12.3: an audience has 32 groups and 64 sites at most, one at least, and only ids', () => {
    const ids = (count: number): string[] => Array.from({ length: count }, (_, i) => `x${i}`);
    for (const good of [{ groups: ids(32) }, { sites: ids(64) }]) expect(changed({ audience: good })).toBe('accepted');
    const bad = [{ groups: ids(33) }, { sites: ids(65) }, { groups: [] }, { sites: [] }];
    for (const audience of [...bad, { groups: ['a/b'] }, { sites: [''] }, { groups: 'a' }, { sites: [1] }]) {
      expect(changed({ audience }), JSON.stringify(audience)).toBe('E_TRUST_ARTIFACT');
    }
  });

  it('takes none to four URLs, and refuses five', () => {
    const of = (count: number): string =>
      changed({ urls: Array.from({ length: count }, (_, i) => `http://a.example/${i}`) });
    expect([0, 1, 4, 5].map(of)).toEqual(['accepted', 'accepted', 'accepted', 'E_TRUST_ARTIFACT']);
  });

  it('refuses URLs that are none, and what is no list of them', () => {
    const long = `http://a/${'x'.repeat(512)}`;
    for (const bad of ['', 'a', 'ftp://a/', 'http://user:word@a/', long, 1, null, ['http://a/']]) {
      expect(changed({ urls: ['http://a.example/', bad] }), String(bad)).toBe('E_TRUST_ARTIFACT');
    }
    for (const bad of ['http://a.example/', {}, null, 1, true]) expect(changed({ urls: bad })).toBe('E_TRUST_ARTIFACT');
  });

  it('P-2.7: sixteen with four URLs of 512 bytes each, that repeat nothing, have room in a message', () => {
    const url = (): string => `http://a.example/${randomBytes(300).toString('hex')}`.slice(0, 512);
    const all = many(16).map((one, i) => ({
      ...one,
      name: `n${i}`.padEnd(64, 'x'),
      urls: [url(), url(), url(), url()],
    }));
    expect(verdict(all).rollouts).toHaveLength(16);
    expect(TRUST.bundle(GROUP, all as unknown as Rollout[]).length).toBeLessThan(MAX_MESSAGE_BYTES / 2);
  });

  it('ignores what it does not know of (P-1.5)', () => {
    expect(changed({ audience: { later: 1 } })).toBe('accepted');
  });
});

describe('P-12.5 the number of a metadata file', () => {
  it('reaches 2^31 - 1, so that nobody ends its life for a day with a key', () => {
    const of = (version: number): string => verdict([ROLLOUT], { version }).error?.code ?? 'accepted';
    expect([1, MAX_METADATA_VERSION].map(of)).toEqual(['accepted', 'accepted']);
    expect(of(MAX_METADATA_VERSION + 1)).toBe('E_TRUST_MALFORMED');
  });
});
