import { DelegatedRole } from '@tufjs/models/dist/role.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPattern, SoughtPath } from '../../../shared/trust/patterns.js';
import { runs } from '../../support/runs.js';

/** Patterns reach what the library has them reach (P-12.5). */

describe('P-12.5: patterns', () => {
  const part = fc.stringMatching(/^[a-c.+_-]{0,3}$/);
  const segment = fc.oneof(
    part,
    fc.tuple(part, part).map(([head, tail]) => `${head}*${tail}`),
  );
  const path = fc.array(fc.stringMatching(/^[a-c+_-][a-c.+_-]{0,4}$/), { minLength: 1, maxLength: 3 });

  it('that are taken reach what the library has them reach', () => {
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 3 }), path, (segments, sought) => {
        const pattern = segments.join('/');
        fc.pre(isPattern(pattern));
        const role = new DelegatedRole({ name: 'r', keyIDs: [], threshold: 1, terminating: true, paths: [pattern] });
        const text = sought.join('/');
        expect(new SoughtPath(text).isReachedBy(role), `${text} by ${pattern}`).toBe(role.isDelegatedPath(text));
      }),
      runs(400),
    );
  });

  it('by hash reach what the library has them reach', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9a-f]{1,2}$/), path, (prefix, sought) => {
        const text = sought.join('/');
        const role = new DelegatedRole({
          ...{ name: 'r', keyIDs: [], threshold: 1, terminating: true },
          pathHashPrefixes: [prefix],
        });
        expect(new SoughtPath(text).isReachedBy(role)).toBe(role.isDelegatedPath(text));
      }),
      runs(200),
    );
  });
});
