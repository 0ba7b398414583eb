import { deflateSync } from 'node:zlib';
import { Metadata, MetadataKind, Snapshot, Targets } from '@tufjs/models';
import { Delegations } from '@tufjs/models/dist/delegations.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChunkmeshError } from '../../../shared/errors.js';
import { type Files, packBundle, unpackBundle } from '../../../shared/trust/bundle.js';
import { checkShape } from '../../../shared/trust/metadata.js';
import { type Verdict, verifyBundle } from '../../../shared/trust/verify.js';
import { DAY, ForgedFleet, GROUP, NOW, newKeys } from '../../support/forged_trust.js';
import { runs } from '../../support/runs.js';

/** Whatever happens to an honest bundle: no throw but ours, no rollout but those that release signed (P-12.5, P-12.7). */

const made = new ForgedFleet(3, 2);
made.publish('firmware', '1');
made.publish('model', '7');
made.addRoot({ ...made.keys, timestamp: { keys: newKeys(1), threshold: 1 } });
const before = made.verify().state;
const old = made.files();
made.next('director-cameras');
made.release('malware', '1');
const honest = made.files();
const wanted = new Map(made.verify(honest).rollouts.map((one) => [one.name, JSON.stringify(one)]));
const names = [...honest.keys()];

/** States that were kept, and that a device could begin with again. */
const begunAgain = new Set<string>();

/** By both a device that is new and one that was here before. */
function check(files: Files): void {
  for (const state of [made.state, before]) {
    let verdict: Verdict;
    try {
      verdict = verifyBundle(state, files, GROUP, () => NOW);
    } catch (error) {
      expect(error).toBeInstanceOf(ChunkmeshError);
      continue;
    }
    for (const rollout of verdict.rollouts) expect(JSON.stringify(rollout)).toBe(wanted.get(rollout.name));
    for (const error of [verdict.error, ...verdict.refused]) {
      if (error === undefined) continue;
      expect(error).toBeInstanceOf(ChunkmeshError);
      expect(error.code).toMatch(/^E_TRUST_/);
    }
    // What is kept is a root of the chain, and can be begun with again.
    const roots = made.roots.map((bytes) => Buffer.from(bytes).toString('utf8'));
    const text = JSON.stringify(verdict.state);
    if (begunAgain.has(text)) continue;
    begunAgain.add(text);
    expect(verifyBundle(verdict.state, honest, GROUP, () => NOW).rootVersion).toBe(2);
    if (!roots.includes(verdict.state.root)) {
      // Bytes that are not canonical may have changed around what was signed.
      expect(roots.map((text) => JSON.stringify(JSON.parse(text).signed))).toContain(
        JSON.stringify(JSON.parse(verdict.state.root).signed),
      );
    }
  }
}

const fileName = fc.constantFrom(...names);
const changed = (name: string, bytes: Uint8Array): Files => new Map([...honest, [name, bytes]]);

describe('P-12.5: an honest bundle', () => {
  it('counts as it is', () => {
    expect([...wanted.keys()]).toEqual(['firmware', 'model']);
    check(honest);
  });

  it('with any byte of any file changed', () => {
    fc.assert(
      fc.property(fileName, fc.nat(), fc.integer({ min: 1, max: 255 }), (name, at, flip) => {
        const bytes = Uint8Array.from(honest.get(name) ?? []);
        bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ flip;
        check(changed(name, bytes));
      }),
      runs(25),
    );
  });

  it('with any file cut short, or missing', () => {
    fc.assert(
      fc.property(fileName, fc.nat(), (name, at) => {
        const bytes = honest.get(name) ?? new Uint8Array();
        check(changed(name, bytes.subarray(0, at % bytes.length)));
        const files = new Map(honest);
        files.delete(name);
        check(files);
      }),
      runs(12),
    );
  });

  it('with any two files swapped, or one of before in its place', () => {
    fc.assert(
      fc.property(fileName, fileName, (one, other) => {
        const swapped = new Map(honest);
        swapped.set(one, honest.get(other) ?? new Uint8Array());
        swapped.set(other, honest.get(one) ?? new Uint8Array());
        check(swapped);
        check(changed(one, old.get(other) ?? new Uint8Array()));
      }),
      runs(12),
    );
  });

  it('with any JSON in place of a file, or of a value in it', () => {
    fc.assert(
      fc.property(fileName, fc.json({ maxDepth: 6 }), fc.nat(), (name, json, at) => {
        check(changed(name, new Uint8Array(Buffer.from(json))));
        const text = Buffer.from(honest.get(name) ?? []).toString('utf8');
        const values = [...text.matchAll(/:("[^"]*"|\d+|true|false)/g)];
        const value = values[at % values.length];
        if (value === undefined) return;
        const start = (value.index ?? 0) + 1;
        const edited = text.slice(0, start) + json + text.slice(start + (value[1]?.length ?? 0));
        check(changed(name, new Uint8Array(Buffer.from(edited))));
      }),
      runs(15),
    );
  });

  it('with values and names that were changed before all was signed by who holds the online keys', () => {
    const online = fc.constantFrom('timestamp', 'snapshot', 'director', 'director-cameras');
    const odd = fc.oneof(
      fc.json({ maxDepth: 3 }),
      fc.constantFrom(
        '"release-00"',
        '"artifacts/*/*"',
        '["*/*/*"]',
        '0',
        '-1',
        '1e9',
        '"targets"',
        'null',
        '"constructor"',
      ),
    );
    fc.assert(
      fc.property(online, odd, fc.nat(), fc.boolean(), (role, json, at, isName) => {
        made.forge[role] = {
          ...made.forge[role],
          edit: (signed) => {
            const text = JSON.stringify(signed);
            const values = [...text.matchAll(isName ? /("[^"]*"):/g : /:("[^"]*"|\d+|true|false|\[[^\][]*\])/g)];
            const value = values[at % values.length];
            if (value === undefined) return;
            const start = (value.index ?? 0) + (isName ? 0 : 1);
            const put = isName ? JSON.stringify(JSON.stringify(JSON.parse(json)).slice(0, 40)) : json;
            const edited = JSON.parse(text.slice(0, start) + put + text.slice(start + (value[1]?.length ?? 0)));
            for (const key of Object.keys(signed)) delete signed[key];
            Object.assign(signed, edited);
          },
        };
        try {
          check(new Map(made.files()));
        } catch (error) {
          // What canonical JSON cannot write nobody can sign.
          if (!(error instanceof TypeError && /encode/.test(error.message))) throw error;
        } finally {
          const { edit: _, ...rest } = made.forge[role] ?? {};
          made.forge[role] = rest;
        }
      }),
      runs(25),
    );
  });
});

describe('P-12.4: a packed bundle', () => {
  const packed = packBundle(honest);

  it('with any byte changed, or cut short, unpacks or is refused', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 0, max: 255 }), (at, flip) => {
        const bytes = flip === 0 ? packed.slice(0, at % packed.length) : packed.slice();
        if (flip > 0) bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ flip;
        unpacksOrRefused(bytes);
      }),
      runs(100),
    );
  });

  it('of any bytes, packed or not, unpacks or is refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        unpacksOrRefused(bytes);
        unpacksOrRefused(new Uint8Array(deflateSync(bytes)));
      }),
      runs(100),
    );
  });

  function unpacksOrRefused(bytes: Uint8Array): void {
    let files: Files;
    try {
      files = unpackBundle(bytes);
    } catch (error) {
      expect(error).toMatchObject({ code: 'E_TRUST_MALFORMED' });
      return;
    }
    check(files);
  }
});

describe('P-12.5: the models that take each entry once', () => {
  it('read and write what they were given', () => {
    for (const files of [honest, old]) {
      for (const [name, bytes] of files) {
        const value = JSON.parse(Buffer.from(bytes).toString('utf8'));
        const kind = value.signed._type as MetadataKind.Targets;
        checkShape(kind, bytes, name);
        expect(Metadata.fromJSON(kind, value).toJSON()).toEqual(value);
      }
    }
  });

  it('write entries of any name, and keep the order of roles', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.stringMatching(/^[a-z_]{1,9}$/), { maxLength: 6 }), (list) => {
        const head = { spec_version: '1.0.31', version: 1, expires: '2030-01-01T00:00:00Z' };
        const entries = [...list, '__proto__', 'constructor'];
        const meta = Object.fromEntries(entries.map((name) => [name, { version: 1 }]));
        const snapshot = { _type: MetadataKind.Snapshot, ...head, meta, other: [1] };
        expect(JSON.stringify(sorted(Snapshot.fromJSON(snapshot).toJSON()))).toBe(JSON.stringify(sorted(snapshot)));
        const targets = Object.fromEntries(entries.map((name) => [name, { length: 1, hashes: { sha256: 'ab' } }]));
        const file = { _type: MetadataKind.Targets, ...head, targets, other: {} };
        expect(JSON.stringify(sorted(Targets.fromJSON(file).toJSON()))).toBe(JSON.stringify(sorted(file)));
        const roles = list.map((name) => ({ keyids: [], threshold: 1, name, terminating: false, paths: [name] }));
        expect(Delegations.fromJSON({ keys: {}, roles }).toJSON()).toEqual({ keys: {}, roles });
      }),
      runs(50),
    );
  });

  it('refuse what the library refuses', () => {
    const head = { spec_version: '1.0.31', version: 1, expires: '2030-01-01T00:00:00Z' };
    for (const meta of [null, 5, 'x', { a: null }, { a: 5 }, { a: {} }]) {
      expect(() => Snapshot.fromJSON({ ...head, meta })).toThrow();
      expect(() => Targets.fromJSON({ ...head, targets: meta })).toThrow();
    }
    for (const roles of [null, {}, 5, [5], [null], [{}]]) {
      expect(() => Delegations.fromJSON({ keys: {}, roles })).toThrow();
    }
    expect(Snapshot.fromJSON(head).meta['targets.json']?.version).toBe(1);
    expect(Targets.fromJSON(head).targets).toEqual({});
  });

  function sorted(value: unknown): unknown {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, inner]) => [name, sorted(inner)]);
  }
});

describe('P-12.6: time', () => {
  it('of any number unlocks nothing that is expired', () => {
    fc.assert(
      fc.property(fc.double(), (now) => {
        const { rollouts } = verifyBundle(made.state, honest, GROUP, () => now);
        if (!(now < NOW + 30 * DAY)) expect(rollouts).toEqual([]);
      }),
      runs(50),
    );
  });
});
