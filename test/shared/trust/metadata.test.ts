import { describe, expect, it } from 'vitest';
import { ChunkmeshError } from '../../../shared/errors.js';
import { ForgedFleet, GROUP, signedBy } from '../../support/forged_trust.js';

/** Files that are signed well and are not what a file is (P-12.5). */

type Json = Record<string, unknown>;
const roles = ['timestamp', 'snapshot', 'targets', 'director', 'director-cameras'] as const;

function fleet(): ForgedFleet {
  const made = new ForgedFleet();
  made.publish('firmware', '1');
  return made;
}

function refusedAs(role: string, change: (signed: Json) => void): string | undefined {
  const made = fleet();
  made.forge[role] = { edit: change };
  const { error, refused, rollouts } = made.verify();
  expect(rollouts).toEqual([]);
  return (error ?? refused[0])?.code;
}

function refusedRoot(edit: (signed: Json) => void): string | undefined {
  const made = fleet();
  made.addRoot(made.keys, { edit });
  const { error, rollouts, state } = made.verify();
  expect(rollouts).toEqual([]);
  expect(state).toEqual(made.state);
  return error?.code;
}

describe('what every file has', () => {
  const bad: [string, Json][] = [
    ['a specification of another major', { spec_version: '2.0.0' }],
    ['a specification that is none', { spec_version: 'one' }],
    ['a specification that is no text', { spec_version: 1 }],
    ['no specification', { spec_version: undefined }],
    ['no time', { expires: undefined }],
    ['a time that is none', { expires: 'never' }],
    ['a time of numbers', { expires: 4_000_000_000 }],
    ['a time of milliseconds', { expires: '2040-01-01T00:00:00.000Z' }],
    ['a time of another zone', { expires: '2040-01-01T00:00:00+00:00' }],
    ['a 13th month', { expires: '2040-13-01T00:00:00Z' }],
    ['a 30th of February', { expires: '2040-02-30T00:00:00Z' }],
    ['a 25th hour', { expires: '2040-01-01T25:00:00Z' }],
    ['a year of five digits', { expires: '+12040-01-01T00:00:00Z' }],
    ['another type', { _type: 'mirrors' }],
    ['root’s type', { _type: 'root' }],
    ['no type', { _type: undefined }],
  ];
  for (const [name, change] of bad) {
    it(`P-12.5: is refused at every role: ${name}`, () => {
      const apply = (signed: Json): void => {
        for (const [key, value] of Object.entries(change)) {
          if (value === undefined) delete signed[key];
          else signed[key] = value;
        }
      };
      for (const role of roles) expect(refusedAs(role, apply), role).toBe('E_TRUST_MALFORMED');
      if (change._type !== 'root') expect(refusedRoot(apply)).toBe('E_TRUST_MALFORMED');
    });
  }

  it('P-12.5: a number that is not whole is refused, as canonical JSON has none', () => {
    for (const odd of ['1.5', '1e400', '-1e400']) {
      for (const role of roles) {
        const made = fleet();
        made.forge[role] = { text: (json) => json.replace('"signed":{', `"signed":{"odd":${odd},`) };
        expect(made.verify().rollouts, `${role} ${odd}`).toEqual([]);
      }
    }
  });

  it('P-12.5: of one name twice the last counts, and is what was signed or nothing is', () => {
    const honest = (text: (json: string) => string) => {
      const made = fleet();
      made.forge.timestamp = { text };
      return made.verify();
    };
    const last = honest((json) => json.replace('"version":1', '"version":7,"version":1'));
    expect(last.error).toBeUndefined();
    expect(last.timestampVersion).toBe(1);
    expect(honest((json) => json.replace('"version":1', '"version":1,"version":7')).error?.code).toBe(
      'E_TRUST_SIGNATURE',
    );
    expect(honest((json) => json.replace('"signed":', '"signed":{},"signed":')).error).toBeUndefined();
    expect(honest((json) => json.replace(/}$/, ',"signed":{}}')).error?.code).toBe('E_TRUST_MALFORMED');
  });

  it('P-12.5: JSON that is not canonical is one with what was signed', () => {
    const made = fleet();
    made.forge.timestamp = { text: (json) => JSON.stringify(JSON.parse(json), null, 4) };
    expect(made.verify().error).toBeUndefined();
  });

  it('P-12.5: `__proto__` is refused wherever it stands', () => {
    const places = ['"signed":{', '"meta":{', '"hashes":{', '"targets":{', '"keys":{', '"delegations":{', '{'];
    for (const role of [...roles]) {
      for (const place of places) {
        for (const name of ['__proto__', '\\u005f_proto__']) {
          const made = fleet();
          const evil = `"${name}":{"version":1,"meta":{},"targets":{},"polluted":true},`;
          let placed = true;
          made.forge[role] = {
            text: (json) => {
              placed = json.includes(place);
              return json.replace(place, `${place}${evil}`);
            },
          };
          const { error, refused } = made.verify();
          if (placed) expect((error ?? refused[0])?.code, `${role} ${place}`).toBe('E_TRUST_MALFORMED');
          expect(({} as Json).polluted).toBeUndefined();
        }
      }
    }
    const made = fleet();
    const files = made.files();
    const root = Buffer.from(made.roots[0] ?? []).toString('utf8');
    const second = root.replace('"version":1', '"version":2').replace('"keys":{', '"keys":{"__proto__":{},');
    files.set('2.root.json', new Uint8Array(Buffer.from(second)));
    expect(made.verify(files).error?.code).toBe('E_TRUST_MALFORMED');
  });

  it('P-12.5: bytes that are no UTF-8, no JSON, no object are refused', () => {
    const hostile = [
      Buffer.from([0xff, 0xfe, 0x00]),
      Buffer.from(''),
      Buffer.from('[]'),
      Buffer.from('null'),
      Buffer.from('"text"'),
      Buffer.from('5'),
      Buffer.from('{"signatures":[],"signed":null}'),
      Buffer.from('{"signatures":{},"signed":{}}'),
      Buffer.from(`\ufeff{}`),
    ];
    for (const bytes of hostile) {
      const made = fleet();
      for (const file of ['timestamp.json', '2.root.json']) {
        const files = made.files();
        files.set(file, new Uint8Array(bytes));
        expect(made.verify(files).error?.code).toBe('E_TRUST_MALFORMED');
      }
    }
    const made = fleet();
    made.forge.timestamp = {};
    const files = made.files();
    const text = Buffer.from(files.get('timestamp.json') ?? []);
    files.set(
      'timestamp.json',
      new Uint8Array(Buffer.concat([text.subarray(0, -1), Buffer.from(',"x":"\xff"}', 'latin1')])),
    );
    expect(made.verify(files).error?.code).toBe('E_TRUST_MALFORMED');
  });
});

describe('a verdict', () => {
  it('P-12.5: is a refusal by a code of ours, whatever stands in a file', () => {
    const made = fleet();
    for (const signed of [{}, { version: 1 }, { _type: 'timestamp', version: 1 }]) {
      const files = made.files();
      files.set(
        'timestamp.json',
        new Uint8Array(Buffer.from(JSON.stringify(signedBy(signed, made.keys.timestamp.keys)))),
      );
      const { error } = made.verify(files, made.state, GROUP);
      expect(error).toBeInstanceOf(ChunkmeshError);
      expect(error?.code).toBe('E_TRUST_MALFORMED');
    }
  });
});
