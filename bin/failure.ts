import { CommanderError } from 'commander';
import { ChunkmeshError, type ErrorCode } from '../shared/errors.js';

/** What the command line says when it ends badly: the code, what was wrong, what to do. A stack only where it was asked for. */

export interface FailureOptions {
  readonly json: boolean;
  readonly verbose: boolean;
}

export interface Failure {
  readonly text: string;
  readonly exit: number;
}

/** Every error as one of ours: the parser's is bad input, and what nobody expected is a fault of chunkmesh. */
export function toChunkmeshError(error: unknown): ChunkmeshError {
  if (error instanceof ChunkmeshError) return error;
  if (error instanceof CommanderError) {
    return new ChunkmeshError('E_ARGUMENT', error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' '));
  }
  return new ChunkmeshError('E_INTERNAL', error instanceof Error ? error.message : String(error), { cause: error });
}

/** Said in full by its message: the cause is about how the lock is made, which is nothing that a person could act on. */
const SELF_CONTAINED: readonly ErrorCode[] = ['E_STORE_LOCKED'];

function causeOf(error: ChunkmeshError): string | undefined {
  const { cause } = error;
  if (SELF_CONTAINED.includes(error.code)) return undefined;
  if (!(cause instanceof Error) || cause.message === '' || error.message.includes(cause.message)) return undefined;
  return cause.message.split('\n')[0];
}

function stackOf(error: ChunkmeshError): string | undefined {
  return error.cause instanceof Error ? error.cause.stack : error.stack;
}

/** @returns what belongs on stderr, and the exit status. */
export function describeFailure(thrown: unknown, { json, verbose }: FailureOptions): Failure {
  const error = toChunkmeshError(thrown);
  const cause = causeOf(error);
  const stack = verbose ? stackOf(error) : undefined;
  if (json) {
    const { code, message, remedy } = error;
    const text = JSON.stringify({
      error: { code, message, remedy, ...(cause !== undefined && { cause }), ...(stack !== undefined && { stack }) },
    });
    return { text, exit: error.exit };
  }
  const lines = [`${error.code}: ${error.message}`];
  if (cause !== undefined) lines.push(`cause: ${cause}`);
  lines.push(`what to do: ${error.remedy}`);
  if (stack !== undefined) lines.push(stack);
  return { text: lines.join('\n'), exit: error.exit };
}
