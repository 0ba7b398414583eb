import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify, stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';

const SOURCE = fileURLToPath(new URL('../../../agent/io/small_heap.ts', import.meta.url));
const MIB = 2 ** 20;

/** What the space for young objects has after many that live for a while, in a process of its own. */
async function youngBytes(prepare: string): Promise<number> {
  const program = `
    const { setFlagsFromString, getHeapSpaceStatistics } = require('node:v8');
    ${prepare}
    const kept = [];
    for (let i = 0; i < 2e6; i++) kept[i % 200000] = { i, more: [i] };
    const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
    process.stdout.write(String(young.space_size));`;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['-e', program]);
  expect(stripVTControlCharacters(stderr)).toBe('');
  return Number(stdout);
}

it('keeps the space for young objects small, by a flag that this version of Node has', async () => {
  const call = /setFlagsFromString\('--.+'\)/.exec(await readFile(SOURCE, 'utf8'))?.[0] ?? '';
  expect(call).not.toBe('');
  expect(await youngBytes(`${call};`)).toBeLessThanOrEqual(4 * MIB);
  expect(await youngBytes('')).toBeGreaterThan(8 * MIB);
});
