import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Command, chunkmesh, refused } from '../support/command.js';
import { ownPort } from '../support/own_port.js';
import { temporaryFolder } from '../support/store_fixture.js';
import { TestFleet } from '../support/test_fleet.js';

/** The two commands that go on until they are told to stop: what they refuse, what they say, how they end. */

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await TestFleet.create();
  await fleet.fleet.enroll('cam-1');
});
afterAll(() => fleet.remove());

describe('agent', () => {
  const args = (bundle: string, store: string): string[] => ['agent', '--bundle', bundle, '--store', store];

  it('refuses a bundle that others can read', async () => {
    const folder = await temporaryFolder();
    const bundle = join(folder, 'cam-1.json');
    await writeFile(bundle, await readFile(fleet.fleet.bundlePath('cam-1')));
    await chmod(bundle, 0o644);
    expect(await refused(args(bundle, folder))).toMatchObject({ code: 'E_KEY_FILE_MODE', exit: 3 });
  });

  it('refuses a bundle that is none, and one that is not there', async () => {
    const folder = await temporaryFolder();
    const bundle = join(folder, 'cam-1.json');
    await writeFile(bundle, '{"v":1}', { mode: 0o600 });
    expect(await refused(args(bundle, folder))).toMatchObject({ code: 'E_BUNDLE', exit: 2 });
    expect(await refused(args(join(folder, 'none'), folder))).toMatchObject({ code: 'E_FILE_UNREADABLE', exit: 2 });
  });

  it('refuses to start without a bundle, and a configuration with an unknown key', async () => {
    expect(await refused(['agent'])).toMatchObject({ code: 'E_CONFIG', exit: 2 });
    const file = join(await temporaryFolder(), 'agent.json');
    await writeFile(file, '{"bundel":"a"}');
    const failure = await refused(['agent', '--config', file]);
    expect(failure).toMatchObject({ code: 'E_CONFIG', exit: 2 });
    expect(failure.message).toContain('did you mean "bundle"?');
  });

  it('waits for a broker that is down, and stops cleanly meanwhile', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'store'));
    const broker = `mqtts://127.0.0.1:${await ownPort()}`;
    const bundle = fleet.fleet.bundlePath('cam-1');
    const agent = new Command([...args(bundle, join(folder, 'store')), '--broker', broker, '--json']);
    expect(await agent.event('warning')).toMatchObject({ code: 'E_BROKER_UNREACHABLE' });
    const { status, stderr } = await agent.stop();
    expect(status).toBe(0);
    for (const line of stderr.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('level');
  });

  it('refuses a second agent on one store', async () => {
    const folder = await temporaryFolder();
    const broker = ['--broker', `mqtts://127.0.0.1:${await ownPort()}`];
    const bundle = fleet.fleet.bundlePath('cam-1');
    const first = new Command([...args(bundle, folder), ...broker, '--json']);
    await first.event('warning');
    const failure = await chunkmesh([...args(bundle, folder), ...broker, '--log-level', 'silent']);
    expect(failure.stderr).toMatch(/^E_STORE_LOCKED: /);
    expect(failure.status).toBe(4);
    await first.stop();
  });
});

describe('broker', () => {
  it('says where it listens, counts, and ends with its counts on SIGTERM', async () => {
    const broker = new Command(['broker', '--fleet', fleet.folder, '--host', '127.0.0.1', '--port', '0', '--json']);
    expect(await broker.event('listening')).toMatchObject({
      kind: 'embedded',
      broker: expect.stringMatching(/^mqtts:\/\/127\.0\.0\.1:\d+$/),
    });
    expect(await broker.event('traffic')).toMatchObject({ messages: 0, payloadBytes: 0 });
    const { status, stdout } = await broker.stop('SIGINT');
    expect(status).toBe(0);
    expect(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')).toMatchObject({ event: 'stats', controlBytes: 0 });
  });

  it('refuses a port that is taken', async () => {
    const args = ['broker', '--fleet', fleet.folder, '--host', '127.0.0.1'];
    const first = new Command([...args, '--port', '0', '--json']);
    const { broker } = await first.event('listening');
    const port = new URL(String(broker)).port;
    expect(await refused([...args, '--port', port])).toMatchObject({ code: 'E_BROKER_START', exit: 4 });
    await first.stop();
  });

  it('ends with its parent', async () => {
    const broker = new Command([
      'broker',
      '--fleet',
      fleet.folder,
      '--host',
      '127.0.0.1',
      '--port',
      '0',
      '--json',
      '--until-stdin-ends',
    ]);
    await broker.event('listening');
    broker.endInput();
    expect((await broker.ended).status).toBe(0);
  });
});
