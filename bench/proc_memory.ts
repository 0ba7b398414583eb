import { readFileSync } from 'node:fs';

/**
 * proc(5), of a process that runs: the most memory it ever had, or what it has now. Bytes. What getrusage(2) tells of the most has also that
 * of the process that started it.
 */
export function memoryOf(pid: number | undefined, row: 'VmHWM' | 'VmRSS'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${row}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * 1024;
}
