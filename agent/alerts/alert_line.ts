import { z } from 'zod';
import { isId } from '../../shared/control/ids.js';
import { ChunkmeshError } from '../../shared/errors.js';
import { MAX_ALERT_TEXT } from '../../shared/limits.js';

/** One line of the alert socket (P-15.8). Pure: bytes in, an alert out. */

/** With its text at the longest, all of it escaped twice. What is longer is no alert. */
export const MAX_LINE_BYTES = 1_024;

export interface Alert {
  /** P-1.1: what happened, as `tamper`. */
  readonly kind: string;
  /** Printable ASCII, at most 256. */
  readonly text: string;
}

const PRINTABLE = /^[ -~]*$/;
const schema = z.object({ kind: z.string(), text: z.string().optional() });

/**
 * A JSON object `{"kind": .., "text": ..}`, or the kind, a space, and the text.
 * @param line without its end @throws E_ALERT
 */
export function parseAlert(line: string): Alert {
  const trimmed = line.trim();
  if (trimmed.startsWith('{')) return checkAlert(ofJson(trimmed));
  const [kind = ''] = trimmed.split(/\s/, 1);
  return checkAlert({ kind, text: trimmed.slice(kind.length).trim() });
}

/** @throws E_ALERT */
export function checkAlert({ kind, text }: Alert): Alert {
  if (!isId(kind)) throw new ChunkmeshError('E_ALERT', `the kind ${JSON.stringify(kind.slice(0, 80))} breaks P-1.1`);
  if (!PRINTABLE.test(text)) throw new ChunkmeshError('E_ALERT', 'the text is not printable ASCII');
  if (text.length > MAX_ALERT_TEXT) {
    throw new ChunkmeshError('E_ALERT', `the text has ${text.length} characters, more than ${MAX_ALERT_TEXT}`);
  }
  return { kind, text };
}

function ofJson(text: string): Alert {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ChunkmeshError('E_ALERT', 'it begins as JSON and is none');
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new ChunkmeshError('E_ALERT', 'it is not {"kind": "..", "text": ".."}');
  return { kind: parsed.data.kind, text: parsed.data.text ?? '' };
}

/** What came of a connection, cut into lines; never more kept than one line may have. */
export class LineCutter {
  #rest = Buffer.alloc(0);

  /** @returns the lines that are whole now, without their ends; null where one is too long, after which nothing more is cut. */
  push(bytes: Uint8Array): string[] | null {
    const lines: string[] = [];
    for (let from = 0; from < bytes.length; ) {
      const end = bytes.indexOf(0x0a, from);
      const part = bytes.subarray(from, end < 0 ? bytes.length : end);
      if (this.#rest.length + part.length > MAX_LINE_BYTES) return null;
      this.#rest = Buffer.concat([this.#rest, part]);
      if (end < 0) return lines;
      lines.push(this.#take());
      from = end + 1;
    }
    return lines;
  }

  /** What came after the last line's end, once nothing more comes. */
  end(): string | undefined {
    return this.#rest.length === 0 ? undefined : this.#take();
  }

  #take(): string {
    const line = this.#rest.toString('utf8');
    this.#rest = Buffer.alloc(0);
    return line;
  }
}
