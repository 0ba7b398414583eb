import { readdir, readFile } from 'node:fs/promises';
import { vi } from 'vitest';

/** The command lines of all processes that name `text`, by Linux's /proc. */
export async function processesNaming(text: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    // One that has just ended is not there any more.
    const line = await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '');
    if (line.includes(text)) found.push(line.replaceAll('\0', ' ').trim());
  }
  return found;
}

/** Resolves when no process names `text` any more. */
export async function nobodyNames(text: string, timeout = 15_000): Promise<void> {
  await vi.waitFor(
    async () => {
      const left = await processesNaming(text);
      if (left.length > 0) throw new Error(`still running: ${left.join('\n')}`);
    },
    { timeout, interval: 100 },
  );
}
