import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import ts from 'typescript';
import { ROOT } from './command.js';

const RELATIVE_IMPORT = /from '(\.[^']+)\.js'/g;

/**
 * Compiles a TypeScript program and what it imports into `folder`, for tests that need a real process to kill. Gives the
 * path of the JavaScript. @param entry path from the repository's root.
 */
export async function compileProgram(entry: string, folder: string): Promise<string> {
  const done = new Set<string>();
  const compile = async (path: string): Promise<void> => {
    if (done.has(path)) return;
    done.add(path);
    const source = await readFile(path, 'utf8');
    const { module, target } = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 };
    const { outputText } = ts.transpileModule(source, {
      compilerOptions: { module, target, verbatimModuleSyntax: true },
    });
    const out = join(folder, relative(ROOT, path)).replace(/\.ts$/, '.js');
    await mkdir(dirname(out), { recursive: true });
    await writeFile(out, outputText);
    // From the output: imports of types alone are gone there.
    for (const [, found] of outputText.matchAll(RELATIVE_IMPORT))
      await compile(`${resolve(dirname(path), `${found}`)}.ts`);
  };
  await compile(join(ROOT, entry));
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return join(folder, entry).replace(/\.ts$/, '.js');
}
