import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { output } from '../../bin/output.js';
import { createProgram, run } from '../../bin/program.js';

/** What nobody means and everybody types: each command refuses it with one code and one line, and does nothing. */

/** Whole but for the option under test; `nowhere` is no fleet. */
const WHOLE: Readonly<Record<string, readonly string[]>> = {
  init: ['init', 'nowhere/new', '--name', 'plant'],
  enroll: ['enroll', 'cam-1', '--fleet', 'nowhere'],
  broker: ['broker', '--fleet', 'nowhere'],
  publish: ['publish', 'file', '--fleet', 'nowhere', '--name', 'firmware', '--version', '1'],
  agent: ['agent', '--bundle', 'nowhere/cam-1.json', '--store', 'nowhere/store'],
  status: ['status', '--fleet', 'nowhere'],
  evidence: ['evidence', '--store', 'nowhere/store'],
  guard: ['guard', '--fleet', 'nowhere', '--threshold', '2'],
  acknowledge: ['acknowledge', 'cam-1', '--fleet', 'nowhere', '--upto', '3'],
  alert: ['alert', 'tamper', '--socket', 'nowhere/alerts'],
  revoke: ['revoke', 'cam-1', '--fleet', 'nowhere', '--reason', 'lost'],
  quarantine: ['quarantine', 'cam-1', '--fleet', 'nowhere', '--reason', 'odd'],
  restore: ['restore', 'cam-1', '--fleet', 'nowhere'],
  wipe: ['wipe', 'cam-1', '--fleet', 'nowhere'],
  revoked: ['revoked', '--fleet', 'nowhere'],
  withdraw: ['withdraw', 'firmware', '--fleet', 'nowhere'],
  demo: ['demo'],
  token: ['token', '--fleet', 'nowhere'],
  registrar: ['registrar', '--fleet', 'nowhere'],
  request: ['request', 'cam-1', '--key', 'nowhere/key', '--out', 'nowhere/csr'],
  join: ['join', 'cam-1', '--token', 'nowhere/token', '--bundle', 'nowhere/cam-1.json'],
};
const NO_NUMBERS = ['', ' ', '-1', 'NaN', 'Infinity', '1e3', '0x10', '1.5', '９', ' 50', '9'.repeat(400), '\u001b[31m'];
const NO_BROKERS = [
  ...['', 'broker', 'http://broker', 'mqtts://', 'mqtts:broker', 'MQTTS://broker', 'mqtts://a b', 'mqtts://broker\n'],
  ...['mqtts://broker:0', 'mqtts://broker:99999', 'mqtts://broker:x', 'mqtts://broker/x', 'mqtts://broker?x'],
  ...['mqtts://broker#x', 'mqtts://[::1', 'mqtts://\u001b[31m'],
];
const NO_ADDRESSES = [
  ...['', ' ', ':', '::1', '[::1', '[nope]:1', '[1.2.3.4]:1', 'localhost:0', '1.5', '127.1:0', '0x7f.0.0.1:0'],
  ...['300.1.1.1:1', '127.0.0.1:', '127.0.0.1:-1', '127.0.0.1:65536', '127.0.0.1:1e3', '[fe80::1%eth0]:1', '９:1'],
];

beforeAll(() => {
  vi.stubEnv('CHUNKMESH_FLEET', undefined);
  vi.stubEnv('CHUNKMESH_CONFIG', undefined);
});

afterEach(() => {
  vi.restoreAllMocks();
});

interface Refused {
  readonly code: string;
  readonly message: string;
  readonly exit: number;
}

/** Said once for a person and once for a program, and the same to both. */
async function refused(args: readonly string[]): Promise<Refused> {
  const data = [vi.spyOn(output, 'line'), vi.spyOn(output, 'json')];
  const said = async (more: readonly string[]): Promise<{ notes: string[]; exit: number }> => {
    const notes: string[] = [];
    const exit = await run([...args, ...more], { ...output, note: (text) => void notes.push(text) });
    return { notes, exit };
  };
  // Where an option lacks its value, nothing may follow.
  const [verb = '', ...rest] = args;
  const plain = await said([]);
  const json = await run([verb, '--json', ...rest], { ...output, note: (text) => void plain.notes.push(text) });
  for (const spy of data) expect(spy).not.toHaveBeenCalled();
  expect([plain.exit, plain.notes.length]).toEqual([json, 2]);
  const [text = '', line = ''] = plain.notes;
  expect(line).not.toContain('\n');
  const { error } = JSON.parse(line) as { error: { code: string; message: string; remedy: string } };
  expect(text.split('\n')[0]).toBe(`${error.code}: ${error.message}`);
  expect(text).not.toMatch(/^\s+at /m);
  expect(error.message.length).toBeLessThan(300);
  return { code: error.code, message: error.message, exit: plain.exit };
}

const BAD_ARGUMENT = { code: 'E_ARGUMENT', exit: 2 };

describe('what is no number', () => {
  it.each([
    ['init', '--port'],
    ['enroll', '--days'],
    ['broker', '--port'],
    ['publish', '--expires-days'],
    ['publish', '--priority'],
    ['agent', '--status-interval'],
    ['agent', '--join-window'],
    ['agent', '--http-after'],
    ['agent', '--seed-seconds'],
    ['guard', '--threshold'],
    ['guard', '--sites'],
    ['guard', '--days'],
    ['demo', '--devices'],
    ['demo', '--timeout'],
    ['token', '--count'],
    ['token', '--days'],
    ['registrar', '--days'],
    ['join', '--timeout'],
  ])('%s %s', async (verb, option) => {
    for (const value of NO_NUMBERS) {
      const { message, ...rest } = await refused([...(WHOLE[verb] ?? []), option, value]);
      expect(rest).toEqual(BAD_ARGUMENT);
      expect(message).toMatch(new RegExp(`^${option} ".*" is not a whole number from \\d+ to \\d+$`, 's'));
    }
  });
});

describe('P-15.3 a threshold', () => {
  it.each(['1', '0', '1001'])('of %s is refused: a liar alone could frame another', async (value) => {
    const { message, ...rest } = await refused(['guard', '--fleet', 'nowhere', '--threshold', value]);
    expect([rest, message]).toEqual([BAD_ARGUMENT, `--threshold "${value}" is not a whole number from 2 to 1000`]);
  });

  it('has to be given', async () => {
    expect(await refused(['guard', '--fleet', 'nowhere'])).toMatchObject({
      message: expect.stringMatching(/^required option '--threshold/),
    });
  });
});

describe('what is no decimal number', () => {
  it.each(['', ' ', '-1', '1e3', '.5', '1.', '1001', '0x10', 'NaN', '1,5', '9'.repeat(400)])('%s', async (value) => {
    const { message, ...rest } = await refused([...(WHOLE.agent ?? []), '--seed-ratio', value]);
    expect(rest).toEqual(BAD_ARGUMENT);
    expect(message).toMatch(/^--seed-ratio ".*" is not a number from 0 to 1000$/s);
  });
});

describe('what is none of the choices', () => {
  it.each([
    ['enroll', '--role'],
    ['broker', '--kind'],
    ['agent', '--http'],
    ['agent', '--repair'],
    ['demo', '--broker'],
    ['token', '--role'],
    ['agent', '--renew'],
    ['registrar', '--log-level'],
  ])('%s %s', async (verb, option) => {
    for (const value of ['', ' ', 'DEVICE', 'constructor', '__proto__', 'x'.repeat(400)]) {
      expect(await refused([...(WHOLE[verb] ?? []), option, value])).toMatchObject(BAD_ARGUMENT);
    }
  });
});

describe('what is no time', () => {
  it.each(['', ' ', '7', 'd', '0d', '-1d', '1.5h', '7D', '7 d', '7w', '9'.repeat(400)])(
    'token --expires %j',
    async (value) => {
      const { message, ...rest } = await refused([...(WHOLE.token ?? []), '--expires', value]);
      expect(rest).toEqual(BAD_ARGUMENT);
      expect(message).toMatch(/^--expires ".*" is not a time, as 30m, 12h or 7d$/s);
    },
  );
});

describe('what is no fingerprint', () => {
  it.each(['', 'ab', 'g'.repeat(64), 'a'.repeat(63), 'a'.repeat(65)])('enroll --fingerprint %j', async (value) => {
    expect(await refused([...(WHOLE.enroll ?? []), '--fingerprint', value])).toMatchObject(BAD_ARGUMENT);
  });
});

describe('an empty path, as an unset variable of a script makes one', () => {
  it.each([
    ['init', ['init', '', '--name', 'plant'], '<folder>'],
    ['publish', ['publish', '', ...(WHOLE.publish ?? []).slice(2)], '<file>'],
    ...['enroll', 'broker', 'publish', 'status', 'guard'].map((verb) => {
      return [verb, [...(WHOLE[verb] ?? []), '--fleet', ''], '--fleet'] as const;
    }),
    ['broker', [...(WHOLE.broker ?? []), '--audit', ''], '--audit'],
    ['agent', [...(WHOLE.agent ?? []), '--config='], '--config'],
    ['publish', [...(WHOLE.publish ?? []), '--index', ''], '--index'],
    ['agent', [...(WHOLE.agent ?? []), '--http-ca', ''], '--http-ca'],
    ['evidence', ['evidence', '--store', ''], '--store'],
    ['guard', [...(WHOLE.guard ?? []), '--bundle', ''], '--bundle'],
    ['demo', ['demo', '--file', ''], '--file'],
    ['enroll', [...(WHOLE.enroll ?? []), '--csr', ''], '--csr'],
    ['token', [...(WHOLE.token ?? []), '--out', ''], '--out'],
    ['registrar', [...(WHOLE.registrar ?? []), '--reload-pid', ''], '--reload-pid'],
    ['request', ['request', 'cam-1', '--key', '', '--out', 'x'], '--key'],
    ['join', [...(WHOLE.join ?? []), '--bundle', ''], '--bundle'],
  ] as const)('%s %j', async (_verb, args, what) => {
    expect(await refused(args)).toEqual({ ...BAD_ARGUMENT, message: `${what} is empty` });
  });

  it('in a variable is none', async () => {
    vi.stubEnv('CHUNKMESH_FLEET', '');
    vi.stubEnv('CHUNKMESH_CONFIG', '');
    expect(await refused(['status'])).toMatchObject({ message: expect.stringMatching(/^required option '--fleet/) });
    expect(await refused(['agent'])).toMatchObject({
      code: 'E_CONFIG',
      message: expect.stringMatching(/^no bundle: /),
    });
  });
});

describe('what is no address', () => {
  it.each(['publish', 'agent', 'status', 'guard', 'registrar', 'join'])('%s --broker', async (verb) => {
    for (const value of NO_BROKERS) {
      expect(await refused([...(WHOLE[verb] ?? []), '--broker', value])).toMatchObject(BAD_ARGUMENT);
    }
  });

  it('publish --url, nor one too many', async () => {
    for (const value of [
      '',
      ' ',
      'firmware.img',
      'ftp://a/',
      'http://',
      `http://a/${'x'.repeat(600)}`,
      'http://a/\u001b[2J',
    ]) {
      expect(await refused([...(WHOLE.publish ?? []), '--url', value])).toMatchObject(BAD_ARGUMENT);
    }
    const { message, ...rest } = await refused([...(WHOLE.publish ?? []), '--url', 'http://u:secret@a/']);
    expect([rest, message.includes('secret')]).toEqual([BAD_ARGUMENT, false]);
    const five = Array.from({ length: 5 }, (_, i) => ['--url', `http://a.example/${i}`]).flat();
    expect(await refused([...(WHOLE.publish ?? []), ...five])).toMatchObject({
      ...BAD_ARGUMENT,
      message: '--url: a rollout has at most 4 URLs',
    });
  });

  it('agent --http-max-bytes', async () => {
    for (const value of ['', '-1', '1T', 'all', '1e9', ' 5', '0x10']) {
      expect(await refused([...(WHOLE.agent ?? []), '--http-max-bytes', value])).toMatchObject(BAD_ARGUMENT);
    }
  });

  it('agent --broker: shows no password that was typed', async () => {
    for (const value of ['mqtts://u:secret@broker', 'mqtts://u:sec/secret@broker:1', 'secret//u:secret@x@broker']) {
      const { message, ...rest } = await refused([...(WHOLE.agent ?? []), '--broker', value]);
      expect(rest).toEqual(BAD_ARGUMENT);
      expect(message.replace('secret//', '')).not.toContain('secret');
    }
  });

  it('agent --listen', async () => {
    for (const value of NO_ADDRESSES) {
      expect(await refused([...(WHOLE.agent ?? []), '--listen', value])).toMatchObject(BAD_ARGUMENT);
    }
  });
});

describe.each(createProgram().commands.map((command) => [command.name(), command] as const))('%s', (verb, command) => {
  const options = command.options.filter(({ hidden, long }) => !hidden && long !== '--json');

  it('names the option that lacks its value', async () => {
    for (const { long, required } of options) {
      if (!required) continue;
      const { message, ...rest } = await refused([...(WHOLE[verb] ?? []), long ?? '']);
      expect(rest).toEqual(BAD_ARGUMENT);
      expect(message).toMatch(new RegExp(`^option '${long} <.*>' argument missing$`));
    }
  });

  it('names the option that was meant where a letter is missing', async () => {
    for (const { long = '' } of options) {
      const { message, ...rest } = await refused([verb, long.slice(0, -1), 'x']);
      expect(rest).toEqual(BAD_ARGUMENT);
      expect(message).toBe(`unknown option '${long.slice(0, -1)}' (Did you mean ${long}?)`);
    }
  });

  it('gives no value to an option that takes none', async () => {
    for (const { long = '', required } of options) {
      if (required) continue;
      expect(await refused([...(WHOLE[verb] ?? []), `${long}=1`])).toMatchObject(BAD_ARGUMENT);
    }
  });
});
