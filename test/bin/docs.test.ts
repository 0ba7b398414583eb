import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { SETTINGS } from '../../bin/config/settings.js';
import { INTERRUPTED } from '../../bin/lifetime.js';
import { READER_LEFT } from '../../bin/output.js';
import { createProgram } from '../../bin/program.js';
import { EXIT } from '../../shared/errors.js';

/** docs/OPERATIONS.md against the command itself, and every page's links. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const operations = readFileSync(`${root}docs/OPERATIONS.md`, 'utf8');
// The formatter pads cells.
const lines = operations.split('\n').map((line) => line.replace(/ +\|/g, ' |'));
const program = createProgram();
const COMMON = ['--json', '--verbose'];

describe('docs/OPERATIONS.md', () => {
  it.each(program.commands.map((command) => [command.name(), command] as const))(
    'has a row for %s with each of its options and no other',
    (name, command) => {
      const row = lines.find((line) => line.startsWith(`| \`${name}`)) ?? '';
      const options = command.options.filter(({ hidden }) => !hidden).map(({ long }) => long ?? '');
      const documented = [...(row.split('|').at(-2) ?? '').matchAll(/`(--[a-z-]+)`/g)].map(([, option]) => option);
      expect(documented.sort()).toEqual(options.filter((option) => !COMMON.includes(option)).sort());
      for (const argument of command.registeredArguments) expect(row).toContain(`<${argument.name()}>`);
    },
  );

  it('has the table of settings, to the letter', () => {
    for (const { key, environment, flag, meaning, fallback = 'must be given' } of SETTINGS) {
      expect(lines).toContain(`| \`${key}\` | \`${environment}\` | \`${flag}\` | ${meaning} | ${fallback} |`);
    }
    expect(lines.filter((line) => /^\| `[A-Za-z]+` \| `CHUNKMESH_/.test(line))).toHaveLength(SETTINGS.length);
  });

  it('says, as --help does, from what to what a time may be', () => {
    const options = program.commands.find((command) => command.name() === 'agent')?.options ?? [];
    const times = SETTINGS.filter(({ flag }) => flag.endsWith('<ms>'));
    expect(times).toHaveLength(2);
    for (const { flag, meaning } of times) {
      expect(meaning).toContain('50 to 3600000');
      expect(options.find((option) => option.flags === flag)?.description).toContain('50 to 3600000');
    }
  });

  it('has every exit status', () => {
    for (const status of [...Object.values(EXIT), INTERRUPTED, READER_LEFT]) {
      expect(lines.some((line) => line.startsWith(`| ${status} | `))).toBe(true);
    }
  });
});

describe('links', () => {
  const pages = ['README.md', ...readdirSync(`${root}docs`).map((name) => `docs/${name}`)].filter((name) =>
    name.endsWith('.md'),
  );

  it.each(pages)('of %s lead somewhere', (page) => {
    const text = readFileSync(root + page, 'utf8');
    for (const [, target = ''] of text.matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)) {
      const path = fileURLToPath(new URL(target, `file://${root}${page}`));
      expect(existsSync(path), `${page}: ${target}`).toBe(true);
    }
  });
});

describe('docs/THREATS.md', () => {
  const threats = readFileSync(`${root}docs/THREATS.md`, 'utf8');
  const protocol = readFileSync(`${root}docs/PROTOCOL.md`, 'utf8');

  it('cites tests that are there', () => {
    const tests = new Set([...threats.matchAll(/`(test\/[^`]+)`/g)].map(([, path = '']) => path));
    expect(tests.size).toBeGreaterThan(20);
    expect([...tests].filter((path) => !existsSync(`${root}${path}`))).toEqual([]);
  });

  it('cites rules that are there', () => {
    const rules = new Set([...threats.matchAll(/P-\d+\.\d+/g)].map(([rule]) => rule));
    expect([...rules].filter((rule) => !protocol.includes(`**${rule}**`))).toEqual([]);
  });
});
