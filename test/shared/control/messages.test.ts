import { describe, expect, it } from 'vitest';
import { encodeMap } from '../../../shared/control/message_pack.js';
import { decodeMessage, encodeMessage, messageType } from '../../../shared/control/messages.js';
import { ERROR_TABLE } from '../../../shared/errors.js';
import { INDEX_CHUNK, MAX_MESSAGE_BYTES } from '../../../shared/limits.js';
import { unpackBundle } from '../../../shared/trust/bundle.js';
import { changed, changedRollout, type Fields, GOOD, REFUSED, TYPES, verdict } from '../../support/good_messages.js';
import { codeOf } from '../../support/members.js';
import { messageVectors } from '../../support/vectors.js';

describe('golden messages', () => {
  it.each(messageVectors)('$name', ({ message, bytes }) => {
    expect(Buffer.from(encodeMessage(message)).toString('hex')).toBe(bytes.toString('hex'));
    expect(decodeMessage(message.t, new Uint8Array(bytes))).toEqual(message);
    expect(messageType(bytes)).toBe(message.t);
  });

  it('are one at least of every type', () => {
    expect(new Set(messageVectors.map(({ message }) => message.t))).toEqual(new Set(TYPES));
  });

  it('are read as no other type', () => {
    for (const { message, bytes } of messageVectors) {
      for (const type of TYPES.filter((other) => other !== message.t)) {
        expect(codeOf(() => decodeMessage(type, bytes))).toBe(REFUSED);
      }
    }
  });
});

describe('P-1.5 keys', () => {
  it.each(TYPES)('%s ignores an unknown key, wherever it stands and whatever it holds', (type) => {
    const want = decodeMessage(type, encodeMap(GOOD[type]));
    for (const key of ['zz', '', 'constructor', 'toString', 'publicKey', '9']) {
      for (const value of [null, 1, 'x', [[]], { a: { b: 1 } }, new Uint8Array(9)]) {
        expect(decodeMessage(type, encodeMap({ [key]: value, ...GOOD[type] }))).toEqual(want);
        expect(decodeMessage(type, encodeMap({ ...GOOD[type], [key]: value }))).toEqual(want);
      }
    }
  });

  it.each(TYPES)('%s is refused without any one of its fields', (type) => {
    for (const field of Object.keys(GOOD[type])) {
      const rest = Object.fromEntries(Object.entries(GOOD[type]).filter(([name]) => name !== field));
      const expected = type === 'trust' && field === 'v' ? 'E_TRUST_VERSION' : REFUSED;
      expect(verdict(type, rest), field).toBe(expected);
    }
  });

  it.each(TYPES)('%s is refused for any one field of another type', (type) => {
    const wrong = [null, true, 'text', -1, 1.5, [], {}, [1], { length: 32 }, new Uint8Array(3)];
    for (const [field, good] of Object.entries(GOOD[type])) {
      for (const value of wrong.filter((other) => kindOf(other) !== kindOf(good) || Array.isArray(good))) {
        if (Array.isArray(value) && value.length === 0) continue;
        if (type === 'trust' && field === 'v') continue;
        expect(changed(type, { [field]: value }), `${field}: ${kindOf(value)}`).toBe(REFUSED);
      }
    }
  });

  it('a rollout of status is refused without any one of its fields', () => {
    const { rollouts } = GOOD.status;
    const first: Fields = Array.isArray(rollouts) ? rollouts[0] : {};
    for (const field of Object.keys(first)) {
      const rest = Object.fromEntries(Object.entries(first).filter(([name]) => name !== field));
      expect(changed('status', { rollouts: [rest] }), field).toBe(REFUSED);
    }
  });
});

function kindOf(value: unknown): string {
  if (value instanceof Uint8Array) return 'bytes';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number' && !(Number.isInteger(value) && value >= 0)) return 'no count';
  return typeof value;
}

describe('P-4.1 trust', () => {
  it.each([0, 1, 3, 1.5, -1, '2', null, true, [2], { toString: 1, valueOf: 1 }, new Uint8Array(1), 2 ** 40])(
    'of version %j is unknown, whatever else it holds',
    (v) => {
      expect(changed('trust', { v })).toBe('E_TRUST_VERSION');
      expect(verdict('trust', { t: 'trust', v })).toBe('E_TRUST_VERSION');
    },
  );

  it('takes a bundle of one byte and more, and refuses an empty one, and what is no bytes', () => {
    const of = (bundle: unknown): string => changed('trust', { bundle });
    expect([1, 300, 100_000].map((length) => of(new Uint8Array(length)))).toEqual(Array(3).fill('accepted'));
    for (const bad of [new Uint8Array(0), '', 'x', [0], { 0: 1 }, 7, null]) expect(of(bad)).toBe(REFUSED);
  });

  it('has a bundle past 65,535 bytes as bin 32', () => {
    const bytes = Buffer.from(encodeMessage({ t: 'trust', v: 2, bundle: new Uint8Array(65_536) }));
    expect(bytes.subarray(0, -65_536).toString('hex')).toBe('83a174a57472757374a17602a662756e646c65c600010000');
  });

  it('P-12.4: holds files by name, which a zlib stream of a map unpacks to', () => {
    const files = messageVectors.flatMap(({ message }) => (message.t === 'trust' ? [message.bundle] : [])).slice(0, 3);
    const [one, none, two] = files.map((bundle) => codeOf(() => unpackBundle(bundle)));
    expect([one, none, two]).toEqual(['accepted', 'E_TRUST_MALFORMED', 'accepted']);
    const text = Buffer.from(unpackBundle(files[0] ?? new Uint8Array()).get('timestamp.json') ?? []).toString();
    expect(text).toBe('{"signatures":[],"signed":{}}');
    expect([...unpackBundle(files[2] ?? new Uint8Array()).keys()]).toEqual(['1.root.json', 'timestamp.json']);
  });
});

describe('P-4.4 have', () => {
  it('takes a digest of 1 to 64 bytes', () => {
    const of = (length: number): string => changed('have', { digest: new Uint8Array(length) });
    expect([0, 1, 64, 65].map(of)).toEqual([REFUSED, 'accepted', 'accepted', REFUSED]);
  });

  it('takes 16,384 chunks held and 255 sessions, and refuses one more', () => {
    expect([16_384, 16_385].map((held) => changed('have', { held }))).toEqual(['accepted', REFUSED]);
    expect([255, 256].map((room) => changed('have', { room }))).toEqual(['accepted', REFUSED]);
  });
});

describe.each(['offer', 'answer'] as const)('P-4.5 P-4.6 %s', (type) => {
  const at = 1_893_456_000;
  it('P-5.2 expires 0 to 60 s after it was made', () => {
    const after = (seconds: number): string => changed(type, { expires: at + seconds });
    expect([-1, 0, 60, 61].map(after)).toEqual([REFUSED, 'accepted', 'accepted', REFUSED]);
  });

  it.each([
    ['artifact', 32],
    ['session', 8],
    ['key', 32],
  ])('%s has %d bytes', (field, length) => {
    for (const bad of [0, length - 1, length + 1])
      expect(changed(type, { [field]: new Uint8Array(bad) })).toBe(REFUSED);
  });

  it('P-5.7 takes 8 candidates and refuses 9', () => {
    const of = (count: number): string => changed(type, { candidates: Array(count).fill(['192.0.2.1', 1]) });
    expect([0, 8, 9].map(of)).toEqual(['accepted', 'accepted', REFUSED]);
  });

  it.each([
    ['port 0', ['192.0.2.1', 0]],
    ['port 65,536', ['192.0.2.1', 65_536]],
    ['a port as text', ['192.0.2.1', '1']],
    ['a fraction of a port', ['192.0.2.1', 1.5]],
    ['no port', ['192.0.2.1']],
    ['a third value', ['192.0.2.1', 1, 2]],
    ['no host', [1, '192.0.2.1']],
    ['a host of 46 characters', ['1'.repeat(46), 1]],
    ['a map', { host: '192.0.2.1', port: 1 }],
    ['text', '192.0.2.1:1'],
  ])('P-5.7 refuses a candidate with %s', (_what, candidate) => {
    expect(changed(type, { candidates: [['192.0.2.1', 1], candidate] })).toBe(REFUSED);
  });
});

describe('P-4.6 answer', () => {
  it('refuses a hash of another length', () => {
    for (const bad of [0, 31, 33]) expect(changed('answer', { offer: new Uint8Array(bad) })).toBe(REFUSED);
  });
});

describe('P-4.7 status', () => {
  it.each(['waiting', 'indexing', 'fetching', 'complete', 'blocked', 'failed'])('takes state %s', (state) => {
    expect(changedRollout({ state })).toBe('accepted');
  });

  it.each(['', 'done', 'COMPLETE', 'toString', 1, null])('refuses state %j', (state) => {
    expect(changedRollout({ state })).toBe(REFUSED);
  });

  it('P-10.10: takes a rollout that is held back, a device that says so, and one that says nothing of it', () => {
    for (const good of [true, false]) {
      expect(changedRollout({ state: 'paused', hold: good })).toBe('accepted');
      expect(changed('have', { hold: good })).toBe('accepted');
    }
    for (const bad of [1, 'true', null, [], {}]) {
      expect(changedRollout({ hold: bad })).toBe(REFUSED);
      expect(changed('have', { hold: bad })).toBe(REFUSED);
    }
  });

  it('P-10.1: takes who says that it said so before, and who says nothing of it', () => {
    for (const good of [true, false]) expect(changed('have', { again: good })).toBe('accepted');
    for (const bad of [1, 'true', null, [], {}]) expect(changed('have', { again: bad })).toBe(REFUSED);
  });

  it('takes bytes from HTTP that are a count, or none at all', () => {
    for (const good of [0, 1, 2 ** 40]) expect(changedRollout({ fromHttp: good })).toBe('accepted');
    for (const bad of [-1, 1.5, '1', null]) expect(changedRollout({ fromHttp: bad })).toBe(REFUSED);
  });

  it('P-4.7: takes an error that is a code and an agent of printable ASCII, and nothing that a terminal would obey', () => {
    for (const code of ['', ...Object.keys(ERROR_TABLE)]) {
      expect(changedRollout({ error: code })).toBe('accepted');
    }
    expect(changed('status', { agent: ' 0.1.0-rc.1+build (linux; arm64) ~' })).toBe('accepted');
    const obeyed = ['\u001b[2K', '\r', '\n', '\t', '\0', '\u007f', '\u009b2J', '\u202e', '\u2028', 'é'];
    for (const text of obeyed) {
      expect(changed('status', { agent: `0.1.0${text}` })).toBe(REFUSED);
      expect(changedRollout({ error: `E_INTERNAL${text}` })).toBe(REFUSED);
    }
    for (const text of ['e_internal', 'E INTERNAL', 'disk full']) {
      expect(changedRollout({ error: text })).toBe(REFUSED);
    }
  });

  const REPORT = {
    ...{ device: 'mallory', artifact: new Uint8Array(32), chunk: 7, at: 1_893_456_000, count: 1 },
    ...{ expected: new Uint8Array(32), found: new Uint8Array(32).fill(1) },
  };
  const reporting = (...reports: unknown[]): string => changed('status', { reports });

  it('P-15.2: takes 16 reports of different devices, of a chunk or the index, or none at all, and refuses one more', () => {
    const of = (count: number): string =>
      reporting(...Array.from({ length: count }, (_, i) => ({ ...REPORT, device: `d${i}` })));
    expect([0, 1, 16, 17].map(of)).toEqual(['accepted', 'accepted', 'accepted', REFUSED]);
    expect(reporting(REPORT, REPORT)).toBe(REFUSED);
    expect([0, 16_383, INDEX_CHUNK].map((chunk) => reporting({ ...REPORT, chunk }))).toEqual(Array(3).fill('accepted'));
  });

  it.each<[string, readonly unknown[]]>([
    ['device', ['', 'x'.repeat(65), 'a/b', '../a', 'a\u001b[2K', 7, null]],
    ['artifact', [new Uint8Array(31), new Uint8Array(33), 'ab'.repeat(32), null]],
    ['chunk', [-1, 16_384, INDEX_CHUNK - 1, INDEX_CHUNK + 1, 1.5, '7', null]],
    ['expected', [new Uint8Array(31), 'ab'.repeat(32), null]],
    ['found', [new Uint8Array(33), Array(32).fill(0)]],
    ['at', [-1, 1.5, 2 ** 40 + 1, '1']],
    ['count', [0, -1, 1.5, 2 ** 53, '1']],
  ])('P-15.2: refuses a report whose %s is none, and one without', (field, wrong) => {
    expect(reporting(REPORT)).toBe('accepted');
    for (const bad of wrong) expect(reporting({ ...REPORT, [field]: bad })).toBe(REFUSED);
    expect(reporting(Object.fromEntries(Object.entries(REPORT).filter(([name]) => name !== field)))).toBe(REFUSED);
  });

  it('P-2.7: has room for 16 rollouts and 16 reports with everything at its longest', () => {
    const { rollouts } = GOOD.status;
    const first: Fields = Array.isArray(rollouts) ? rollouts[0] : {};
    const long = 'x'.repeat(64);
    const most = Number.MAX_SAFE_INTEGER;
    const numbers = { held: most, chunks: most, size: most, fromSeed: most, fromPeers: most, fromDisk: most };
    const row = { ...first, name: long, version: long, error: 'E'.repeat(64), hold: true, ...numbers, fromHttp: most };
    const report = (i: number): object => ({
      ...REPORT,
      device: `${i}`.padEnd(64, 'x'),
      chunk: INDEX_CHUNK,
      count: most,
    });
    const whole = {
      ...{ ...GOOD.status, agent: long, peers: most, metered: 'urgent' },
      rollouts: Array(16).fill({ ...row, wasted: most, seconds: 1.1 }),
    };
    const reports = Array.from({ length: 16 }, (_, i) => report(i));
    expect(changed('status', { ...whole, reports })).toBe('accepted');
    expect(encodeMap({ ...whole, reports }).length).toBeLessThan(MAX_MESSAGE_BYTES / 6);
    expect(encodeMap({ ...whole, reports }).length - encodeMap(whole).length).toBeLessThan(5 * 1024);
  });

  it('takes 64 characters of agent and error and refuses 65, and 17 rollouts', () => {
    expect([64, 65].map((n) => changed('status', { agent: 'a'.repeat(n) }))).toEqual(['accepted', REFUSED]);
    expect([64, 65].map((n) => changedRollout({ error: 'E'.repeat(n) }))).toEqual(['accepted', REFUSED]);
    const { rollouts } = GOOD.status;
    const first: unknown = Array.isArray(rollouts) ? rollouts[0] : {};
    expect([16, 17].map((n) => changed('status', { rollouts: Array(n).fill(first) }))).toEqual(['accepted', REFUSED]);
  });
});
