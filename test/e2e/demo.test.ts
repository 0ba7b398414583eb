import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { findMosquitto, INSTALL_MOSQUITTO } from '../../broker/mosquitto/executable.js';
import { seededBytes } from '../support/artifact_bytes.js';
import { Command, chunkmesh, type Ended } from '../support/command.js';
import { nobodyNames, processesNaming } from '../support/process_list.js';
import { requirement } from '../support/requirement.js';
import { temporaryFolder } from '../support/store_fixture.js';

/** The demo from the outside: the whole of a rollout, and that nothing and nobody of it is left behind. */

/** Enough that devices have something for each other, and that a transfer has a middle. */
const SIZE = 6_000_000;
const DEVICES = 4;

let source: string;
let file: string;
beforeAll(async () => {
  source = await mkdtemp(join(tmpdir(), 'chunkmesh-test-'));
  file = join(source, 'firmware.img');
  await writeFile(file, seededBytes('demo', SIZE));
});
afterAll(() => rm(source, { recursive: true, force: true }));

/** Everything that a demo makes is in `folder`, and every process of it names that in its arguments. */
async function place(): Promise<{ folder: string; env: Record<string, string> }> {
  const folder = await temporaryFolder();
  return { folder, env: { TMPDIR: folder } };
}

async function expectNothingLeft(folder: string): Promise<void> {
  await nobodyNames(folder, 1000);
  // npm on a newer node leaves its compile cache there.
  expect((await readdir(folder)).filter((name) => name.startsWith('chunkmesh-'))).toEqual([]);
}

function checkReport({ status, stdout, stderr }: Ended): void {
  expect(status, stderr).toBe(0);
  const report = JSON.parse(stdout) as Record<string, unknown> & { perDevice: Record<string, number>[] };
  expect(Object.keys(report)).toEqual([
    ...['devices', 'completed', 'artifactBytes', 'seconds', 'sha256Ok', 'brokerControlBytes', 'brokerPayloadBytes'],
    ...['originBytes', 'peerBytes', 'perDevice'],
  ]);
  expect(report).toMatchObject({
    devices: DEVICES,
    completed: DEVICES,
    artifactBytes: SIZE,
    sha256Ok: true,
    brokerPayloadBytes: 0,
  });
  // Every device has the whole, from the seed or from each other.
  expect(Number(report.originBytes) + Number(report.peerBytes)).toBe(DEVICES * SIZE);
  expect(report.originBytes).toBeGreaterThanOrEqual(SIZE);
  expect(report.peerBytes).toBeGreaterThan(0);
  // Thousands of bytes for each connection's handshake alone; far less than the artifact.
  expect(report.brokerControlBytes).toBeGreaterThan(20_000);
  expect(report.brokerControlBytes).toBeLessThan(SIZE / 10);
  expect(report.seconds).toBe(Math.max(...report.perDevice.map(({ seconds }) => Number(seconds))));
  for (const device of report.perDevice) {
    expect(device).toMatchObject({ completed: true, sha256Ok: true });
    expect(Number(device.fromSeed) + Number(device.fromPeers)).toBe(SIZE);
  }
}

const installed = requirement('mosquitto', findMosquitto() !== null, INSTALL_MOSQUITTO);

describe('npm run demo', () => {
  it('with --json prints one object and nothing else to stdout, on the embedded broker', async () => {
    const { folder, env } = await place();
    const args = ['run', 'demo', '--', '--devices', String(DEVICES), '--file', file, '--json'];
    checkReport(await new Command(args, { program: 'npm', env }).ended);
    await expectNothingLeft(folder);
  });
});

installed('npm run demo --broker mosquitto', () => {
  it('does the same', async () => {
    const { folder, env } = await place();
    const args = ['run', 'demo', '--', '--devices', String(DEVICES), '--file', file, '--json', '--broker', 'mosquitto'];
    checkReport(await new Command(args, { program: 'npm', env }).ended);
    await expectNothingLeft(folder);
  });
});

describe('chunkmesh demo', () => {
  it('prints plain lines and a table where there is no terminal, and keeps what it is told to keep', async () => {
    const { folder, env } = await place();
    const { status, stdout, stderr } = await chunkmesh(['demo', '--devices', '2', '--file', file, '--keep'], { env });
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(/^broker embedded, artifact firmware\.img \(6\.0 MB\)$/m);
    expect(stdout).toMatch(/^device-1: complete after [\d.]+ s, .* from the seed, .* from peers$/m);
    expect(stdout).toMatch(/^device-2 +right +/m);
    expect(stdout).toContain('payload through the broker: 0 bytes');
    expect(stdout).not.toContain('\u001b');
    const [, kept = ''] = /^kept: (.*)$/m.exec(stderr) ?? [];
    expect(kept.startsWith(folder)).toBe(true);
    const [, path = ''] = /^device-1: (\/.*)$/m.exec(stdout) ?? [];
    expect((await readFile(path)).equals(await readFile(file))).toBe(true);
    await nobodyNames(folder, 1000);
  });

  it('draws bars on a terminal', async () => {
    const { folder, env } = await place();
    const command = `stty cols 120 rows 40; exec "$0" dist/bin/chunkmesh.js demo --devices 2 --file "${file}"`;
    const args = ['-qec', command.replace('$0', process.execPath), '/dev/null'];
    const { status, stdout } = await new Command(args, { program: 'script', env }).ended;
    expect(status, stdout).toBe(0);
    expect(stdout).toContain('broker embedded, artifact firmware.img (6.0 MB), ');
    expect(stdout).toMatch(/device-1 █+░* +\d+ % \| /);
    expect(stdout).toMatch(/device-2 █{40} +100 % \| complete after /);
    await expectNothingLeft(folder);
  });

  it('draws no bars where there is no room for them', async () => {
    const { folder, env } = await place();
    const command = `stty cols 59 rows 40; exec "$0" dist/bin/chunkmesh.js demo --devices 1 --file "${file}"`;
    const args = ['-qec', command.replace('$0', process.execPath), '/dev/null'];
    const { status, stdout } = await new Command(args, { program: 'script', env }).ended;
    expect(status, stdout).toBe(0);
    expect(stdout).toMatch(/^device-1: complete after /m);
    expect(stdout).not.toContain('█');
    await expectNothingLeft(folder);
  });

  it('goes on unheard where nobody reads its stderr', async () => {
    const { folder, env } = await place();
    const json = join(source, 'report.json');
    const command = `"$0" dist/bin/chunkmesh.js demo --devices 1 --file "$1" --json 2>&1 >"$2" | true; exit "\${PIPESTATUS[0]}"`;
    const { status } = await new Command(['-c', command, process.execPath, file, json], { program: 'bash', env }).ended;
    expect(status).toBe(0);
    expect(JSON.parse(await readFile(json, 'utf8'))).toMatchObject({ completed: 1, sha256Ok: true });
    await expectNothingLeft(folder);
  });

  it('gives up after --timeout, with what it has so far', async () => {
    const { folder, env } = await place();
    const args = ['demo', '--devices', '2', '--file', file, '--json', '--timeout', '1'];
    const { status, stdout, stderr } = await chunkmesh(args, { env });
    expect(status).toBe(4);
    expect(JSON.parse(stdout)).toMatchObject({ devices: 2, sha256Ok: false });
    expect(JSON.parse(stderr.trim().split('\n').at(-1) ?? '')).toMatchObject({ error: { code: 'E_TIMEOUT' } });
    await expectNothingLeft(folder);
  });

  it('refuses an empty file before it starts anyone', async () => {
    const { folder, env } = await place();
    const empty = join(source, 'empty');
    await writeFile(empty, '');
    const { status, stdout, stderr } = await chunkmesh(['demo', '--file', empty], { env });
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^E_FILE_EMPTY: /);
    await expectNothingLeft(folder);
  });
});

/** Starts one and waits until everybody runs. */
async function midway(kind: string, env: Record<string, string>, folder: string): Promise<Command> {
  const demo = new Command(['demo', '--devices', '2', '--file', file, '--broker', kind, '--json'], { env });
  await vi.waitFor(() => expect(demo.stderr).toContain('everyone is online'), { timeout: 30_000 });
  expect(processesNaming(folder).length).toBeGreaterThanOrEqual(4);
  return demo;
}

describe.each(['embedded', 'mosquitto'])('a demo on %s that is cut short', (kind) => {
  const suite = kind === 'mosquitto' ? installed : describe;

  suite('in the middle', () => {
    it('stops everyone and removes its folder on SIGINT', async () => {
      const { folder, env } = await place();
      const demo = await midway(kind, env, folder);
      const { status, stdout, stderr } = await demo.stop('SIGINT');
      expect([status, stdout]).toEqual([130, '']);
      expect(stderr).toMatch(/^stopped; the temporary folder is removed$/m);
      await expectNothingLeft(folder);
    });

    it('leaves nobody behind even when it is killed', async () => {
      const { folder, env } = await place();
      const demo = await midway(kind, env, folder);
      expect((await demo.stop('SIGKILL')).signal).toBe('SIGKILL');
      await nobodyNames(folder);
    });
  });
});

installed('a demo that is told to stop twice', () => {
  it('ends at once, and everyone with it, mosquitto too', async () => {
    const { folder, env } = await place();
    const demo = await midway('mosquitto', env, folder);
    demo.signal('SIGINT');
    await new Promise((resolve) => setTimeout(resolve, 400));
    demo.signal('SIGINT');
    expect((await demo.ended).status).toBe(130);
    await nobodyNames(folder);
  });
});
