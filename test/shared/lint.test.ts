import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** The lint rules that hold the layers: each is planted once and must be found. */

const root = fileURLToPath(new URL('../..', import.meta.url));
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'chunkmesh-lint-'));
  cpSync(join(root, 'biome.json'), join(folder, 'biome.json'));
  cpSync(join(root, 'lint'), join(folder, 'lint'), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function findings(path: string, source: string): string {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, source);
  try {
    execFileSync(
      process.execPath,
      [join(root, 'node_modules/@biomejs/biome/bin/biome'), 'lint', '--vcs-enabled=false', path],
      {
        cwd: folder,
        stdio: 'pipe',
      },
    );
    return '';
  } catch (error) {
    const { stdout, stderr } = error as { stdout: Buffer; stderr: Buffer };
    return `${stdout}${stderr}`;
  } finally {
    rmSync(file);
  }
}

/** How many findings there are of a rule. */
const countOf = (rule: string, found: string): number => found.split(`lint/style/${rule}`).length - 1;

const use = (module: string): string => `import * as it from '${module}';\n\nexport const used = it;\n`;

describe('imports go one way', () => {
  it.each([
    ['broker/a.ts', '../agent/agent.js'],
    ['agent/a.ts', '../broker/index.js'],
    ['agent/a.ts', '../bin/output.js'],
    ['broker/a.ts', '../bin/output.js'],
    ['shared/a.ts', '../agent/agent.js'],
    ['shared/control/a.ts', '../../broker/index.js'],
    ['agent/swarm/a.ts', '../io/endpoint.js'],
    ['agent/integrity/a.ts', '../io/endpoint.js'],
    ['agent/alerts/a.ts', '../io/endpoint.js'],
    ['agent/transport/a.ts', '../io/endpoint.js'],
    ['agent/transport/a.ts', '../../broker/index.js'],
  ])('%s may not import %s', (path, module) => {
    expect(findings(path, use(module))).toContain('noRestrictedImports');
  });

  it.each([
    ['agent/a.ts', '../shared/errors.js'],
    ['agent/a.ts', './io/endpoint.js'],
    ['agent/swarm/a.ts', '../../shared/limits.js'],
    ['bin/a.ts', '../agent/agent.js'],
  ])('%s may import %s', (path, module) => {
    expect(findings(path, use(module))).toBe('');
  });
});

describe('pure rooms know no world', () => {
  const rooms = ['agent/transport', 'agent/swarm', 'agent/store', 'shared/wire', 'shared/control', 'shared/artifact'];
  const modules = ['node:fs', 'node:fs/promises', 'node:dgram', 'node:net', 'node:timers', 'node:process', 'mqtt'];

  it.each(rooms)('%s imports no socket, file or timer', (room) => {
    const imports = modules.map((module, i) => `import * as it${i} from '${module}';\n`).join('');
    const random = "import { randomBytes } from 'node:crypto';\n";
    const used = `\nexport const used = [randomBytes, ${modules.map((_, i) => `it${i}`).join(', ')}];\n`;
    expect(countOf('noRestrictedImports', findings(`${room}/a.ts`, imports + random + used))).toBe(modules.length + 1);
    const hash = "import { createHash } from 'node:crypto';\n\nexport const used = createHash;\n";
    expect(findings(`${room}/a.ts`, hash)).toBe('');
  });

  it.each(rooms)('%s reads no clock and no environment', (room) => {
    const names = ['Date.now()', 'performance.now()', 'setTimeout', 'setImmediate', 'process.env.HOME'];
    const found = findings(`${room}/a.ts`, `export const used = [${names.join(', ')}];\n`);
    expect(countOf('noRestrictedGlobals', found)).toBe(names.length);
  });

  it('nobody calls Math.random', () => {
    for (const room of ['agent', 'broker', 'shared', 'bin', 'test']) {
      expect(findings(`${room}/a.ts`, 'export const used = Math.random();\n')).toContain('Math.random');
    }
  });
});
