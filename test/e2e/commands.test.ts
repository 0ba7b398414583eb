import { once } from 'node:events';
import { readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fleet } from '../../broker/fleet/fleet.js';
import { freePort } from '../../broker/mosquitto/free_port.js';
import { VERSION } from '../../shared/version.js';
import { chunkmesh, refused } from '../support/command.js';
import { temporaryFolder } from '../support/store_fixture.js';
import { TestFleet } from '../support/test_fleet.js';

/** Each command from the outside: help, exit statuses, and every line of bad input. */

const VERBS = ['init', 'enroll', 'broker', 'publish', 'agent', 'status', 'demo'];

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await TestFleet.create();
  await fleet.fleet.enroll('cam-1');
});
afterAll(() => fleet.remove());

describe('chunkmesh', () => {
  it('lists its commands and exit statuses', async () => {
    const { status, stdout, stderr } = await chunkmesh(['--help']);
    expect([status, stderr]).toEqual([0, '']);
    for (const verb of VERBS) expect(stdout).toMatch(new RegExp(`^ {2}${verb} `, 'm'));
    expect(stdout).toContain('Exit status:');
  });

  it('prints its version', async () => {
    expect(await chunkmesh(['--version'])).toMatchObject({ status: 0, stdout: `${VERSION}\n`, stderr: '' });
  });

  it('without a command prints its help to stderr and exits 2', async () => {
    const { status, stdout, stderr } = await chunkmesh([]);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain('Usage: chunkmesh');
  });

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
  it('has a help with examples and exit statuses', async () => {
    const { status, stdout, stderr } = await chunkmesh([verb, '--help']);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toContain(`Usage: chunkmesh ${verb} `);
    expect(stdout).toContain('Examples:\n  $ chunkmesh');
    expect(stdout).toContain('Exit status:');
    expect(stdout).toContain('--json');
    expect(stdout).not.toContain('until-stdin');
  });

  it('marks in its help what must be given', async () => {
    const { stdout } = await chunkmesh([verb, '--help']);
    if (verb === 'demo') expect(stdout).not.toContain('(required)');
    else expect(stdout).toContain('(required)');
  });

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
    };
    const failure = await refused([verb, ...(needed[verb] ?? []), 'surplus']);
    expect(failure).toMatchObject({ code: 'E_ARGUMENT', exit: 2 });
    expect(failure.message).toMatch(/too many arguments|surplus/);
  });

  it('gives a refusal as one line of JSON on stderr with --json', async () => {
    const { status, stdout, stderr } = await chunkmesh([verb, '--json', '--no-such-option']);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr.trimEnd()).not.toContain('\n');
    expect(JSON.parse(stderr)).toEqual({
      error: { code: 'E_ARGUMENT', message: expect.any(String), remedy: expect.any(String) },
    });
  });
});

describe('init', () => {
  it('makes a fleet, and with --json prints one object', async () => {
    const folder = join(await temporaryFolder(), 'plant');
    const args = [
      'init',
      folder,
      '--name',
      'plant',
      '--prefix',
      'acme/plant',
      '--host',
      'broker.test',
      '--port',
      '8884',
    ];
    const { status, stdout, stderr } = await chunkmesh([...args, '--json']);
    expect([status, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toEqual({
      folder,
      fleet: 'plant',
      prefix: 'acme/plant',
      broker: 'mqtts://broker.test:8884',
      bundles: {
        publisher: join(folder, 'publisher.json'),
        operator: join(folder, 'operator.json'),
        auditor: join(folder, 'auditor.json'),
      },
    });
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
  });

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
  it('prints the path of a bundle of mode 0600', async () => {
    const args = ['enroll', 'cam-2', '--fleet', fleet.folder, '--site', 'hall', '--group', 'a', '--group', 'b'];
    const { status, stdout } = await chunkmesh(args);
    expect(status).toBe(0);
    expect((await stat(stdout.trim())).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(stdout.trim(), 'utf8'))).toMatchObject({ v: 1, fleet: 'acme' });
    const member = (await Fleet.open(fleet.folder)).roster.find(({ id }) => id === 'cam-2');
    expect(member).toMatchObject({ role: 'device', site: 'hall', groups: ['a', 'b'] });
  });

  it('takes the fleet from the environment, and prints no key with --json', async () => {
    const env = { CHUNKMESH_FLEET: fleet.folder };
    const { status, stdout } = await chunkmesh(['enroll', 'depot', '--role', 'seed', '--days', '7', '--json'], { env });
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ id: 'depot', role: 'seed', bundle: fleet.fleet.bundlePath('depot') });
    expect(stdout).not.toContain('PRIVATE');
  });

  it.each([
    ['a bad device id', ['cam 1'], 'E_ID'],
    ['a device id with a dot', ['cam.1'], 'E_ID'],
    ['a device id of 65', ['x'.repeat(65)], 'E_ID'],
    ['a bad site', ['cam-9', '--site', 'a/b'], 'E_ID'],
    ['a bad group', ['cam-9', '--group', '+'], 'E_ID'],
    ['a role that is none', ['cam-9', '--role', 'admin'], 'E_ARGUMENT'],
    ['no days at all', ['cam-9', '--days', '0'], 'E_ARGUMENT'],
    ['a device that is there', ['cam-1'], 'E_DEVICE_EXISTS'],
  ])('refuses %s', async (_, args, code) => {
    expect(await refused(['enroll', ...args, '--fleet', fleet.folder])).toMatchObject({ code, exit: 2 });
  });

  it('refuses a folder without a fleet', async () => {
    expect(await refused(['enroll', 'a', '--fleet', '/nowhere'])).toMatchObject({ code: 'E_FLEET_MISSING', exit: 2 });
  });
});

describe('broker', () => {
  it('names the port that is taken', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      const args = ['broker', '--fleet', fleet.folder, '--host', '127.0.0.1', '--port', String(port)];
      expect(await refused(args)).toMatchObject({
        code: 'E_BROKER_START',
        exit: 4,
        message: `port ${port} is in use: stop the other one or give --port`,
      });
    } finally {
      server.close();
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

  it('says that the broker is down', async () => {
    const broker = `mqtts://127.0.0.1:${await freePort('127.0.0.1')}`;
    const failure = await refused(publish(process.argv[0] ?? '', '--broker', broker));
    expect(failure).toMatchObject({ code: 'E_BROKER_UNREACHABLE', exit: 4 });
    expect(failure.message).toContain(broker);
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

describe('status', () => {
  it('says that the broker is down', async () => {
    const broker = `mqtts://127.0.0.1:${await freePort('127.0.0.1')}`;
    expect(await refused(['status', '--fleet', fleet.folder, '--broker', broker])).toMatchObject({
      code: 'E_BROKER_UNREACHABLE',
      exit: 4,
    });
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
