import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { newCourse } from '../../bin/demo/course.js';
import { BarsView } from '../../bin/demo/view.js';
import { describeFailure } from '../../bin/failure.js';
import { createLogger, readableLine } from '../../bin/log.js';
import { output } from '../../bin/output.js';
import { printable, printableCell } from '../../bin/printable.js';
import { formatStatus } from '../../bin/status_table.js';
import type { DeviceRow, RolloutRow } from '../../broker/status/device_row.js';
import { ChunkmeshError } from '../../shared/errors.js';

/** Erases the line, names the window, comes as one byte of C1, turns the line around, separates lines: none of it may get through. */
const HOSTILE = '\u001b[2K\r\u001b]0;pwned\u0007\u009b2J\u007f\u0000\u202e\u2066\u200f\u061c\u2028';
const OBEYED = /(?![\n\t])[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u;

afterEach(() => {
  vi.restoreAllMocks();
});

/** What the two streams of this process get. */
function listen(): { stdout: string[]; stderr: string[] } {
  const heard = { stdout: [] as string[], stderr: [] as string[] };
  for (const name of ['stdout', 'stderr'] as const) {
    vi.spyOn(process[name], 'write').mockImplementation((text) => heard[name].push(String(text)) > 0);
  }
  return heard;
}

describe('printable', () => {
  it('leaves text as it is, in any language, with its lines and tabs', () => {
    const text = 'Müller 日本 👩‍🚀 ٣\n\tend';
    expect(printable(text)).toBe(text);
    expect(printableCell(text)).toBe('Müller 日本 👩‍🚀 ٣\\u000a\\u0009end');
  });

  it('shows what a terminal would obey as JSON writes it', () => {
    expect(printable('\u001b[2K\r\u009b')).toBe('\\u001b[2K\\u000d\\u009b');
    expect(printable(HOSTILE)).not.toMatch(OBEYED);
    expect(JSON.parse(printable(JSON.stringify(HOSTILE)))).toBe(HOSTILE);
  });
});

describe('the doors to the terminal', () => {
  it.each(['line', 'note'] as const)('output.%s', (door) => {
    const { stdout, stderr } = listen();
    output[door](`a${HOSTILE}b\nc`);
    const [text = ''] = door === 'line' ? stdout : stderr;
    expect(text).not.toMatch(OBEYED);
    expect(text.split('\n')).toHaveLength(3);
  });

  it('output.json gives back what it was given', () => {
    const { stdout } = listen();
    output.json({ text: HOSTILE });
    expect(stdout.join('')).not.toMatch(OBEYED);
    expect(JSON.parse(stdout.join(''))).toEqual({ text: HOSTILE });
  });

  it('output.screen draws anew and obeys nothing else', () => {
    const { stdout } = listen();
    output.screen(HOSTILE);
    expect(stdout.join('').replace('\u001b[H\u001b[J', '')).not.toMatch(OBEYED);
  });

  it.each([true, false])('the log (readable: %s)', (readable) => {
    const { stderr } = listen();
    createLogger('warn', readable).warn({ topic: `t${HOSTILE}\n` }, `refused${HOSTILE}`);
    expect(stderr.join('')).toContain('refused');
    expect(stderr.join('').trimEnd()).not.toMatch(OBEYED);
    expect(stderr.join('').trimEnd()).not.toContain('\n');
  });

  it.each([true, false])(
    'the log says code and message of a cause, and nothing that hangs on it (readable: %s)',
    (readable) => {
      const { stderr } = listen();
      const hung = { rawPacket: Buffer.from('packet'), cert: { subject: 'subject' }, code: 'HPE_INVALID' };
      const cause = Object.assign(new Error(`why${'y'.repeat(10_000)}`), hung);
      const log = createLogger('warn', readable);
      log.warn({ cause }, 'refused');
      expect(stderr.join('')).toContain('"code":"HPE_INVALID","message":"why');
      expect(stderr.join('')).not.toMatch(/rawPacket|subject|112,97,99/);
      expect(stderr.join('').length).toBeLessThan(1000);
      for (const odd of [undefined, null, 'text', { rawPacket: 'x' }, Object.create(null)])
        log.warn({ cause: odd }, 'odd');
      expect(stderr.join('').match(/odd/g)).toHaveLength(5);
      expect(stderr.join('')).not.toContain('rawPacket');
    },
  );

  it('a readable line stays one line, whatever a field holds', () => {
    const line = readableLine(JSON.stringify({ level: 40, time: 0, topic: 'a\nb\tc', msg: 'one\ntwo' }));
    expect(line).toBe('00:00:00 warn  one\\u000atwo topic=a\\u000ab\\u0009c');
  });

  it('an error that quotes what a broker said', () => {
    const { stderr } = listen();
    const error = new ChunkmeshError('E_BROKER_REFUSED', `mqtts://b: ${HOSTILE}`, {
      cause: new Error(`why${HOSTILE}`),
    });
    for (const json of [true, false]) output.note(describeFailure(error, { json, verbose: true }).text);
    expect(stderr.join('')).not.toMatch(OBEYED);
  });

  it('the table of status, whatever a row holds', () => {
    const fields = { name: HOSTILE, version: HOSTILE, state: HOSTILE, error: `${HOSTILE}\ncam-7  hall  online` };
    const rollout = { ...fields, held: 0, chunks: 1 } as unknown as RolloutRow;
    const row = { device: HOSTILE, site: HOSTILE, peers: 0, at: 0, bytesPerSecond: 0, rollouts: [rollout] };
    const table = formatStatus([{ device: HOSTILE, site: HOSTILE, row: row as unknown as DeviceRow }], 0);
    expect(table).not.toMatch(OBEYED);
    expect(table.split('\n')).toHaveLength(3);
  });

  it('the bars of the demo', () => {
    const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 100, rows: 40 });
    const view = new BarsView(() => {}, 100, stream as unknown as NodeJS.WriteStream);
    const course = newCourse(['device-1']);
    view.start({ broker: 'embedded', artifact: `a${HOSTILE}`, artifactBytes: 1 }, course);
    const failed = new Map([...course].map(([id, one]) => [id, { ...one, failure: `f${HOSTILE}` }]));
    view.update(course, failed, 1);
    view.end();
    const drawn = String(stream.read());
    expect(drawn).toContain('pwned');
    expect(drawn).toContain('failed: f');
    // The bars move the cursor themselves: what they were given must not.
    for (const part of ['\u001b]0;', '\u009b', '\u202e', '\u0007']) expect(drawn).not.toContain(part);
  });
});
