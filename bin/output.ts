import { ChunkmeshError, systemCode } from '../shared/errors.js';
import { printable } from './printable.js';

/** The one door to the terminal: data goes to stdout, what is said about it to stderr, and none of it is obeyed. */

/** ECMA-48: cursor home, erase to the end. */
const REDRAW = '\u001b[H\u001b[J';

/** The shell's convention for a death by SIGPIPE: who wrote for a reader that left was not done. */
export const READER_LEFT = 141;

export interface Output {
  /** One line of data. */
  line(text: string): void;
  /** One JSON value, on one line. */
  json(value: unknown): void;
  /** Data in place of what the terminal shows. */
  screen(text: string): void;
  /** One line for a person, beside the data. */
  note(text: string): void;
}

export const output: Output = {
  line: (text) => void process.stdout.write(`${printable(text)}\n`),
  json: (value) => void process.stdout.write(`${printable(JSON.stringify(value))}\n`),
  screen: (text) => void process.stdout.write(`${REDRAW}${printable(text)}\n`),
  note: (text) => void process.stderr.write(`${printable(text)}\n`),
};

/** A reader may go away before the writer is done (`| head -1`), and a disk may be full. */
export interface StdoutGuard {
  readerLeft(): void;
  failed(error: ChunkmeshError): void;
}

export function guardOutput({ readerLeft, failed }: StdoutGuard): void {
  // What is said beside the data is worth no command: it goes on unheard.
  process.stderr.on('error', () => {});
  process.stdout.on('error', (cause) => {
    const code = systemCode(cause) ?? 'cannot be written';
    if (code === 'EPIPE') readerLeft();
    else failed(new ChunkmeshError('E_STORE_IO', `standard output: ${code}`, { cause }));
  });
}

/** Resolves when stdout has taken, or refused, what was written: an exit before that would hide the refusal. */
export async function flushed(): Promise<void> {
  await new Promise<void>((resolve) => {
    process.stdout.write('', () => resolve());
  });
}
