import { join } from '../../agent/enrolment/join.js';
import { MAX_TOKEN_CHARACTERS } from '../../shared/enrolment/token.js';
import { ChunkmeshError } from '../../shared/errors.js';
import { readPrivateFile } from '../../shared/identity/bundle.js';
import type { JoinFlags } from '../commands/join.js';
import { createLogger } from '../log.js';
import { output } from '../output.js';

/** NAME_MAX of Linux; a token is ten times as long. */
const MAX_PATH_CHARACTERS = 255;

export async function runJoin(device: string, flags: JoinFlags): Promise<void> {
  const { bundle, key, broker, timeout, json } = flags;
  const token = await readTokenText(flags.token);
  const logger = createLogger('warn');
  const { identity, notAfter } = await join({
    ...{ device, token, bundle, timeoutMs: timeout * 1000, now: () => Date.now() / 1000 },
    ...(key !== undefined && { key }),
    ...(broker !== undefined && { broker }),
    waiting: ({ code, message }) => logger.warn({ code }, message),
  });
  if (json) output.json({ bundle, ...identity, notAfter });
  else output.line(bundle);
}

async function readTokenText(from: string | undefined): Promise<string> {
  if (from === '-') return await readStdin();
  if (from !== undefined) {
    // The likeliest mistake, and what was typed would be shown by the error of a file that is not there.
    if (from.length > MAX_PATH_CHARACTERS) {
      const given = 'the token itself was given: as an argument everyone on this machine could read it';
      throw new ChunkmeshError('E_ARGUMENT', `${given}. Make another, and give a file, - or CHUNKMESH_TOKEN`);
    }
    return await readPrivateFile(from);
  }
  const text = process.env.CHUNKMESH_TOKEN;
  if (text !== undefined && text !== '') return text;
  throw new ChunkmeshError('E_ARGUMENT', 'no token: give --token <file>, --token - or CHUNKMESH_TOKEN');
}

async function readStdin(): Promise<string> {
  let text = '';
  for await (const part of process.stdin.setEncoding('utf8')) {
    text += String(part);
    if (text.length > MAX_TOKEN_CHARACTERS) throw new ChunkmeshError('E_TOKEN_INVALID', 'stdin has more than a token');
  }
  return text;
}
