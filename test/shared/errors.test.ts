import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ChunkmeshError, ERROR_TABLE, type ErrorCode, EXIT, systemCode } from '../../shared/errors.js';

const page = readFileSync(new URL('../../docs/ERRORS.md', import.meta.url), 'utf8');
// The formatter pads cells.
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| `E_'))
  .map((line) => line.replace(/ +\|/g, ' |'));
const codes = Object.keys(ERROR_TABLE) as ErrorCode[];

const rowOf = (code: ErrorCode): string => {
  const { exit, retryable, remedy } = ERROR_TABLE[code];
  return `| \`${code}\` | ${exit} | ${retryable ? 'yes' : 'no'} | ${remedy} |`;
};

describe('docs/ERRORS.md', () => {
  it.each(codes)('has the row of %s, to the letter', (code) => {
    expect(rows).toContain(rowOf(code));
  });

  it('has no row but those of the table, in the same order', () => {
    expect(rows).toEqual(codes.map(rowOf));
  });
});

describe('ChunkmeshError', () => {
  it('carries what the table says, and its cause', () => {
    const cause = new Error('ENOSPC');
    const error = new ChunkmeshError('E_DISK_FULL', '/store', { cause });
    expect(error).toMatchObject({
      name: 'ChunkmeshError',
      code: 'E_DISK_FULL',
      message: '/store',
      retryable: true,
      cause,
    });
    expect(error.exit).toBe(EXIT.world);
    expect(error.remedy).toBe(ERROR_TABLE.E_DISK_FULL.remedy);
  });

  it('has for each code a remedy that is a sentence, and an exit status that is one of ours', () => {
    for (const { remedy, exit } of Object.values(ERROR_TABLE)) {
      expect(remedy).toMatch(/^.{10,}[.]$/s);
      expect(Object.values(EXIT)).toContain(exit);
      expect(exit).not.toBe(EXIT.done);
    }
  });
});

describe('systemCode', () => {
  it('is the code of a system error, and nothing of anything else', () => {
    expect(systemCode(Object.assign(new Error('x'), { code: 'ENOENT' }))).toBe('ENOENT');
    expect(systemCode(Object.assign(new Error('x'), { code: 7 }))).toBeUndefined();
    expect(systemCode({ code: 'ENOENT' })).toBeUndefined();
    expect(systemCode(undefined)).toBeUndefined();
  });
});
