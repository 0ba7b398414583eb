import { CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { describeFailure } from '../../bin/failure.js';
import { ChunkmeshError } from '../../shared/errors.js';

const plain = { json: false, verbose: false };

describe('describeFailure', () => {
  const refused = new ChunkmeshError('E_ID', 'device id "a b" breaks the pattern');

  it('says the code, what was wrong, and what to do', () => {
    expect(describeFailure(refused, plain)).toEqual({
      text: 'E_ID: device id "a b" breaks the pattern\nwhat to do: Use 1 to 64 of A-Z, a-z, 0-9, _ and -.',
      exit: 2,
    });
  });

  it('is one line of JSON with --json', () => {
    const { text } = describeFailure(refused, { json: true, verbose: false });
    expect(text).not.toContain('\n');
    expect(JSON.parse(text)).toEqual({
      error: { code: 'E_ID', message: refused.message, remedy: 'Use 1 to 64 of A-Z, a-z, 0-9, _ and -.' },
    });
  });

  it('names a cause that the message does not', () => {
    const error = new ChunkmeshError('E_STORE_IO', '/store', { cause: new Error('EIO: i/o error, write') });
    expect(describeFailure(error, plain).text).toContain('\ncause: EIO: i/o error, write\n');
    const said = new ChunkmeshError('E_STORE_IO', 'EIO', { cause: new Error('EIO') });
    expect(describeFailure(said, plain).text).not.toContain('cause:');
  });

  it('keeps the address of a lock to itself', () => {
    const cause = new Error('listen EADDRINUSE: address already in use \0chunkmesh/store/1:2');
    const error = new ChunkmeshError('E_STORE_LOCKED', '/store is used by another agent', { cause });
    expect(describeFailure(error, plain).text).toMatch(
      /^E_STORE_LOCKED: \/store is used by another agent\nwhat to do: /,
    );
    expect(describeFailure(error, { json: true, verbose: false }).text).not.toContain('EADDRINUSE');
  });

  it('turns what commander refuses into bad input', () => {
    const error = new CommanderError(
      1,
      'commander.unknownOption',
      "error: unknown option '--foo'\n(Did you mean --for?)",
    );
    expect(describeFailure(error, plain)).toEqual({
      text: "E_ARGUMENT: unknown option '--foo' (Did you mean --for?)\nwhat to do: See the --help of the command.",
      exit: 2,
    });
  });

  it('shows a stack only where it is asked for', () => {
    const fault = new TypeError('x is not a function');
    expect(describeFailure(fault, plain).text).toMatch(/^E_INTERNAL: x is not a function\n/);
    expect(describeFailure(fault, plain).text).not.toContain('failure.test.ts');
    expect(describeFailure(fault, { json: false, verbose: true }).text).toContain('failure.test.ts');
    expect(describeFailure(fault, plain).exit).toBe(1);
  });
});
