import { once } from 'node:events';
import { connect } from 'node:net';
import { checkAlert } from '../../agent/alerts/alert_line.js';
import { ChunkmeshError, ERROR_TABLE, type ErrorCode, systemCode } from '../../shared/errors.js';
import type { AlertFlags } from '../commands/alert.js';
import { output } from '../output.js';

/** A disk that is slow is waited for, an agent that hangs is not. */
const PATIENCE_MS = 15_000;
/** Of an answer; the agent's has no more. */
const MAX_ANSWER_BYTES = 4_096;

export async function runAlert(kind: string, text: string, { socket, json }: AlertFlags): Promise<void> {
  const alert = checkAlert({ kind, text });
  const answer = await ask(socket, `${JSON.stringify(alert)}\n`);
  const [, number] = /^ok (\d{1,16})$/.exec(answer) ?? [];
  if (number === undefined) throw refusal(answer);
  if (json) output.json({ n: Number(number), ...alert });
  else output.line(`alert ${number}`);
}

/** @throws E_SOCKET, E_TIMEOUT */
async function ask(path: string, line: string): Promise<string> {
  const socket = connect(path);
  const patience = AbortSignal.timeout(PATIENCE_MS);
  let heard = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    heard += text;
    if (heard.includes('\n') || heard.length > MAX_ANSWER_BYTES) socket.destroy();
  });
  try {
    socket.write(line);
    await once(socket, 'close', { signal: patience });
  } catch (cause) {
    if (patience.aborted)
      throw new ChunkmeshError('E_TIMEOUT', `no answer on ${path} in ${PATIENCE_MS / 1000} s`, { cause });
    // One that was refused for want of a place may have been told before what it said was read.
    if (heard === '')
      throw new ChunkmeshError(
        'E_SOCKET',
        `${path}: ${systemCode(cause) ?? 'it failed'}; does the agent run, with --alerts?`,
        { cause },
      );
  } finally {
    socket.destroy();
  }
  return heard.split('\n', 1)[0] ?? '';
}

function refusal(answer: string): ChunkmeshError {
  const [, code = '', detail = ''] = /^error ([A-Z_]{1,64}) ?(.*)$/.exec(answer) ?? [];
  if (Object.hasOwn(ERROR_TABLE, code)) return new ChunkmeshError(code as ErrorCode, detail);
  return new ChunkmeshError(
    'E_SOCKET',
    answer === '' ? 'the agent closed the connection without an answer' : 'the answer is none of an agent',
  );
}
