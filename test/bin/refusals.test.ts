import { readdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { output } from '../../bin/output.js';
import { run } from '../../bin/program.js';
import { SigningKey } from '../../shared/crypto/signature.js';
import { keyFingerprint, makeRequest, toPem } from '../../shared/identity/request.js';
import { refusal } from '../support/command.js';
import { temporaryFolder } from '../support/store_fixture.js';
import { TestFleet } from '../support/test_fleet.js';

/** Every line of bad input, by its code and exit status, without a process for each: those are in test/e2e/commands.test.ts. */

const VERBS = [
  ...['init', 'enroll', 'token', 'registrar', 'request', 'join', 'broker', 'publish', 'agent', 'status', 'demo'],
];

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await TestFleet.create();
  await fleet.fleet.enroll('cam-1');
});
afterAll(() => fleet.remove());

// What is refused prints no data.
const printed = [vi.spyOn(output, 'line'), vi.spyOn(output, 'json')];
beforeEach(() => vi.clearAllMocks());

interface Refused {
  readonly code: string;
  readonly message: string;
  readonly exit: number;
}

async function said(args: readonly string[]): Promise<{ text: string; exit: number }> {
  const notes: string[] = [];
  const exit = await run(args, { ...output, note: (text) => void notes.push(text) });
  for (const spy of printed) expect(spy).not.toHaveBeenCalled();
  return { text: notes.join('\n'), exit };
}

async function refused(args: readonly string[]): Promise<Refused> {
  const { text, exit } = await said(args);
  return { ...refusal(text), exit };
}

describe('chunkmesh', () => {
  it('names an unknown option although a required one is missing', async () => {
    expect(await refused(['init', 'plant', '--nmae', 'plant'])).toMatchObject({
      code: 'E_ARGUMENT',
      exit: 2,
      message: expect.stringMatching(/unknown option '--nmae'.*--name/),
    });
  });

  it('does not know an unknown command, and names the nearest', async () => {
    expect(await refused(['publsh'])).toMatchObject({
      code: 'E_ARGUMENT',
      exit: 2,
      message: expect.stringContaining('publish'),
    });
  });
});

describe.each(VERBS)('%s', (verb) => {
  it('refuses an unknown option with status 2', async () => {
    expect(await refused([verb, '--no-such-option'])).toMatchObject({ code: 'E_ARGUMENT', exit: 2 });
  });

  it('refuses an argument too many with status 2', async () => {
    const needed: Record<string, string[]> = {
      init: ['a', '--name', 'a'],
      enroll: ['a', '--fleet', 'a'],
      broker: ['--fleet', 'a'],
      publish: ['a', '--fleet', 'a', '--name', 'a', '--version', '1'],
      status: ['--fleet', 'a'],
      token: ['--fleet', 'a'],
      registrar: ['--fleet', 'a'],
      request: ['a', '--key', 'a', '--out', 'a'],
      join: ['a', '--bundle', 'a'],
    };
    const failure = await refused([verb, ...(needed[verb] ?? []), 'surplus']);
    expect(failure).toMatchObject({ code: 'E_ARGUMENT', exit: 2 });
    expect(failure.message).toMatch(/too many arguments|surplus/);
  });

  it('gives a refusal as one line of JSON with --json', async () => {
    const { text, exit } = await said([verb, '--json', '--no-such-option']);
    expect(exit).toBe(2);
    expect(text).not.toContain('\n');
    expect(JSON.parse(text)).toEqual({
      error: { code: 'E_ARGUMENT', message: expect.any(String), remedy: expect.any(String) },
    });
  });
});

describe('init', () => {
  it('refuses a folder that is in use, a bad fleet id and a bad prefix', async () => {
    expect(await refused(['init', fleet.folder, '--name', 'a'])).toMatchObject({ code: 'E_FLEET_EXISTS', exit: 2 });
    const folder = join(await temporaryFolder(), 'new');
    expect(await refused(['init', folder, '--name', 'a.b'])).toMatchObject({ code: 'E_ID', exit: 2 });
    for (const prefix of ['a/b/c/d/e', 'a//b', 'a/+', 'a/#', 'x'.repeat(111)]) {
      expect(await refused(['init', folder, '--name', 'a', '--prefix', prefix])).toMatchObject({
        code: 'E_TOPIC_PREFIX',
        exit: 2,
      });
    }
  });

  it('refuses to go without a name', async () => {
    expect(await refused(['init', 'somewhere'])).toMatchObject({ code: 'E_ARGUMENT', exit: 2 });
  });
});

describe('enroll', () => {
  it.each([
    ['a bad device id', ['cam 1'], 'E_ID'],
    ['a device id with a dot', ['cam.1'], 'E_ID'],
    ['a device id of 65', ['x'.repeat(65)], 'E_ID'],
    ['a bad site', ['cam-9', '--site', 'a/b'], 'E_ID'],
    ['a bad group', ['cam-9', '--group', '+'], 'E_ID'],
    ['a role that is none', ['cam-9', '--role', 'admin'], 'E_ARGUMENT'],
    ['a newcomer, which is made by a token alone', ['cam-9', '--role', 'newcomer'], 'E_ARGUMENT'],
    ['no device', [], 'E_ARGUMENT'],
    ['a fingerprint of no request', ['cam-9', '--fingerprint', 'a'.repeat(64)], 'E_ARGUMENT'],
    ['a request that is not there', ['--csr', '/nowhere/csr'], 'E_FILE_UNREADABLE'],
    ['no days at all', ['cam-9', '--days', '0'], 'E_ARGUMENT'],
    ['a device that is there', ['cam-1'], 'E_DEVICE_EXISTS'],
  ])('refuses %s', async (_, args, code) => {
    expect(await refused(['enroll', ...args, '--fleet', fleet.folder])).toMatchObject({ code, exit: 2 });
  });

  it('refuses a folder without a fleet', async () => {
    expect(await refused(['enroll', 'a', '--fleet', '/nowhere'])).toMatchObject({ code: 'E_FLEET_MISSING', exit: 2 });
  });
});

describe('enroll --csr', () => {
  const key = SigningKey.generate();
  async function requestOf(id: string): Promise<string> {
    const file = join(await temporaryFolder(), 'csr');
    await writeFile(file, toPem('CERTIFICATE REQUEST', makeRequest(id, key)));
    return file;
  }
  const enroll = (csr: string, ...more: string[]): Promise<Refused> =>
    refused(['enroll', '--csr', csr, '--fleet', fleet.folder, ...more]);

  it('P-13.5 refuses another key than the one that was read aloud', async () => {
    const failure = await enroll(
      await requestOf('cam-9'),
      '--fingerprint',
      keyFingerprint(SigningKey.generate().publicKey),
    );
    expect(failure).toMatchObject({ code: 'E_REQUEST_KEY', exit: 3 });
    expect(failure.message).toContain(keyFingerprint(key.publicKey));
  });

  it('P-13.7 refuses an id that is there, and another than was named', async () => {
    expect(await enroll(await requestOf('cam-1'))).toMatchObject({ code: 'E_DEVICE_EXISTS', exit: 2 });
    const args = ['enroll', 'cam-8', '--csr', await requestOf('cam-9'), '--fleet', fleet.folder];
    expect(await refused(args)).toMatchObject({ code: 'E_REQUEST_INVALID', exit: 3 });
  });

  it('P-13.5 refuses what is no request, and a file without end', async () => {
    expect(await enroll('/dev/zero')).toMatchObject({ code: 'E_REQUEST_INVALID', exit: 3 });
    expect(await enroll(fleet.fleet.bundlePath('cam-1'))).toMatchObject({ code: 'E_REQUEST_INVALID', exit: 3 });
  });
});

describe('request and join', () => {
  it('refuse a bad id, and a key that others can read', async () => {
    const folder = await temporaryFolder();
    const [key, out] = [join(folder, 'key'), join(folder, 'csr')];
    expect(await refused(['request', 'a.b', '--key', key, '--out', out])).toMatchObject({ code: 'E_ID', exit: 2 });
    await writeFile(key, SigningKey.generate().exportPem(), { mode: 0o644 });
    const open = await refused(['request', 'cam-9', '--key', key, '--out', out]);
    expect(open).toMatchObject({ code: 'E_KEY_FILE_MODE', exit: 3 });
    expect(await readdir(folder)).toEqual(['key']);
    const bundle = join(folder, 'cam-9.json');
    await writeFile(join(folder, 'token'), 'x', { mode: 0o600 });
    for (const [id, code] of [
      ['a.b', 'E_ID'],
      ['cam-9', 'E_TOKEN_INVALID'],
    ] as const) {
      const args = ['join', id, '--token', join(folder, 'token'), '--bundle', bundle];
      expect(await refused(args)).toMatchObject({ code, exit: 2 });
    }
  });
});

describe('publish', () => {
  const about = ['--name', 'firmware', '--version', '1.0.0'];
  const publish = (file: string, ...more: string[]): string[] => [
    ...['publish', file, '--fleet', fleet.folder, ...about],
    ...more,
  ];

  it('refuses an unreadable file, a folder and an empty file', async () => {
    const folder = await temporaryFolder();
    const empty = join(folder, 'empty');
    await writeFile(empty, '');
    expect(await refused(publish(join(folder, 'none')))).toMatchObject({ code: 'E_FILE_UNREADABLE', exit: 2 });
    expect(await refused(publish(folder))).toMatchObject({ code: 'E_FILE_UNREADABLE', exit: 2 });
    expect(await refused(publish(empty))).toMatchObject({ code: 'E_FILE_EMPTY', exit: 2 });
  });

  it('refuses a file past 64 GiB before it reads any', async () => {
    const file = join(await temporaryFolder(), 'huge');
    await writeFile(file, '');
    await truncate(file, 64 * 2 ** 30 + 1);
    expect(await refused(publish(file))).toMatchObject({ code: 'E_FILE_TOO_LARGE', exit: 2 });
  });

  it('refuses a bad name, group, version or broker', async () => {
    const file = fleet.fleet.bundlePath('operator');
    const base = ['publish', file, '--fleet', fleet.folder];
    expect(await refused([...base, '--name', 'a.b', '--version', '1'])).toMatchObject({ code: 'E_ID', exit: 2 });
    expect(await refused(publish(file, '--group', 'a/b'))).toMatchObject({ code: 'E_ID', exit: 2 });
    expect(await refused([...base, '--name', 'a', '--version', '.'])).toMatchObject({ code: 'E_ARGUMENT', exit: 2 });
    expect(await refused(publish(file, '--broker', 'nowhere'))).toMatchObject({ code: 'E_ARGUMENT', exit: 2 });
  });
});

describe('demo', () => {
  it.each([
    ['65 devices', ['--devices', '65'], 'E_ARGUMENT'],
    ['no device', ['--devices', '0'], 'E_ARGUMENT'],
    ['a broker of no known kind', ['--broker', 'emqx'], 'E_ARGUMENT'],
    ['a file that is not there', ['--file', '/nowhere/firmware.img'], 'E_FILE_UNREADABLE'],
  ])('refuses %s', async (_, args, code) => {
    expect(await refused(['demo', ...args])).toMatchObject({ code, exit: 2 });
  });
});
