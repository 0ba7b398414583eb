import { type Logger, pino } from 'pino';
import { systemCode } from '../shared/errors.js';
import { printable, printableCell } from './printable.js';

/** The agent's log, on stderr: JSON lines for a collector, one readable line each for a person at a terminal. */

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Fields that pino adds to every line and that a person at a terminal knows already. */
const KNOWN = new Set(['level', 'time', 'pid', 'hostname', 'msg', 'err']);

/** Characters of a cause: what went wrong, and not all that a server sent. */
const MAX_CAUSE = 500;

/** Its code and message alone: Node hangs packets and certificates on its errors, which are whatever the other side sent. */
function causeOf(cause: unknown): { code?: string; message: string } {
  const code = systemCode(cause)?.slice(0, MAX_CAUSE);
  const message = cause instanceof Error ? cause.message : typeof cause === 'string' ? cause : typeof cause;
  return { ...(code !== undefined && { code }), message: message.slice(0, MAX_CAUSE) };
}

/** A line of pino's as `12:00:01 info  message key=value`; unchanged where it is not one. */
export function readableLine(json: string): string {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(json) as Record<string, unknown>;
  } catch {
    return json;
  }
  const time = new Date(Number(entry.time)).toISOString().slice(11, 19);
  const level = (pino.levels.labels[Number(entry.level)] ?? '').padEnd(5);
  const fields = Object.entries(entry)
    .filter(([key]) => !KNOWN.has(key))
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return printableCell([time, level, String(entry.msg ?? ''), ...fields].join(' ').trimEnd());
}

export function createLogger(level: LogLevel, readable = process.stderr.isTTY === true): Logger {
  const show = readable ? readableLine : (json: string): string => json;
  return pino(
    { level, serializers: { cause: causeOf } },
    { write: (json) => void process.stderr.write(`${printable(show(json.trimEnd()))}\n`) },
  );
}
