import { formatBytes, formatRate, formatSeconds } from '../units.js';
import { type Course, type DeviceCourse, isComplete, quarters } from './course.js';

/** The demo where there is no terminal: one line for each device at each quarter, and when it is complete. Pure. */

const PERCENT_OF_QUARTER = 25;

function describe(one: DeviceCourse): string {
  if (isComplete(one)) {
    const sources = `${formatBytes(one.fromSeed)} from the seed, ${formatBytes(one.fromPeers)} from peers`;
    return `${one.device}: complete after ${formatSeconds(one.seconds ?? 0)}, ${sources}`;
  }
  const percent = quarters(one) * PERCENT_OF_QUARTER;
  return `${one.device}: ${percent} %, ${formatRate(one.bytesPerSecond)}, peers ${one.peers}`;
}

/** What is worth a line between two states. */
export function courseLines(before: Course, after: Course): string[] {
  const lines: string[] = [];
  for (const one of after.values()) {
    const was = before.get(one.device);
    if (was === undefined) continue;
    if (quarters(one) > quarters(was)) lines.push(describe(one));
    if (one.failure !== undefined && was.failure === undefined) lines.push(`${one.device}: failed: ${one.failure}`);
    if (one.sha256Ok !== undefined && was.sha256Ok === undefined) {
      lines.push(`${one.device}: its file is ${one.sha256Ok ? 'right' : 'WRONG'} (SHA-256)`);
    }
  }
  return lines;
}
