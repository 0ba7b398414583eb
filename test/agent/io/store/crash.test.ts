import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Store } from '../../../../agent/io/store/store.js';
import { Command } from '../../../support/command.js';
import { compileProgram } from '../../../support/compile_program.js';
import { coded, Sample, temporaryFolder } from '../../../support/store_fixture.js';

const PROGRAM = 'test/agent/io/store/store_child.ts';
/** Chunks that the child may write beyond those that were read of it, until it is killed: never the last one, however late that is. */
const LEAD = 16;

function start(...args: readonly string[]): Command {
  const child = new Command(args, { program: process.execPath });
  onTestFinished(async () => void (await child.kill()));
  return child;
}

describe('the lock', () => {
  it('refuses a second agent, and is free as soon as the first is killed', async () => {
    const dir = await temporaryFolder();
    const program = await compileProgram(PROGRAM, await temporaryFolder());
    const first = start(program, dir);
    expect(await first.line()).toBe('open');
    const second = start(program, dir);
    expect(await second.line()).toBe('E_STORE_LOCKED');
    await expect(Store.open(dir)).rejects.toThrow(coded('E_STORE_LOCKED'));
    await first.kill();
    const third = start(program, dir);
    expect(await third.line()).toBe('open');
  }, 30_000);
});

describe('kill -9', () => {
  it('P-9.8: costs nothing that was reported written, whenever it comes, and the artifact completes', async () => {
    // On a real disk, where there is one.
    const dir = await temporaryFolder(tmpdir());
    const size = 8 * 2 ** 20;
    const sample = await Sample.make('crash', size);
    const program = await compileProgram(PROGRAM, await temporaryFolder());
    const written = new Set<number>();
    // Chunks after which the process is killed while it goes on writing: at once, early, in the middle.
    for (const lines of [0, 1, 7, 23]) {
      const child = start(program, dir, 'crash', `${size}`, `${lines + LEAD}`);
      expect(await child.line()).toBe('open');
      const held = Number((await child.line()).replace('held ', ''));
      expect(held).toBeGreaterThanOrEqual(written.size);
      expect(held + lines + LEAD).toBeLessThan(sample.index.chunkCount);
      for (let i = 0; i < lines; i++) written.add(Number((await child.line()).replace('wrote ', '')));
      await child.kill();
    }
    const store = await Store.open(dir);
    const stored = await sample.openIn(store);
    for (const i of written) expect(stored.held.get(i)).toBe(true);
    const into = Buffer.alloc(262_144);
    for (const i of [...stored.held.held()]) expect(await stored.readChunk(i, into)).toBe(true);
    await store.close();
    const last = start(program, dir, 'crash', `${size}`);
    expect(await last.line()).toBe('open');
    let line = await last.line();
    while (line.startsWith('held ') || line.startsWith('wrote ')) line = await last.line();
    expect(line).toBe('finished');
    expect((await readFile(join(dir, 'ready/firmware/1.0.0'))).equals(sample.bytes)).toBe(true);
  }, 60_000);
});
