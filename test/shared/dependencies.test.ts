import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

interface Manifest {
  readonly license?: string;
  readonly engines?: { readonly node?: string };
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const manifest = JSON.parse(read('package.json')) as Manifest;
const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, Manifest> };
const sections = read('docs/DEPENDENCIES.md').split('\n## ').slice(1);

const rowsOf = (section = ''): string[][] =>
  section
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .map((cell) => cell.trim())
        .slice(1, -1),
    );

describe('docs/DEPENDENCIES.md', () => {
  it.each([
    ['At run time', manifest.dependencies, sections[0]],
    ['Where it loads', manifest.optionalDependencies, sections[1]],
    ['To build and test', manifest.devDependencies, sections[2]],
  ])('%s: each package of package.json and no other, with its licence and a reason', (title, wanted = {}, section) => {
    expect(section?.startsWith(`${title}\n`)).toBe(true);
    const rows = rowsOf(section);
    expect(rows.map(([name]) => name).sort()).toEqual(
      Object.keys(wanted)
        .map((name) => `\`${name}\``)
        .sort(),
    );
    for (const [name = '', licence, alive, reason = ''] of rows) {
      expect(licence).toBe(lock.packages[`node_modules/${name.slice(1, -1)}`]?.license);
      expect(['yes', 'finished']).toContain(alive);
      expect(reason.length).toBeGreaterThan(4);
    }
  });
});

describe('the lock file', () => {
  it('names no package host, so that it installs from any registry', () => {
    expect(read('package-lock.json')).not.toMatch(/"resolved"/);
  });
});
