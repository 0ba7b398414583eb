import { execFile, execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { requirement } from '../support/requirement.js';

const folder = fileURLToPath(new URL('../vectors/', import.meta.url));

function hasPython(): boolean {
  try {
    execFileSync('python3', ['-c', 'pow(2, -1, 5)'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

requirement(
  'python3',
  hasPython(),
  'apt install python3',
)('test/vectors/ed25519.json', () => {
  it('is what ed25519.py makes, by numbers alone', async () => {
    const maxBuffer = 4_000_000;
    const { stdout } = await promisify(execFile)('python3', [`${folder}ed25519.py`], { maxBuffer });
    expect(JSON.parse(stdout)).toEqual(JSON.parse(await readFile(`${folder}ed25519.json`, 'utf8')));
  });
});
