import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fleet } from '../../broker/fleet/fleet.js';
import { VERSION } from '../../shared/version.js';
import { chunkmesh, refused } from '../support/command.js';
import { ownPort } from '../support/own_port.js';
import { temporaryFolder } from '../support/store_fixture.js';
import { TestFleet } from '../support/test_fleet.js';

/** Each command from the outside: help, exit statuses, streams. Every line of bad input is in test/bin/refusals.test.ts. */

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
});

describe('a refusal', () => {
  it('is told to a person on stderr, with status 2', async () => {
    expect(await refused(['init', '--no-such-option'])).toMatchObject({ code: 'E_ARGUMENT', exit: 2 });
  });

  it('is one line of JSON on stderr with --json', async () => {
    const { status, stdout, stderr } = await chunkmesh(['init', '--json', '--no-such-option']);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr.trimEnd()).not.toContain('\n');
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'E_ARGUMENT' } });
  });

  it('by the fleet, not by the parser, ends the same way', async () => {
    expect(await refused(['enroll', 'cam-1', '--fleet', fleet.folder])).toMatchObject({
      code: 'E_DEVICE_EXISTS',
      exit: 2,
    });
  });
});

describe.each(VERBS)('%s', (verb) => {
  it('has a help with examples and exit statuses, which marks what must be given', async () => {
    const { status, stdout, stderr } = await chunkmesh([verb, '--help']);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toContain(`Usage: chunkmesh ${verb} `);
    expect(stdout).toContain('Examples:\n  $ chunkmesh');
    expect(stdout).toContain('Exit status:');
    expect(stdout).toContain('--json');
    expect(stdout).not.toContain('until-stdin');
    if (verb === 'demo') expect(stdout).not.toContain('(required)');
    else expect(stdout).toContain('(required)');
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
        registrar: join(folder, 'registrar.json'),
      },
    });
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
  });
});

describe('enroll', () => {
  it('prints the path of a bundle of mode 0600', async () => {
    const args = ['enroll', 'cam-2', '--fleet', fleet.folder, '--site', 'hall', '--group', 'a', '--group', 'b'];
    const { status, stdout } = await chunkmesh(args);
    expect(status).toBe(0);
    expect((await stat(stdout.trim())).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(stdout.trim(), 'utf8'))).toMatchObject({ v: 2, fleet: 'acme' });
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

  it('says that the broker is down', async () => {
    const broker = `mqtts://127.0.0.1:${await ownPort()}`;
    const failure = await refused(publish(process.argv[0] ?? '', '--broker', broker));
    expect(failure).toMatchObject({ code: 'E_BROKER_UNREACHABLE', exit: 4 });
    expect(failure.message).toContain(broker);
  });
});

describe('status', () => {
  it('says that the broker is down', async () => {
    const broker = `mqtts://127.0.0.1:${await ownPort()}`;
    expect(await refused(['status', '--fleet', fleet.folder, '--broker', broker])).toMatchObject({
      code: 'E_BROKER_UNREACHABLE',
      exit: 4,
    });
  });
});
