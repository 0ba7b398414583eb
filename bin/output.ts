import { systemCode } from '../shared/errors.js';

/** The one door to the terminal: data goes to stdout, what is said about it to stderr. */

export interface Output {
  /** One line of data. */
  line(text: string): void;
  /** One JSON value, on one line. */
  json(value: unknown): void;
  /** One line for a person, beside the data. */
  note(text: string): void;
}

export const output: Output = {
  line: (text) => void process.stdout.write(`${text}\n`),
  json: (value) => void process.stdout.write(`${JSON.stringify(value)}\n`),
  note: (text) => void process.stderr.write(`${text}\n`),
};

/** A reader may go away before the writer is done (`| head -1`): that is no fault, and a daemon must survive it. */
export function guardOutput(whenReaderLeft: () => void): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (systemCode(error) !== 'EPIPE') throw error;
      whenReaderLeft();
    });
  }
}
