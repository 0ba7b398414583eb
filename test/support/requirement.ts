import { describe, test } from 'vitest';

/**
 * A `describe` for tests that need something of the machine. Where it is missing they are skipped by name; with
 * CHUNKMESH_CI=1 they fail instead, so that no run of the pipeline passes by skipping.
 * @param name what is needed, as `a tmpfs`.
 * @param how how a person provides it.
 */
export function requirement(name: string, present: boolean, how: string): (title: string, body: () => void) => void {
  if (present) return (title, body) => describe(title, body);
  if (process.env.CHUNKMESH_CI !== '1') {
    return (title, body) => describe.skip(`${title} [needs ${name}: ${how}]`, body);
  }
  return (title) => {
    test(title, () => {
      throw new Error(`CHUNKMESH_CI=1 allows no skip, and ${name} is missing: ${how}`);
    });
  };
}
