import { readdirSync, readFileSync } from 'node:fs';
import { vi } from 'vitest';

/** The command lines of all processes that name `text`, by Linux's /proc. In one go: a busy machine takes seconds between reads. */
export function processesNaming(text: string): string[] {
  const found: string[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    const line = commandLine(entry);
    if (line.includes(text)) found.push(line.replaceAll('\0', ' ').trim());
  }
  return found;
}

/** Of one that has just ended: nothing. */
function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

/** Resolves when no process names `text` any more. */
export async function nobodyNames(text: string, timeout = 15_000): Promise<void> {
  await vi.waitFor(
    () => {
      const left = processesNaming(text);
      if (left.length > 0) throw new Error(`still running: ${left.join('\n')}`);
    },
    { timeout, interval: 100 },
  );
}
