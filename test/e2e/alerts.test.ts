import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { chunkmesh } from '../support/command.js';
import { Mesh } from './support/mesh.js';

/** P-15.8 with real processes: from a script on the device to the operator, whatever happens in between. */

interface Alert {
  readonly n: number;
  readonly kind: string;
  readonly text: string;
  readonly count: number;
}

async function told(mesh: Mesh, broker: string, device = 'cam-1'): Promise<Alert[]> {
  const { stdout } = await chunkmesh(['status', '--fleet', mesh.folder, '--broker', broker, '--json']);
  const { devices } = JSON.parse(stdout) as { devices: { device: string; alerts?: Alert[] }[] };
  return devices.find((row) => row.device === device)?.alerts ?? [];
}

const alert = (socket: string, ...words: string[]) => chunkmesh(['alert', '--socket', socket, ...words]);

describe('P-15.8: an alert', () => {
  it('of a script reaches the operator, survives kill -9 and a broker that is away, and goes once it is acknowledged', async () => {
    const mesh = await Mesh.create();
    const { url: broker, port, process: first } = await mesh.broker();
    const socket = join(mesh.root, 'alerts');
    const more = ['--alerts', socket];
    const device = await mesh.device('cam-1', { broker, more });
    await device.event('online');
    expect(await alert(socket, 'door')).toMatchObject({ status: 0, stdout: 'alert 1\n' });
    await vi.waitFor(async () => expect(await told(mesh, broker)).toMatchObject([{ n: 1, kind: 'door' }]), 10_000);
    await first.kill();
    await device.event('offline');
    const { status, stdout } = await alert(socket, 'tamper', 'case opened', '--json');
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ n: 2, kind: 'tamper', text: 'case opened' });
    await device.kill();
    expect(existsSync(socket)).toBe(true);
    // The socket of the dead agent is replaced; the broker is away still.
    const again = mesh.agent('cam-1', { broker, more });
    await vi.waitFor(
      async () => expect((await alert(socket, 'tamper', 'case opened')).stdout).toBe('alert 3\n'),
      20_000,
    );
    await mesh.broker(port);
    await again.event('online');
    const both = [
      { n: 1, kind: 'door', count: 1 },
      { n: 3, kind: 'tamper', text: 'case opened', count: 2 },
    ];
    await vi.waitFor(async () => expect(await told(mesh, broker)).toMatchObject(both), 10_000);
    const table = await chunkmesh(['status', '--fleet', mesh.folder, '--broker', broker]);
    expect(table.stdout).toMatch(/^ALERT cam-1 #3 tamper: case opened \(2 times, /m);
    const fleet = ['--fleet', mesh.folder, '--broker', broker];
    const done = await chunkmesh(['acknowledge', 'cam-1', '--upto', '2', ...fleet, '--json']);
    expect(JSON.parse(done.stdout)).toEqual({ device: 'cam-1', acknowledged: [1], left: [3] });
    expect(await told(mesh, broker)).toMatchObject([{ n: 3 }]);
    expect((await chunkmesh(['acknowledge', 'cam-1', '--upto', '3', ...fleet])).stdout).toBe(
      'cam-1: 1 acknowledged, 0 left\n',
    );
    await again.kill();
    const third = mesh.agent('cam-1', { broker, more });
    await third.event('online');
    expect((await alert(socket, 'door')).stdout).toBe('alert 4\n');
    await vi.waitFor(async () => expect(await told(mesh, broker)).toMatchObject([{ n: 4, count: 1 }]), 10_000);
    expect((await third.stop()).status).toBe(0);
    expect(existsSync(socket)).toBe(false);
  });

  it('is acknowledged to a device that is away once it is back', async () => {
    const mesh = await Mesh.create();
    const { url: broker } = await mesh.broker();
    const socket = join(mesh.root, 'alerts');
    const device = await mesh.device('cam-1', { broker, more: ['--alerts', socket] });
    await device.event('online');
    await alert(socket, 'door');
    await vi.waitFor(async () => expect(await told(mesh, broker)).toHaveLength(1), 10_000);
    await device.stop();
    const fleet = ['--fleet', mesh.folder, '--broker', broker];
    const late = await chunkmesh(['acknowledge', 'cam-1', '--upto', '1', '--timeout', '1', ...fleet, '--json']);
    expect(late.status).toBe(4);
    expect(late.stderr).toContain('E_TIMEOUT');
    const waiting = chunkmesh(['acknowledge', 'cam-1', '--upto', '1', ...fleet, '--json']);
    const again = mesh.agent('cam-1', { broker, more: ['--alerts', socket] });
    await again.event('online');
    expect(JSON.parse((await waiting).stdout)).toEqual({ device: 'cam-1', acknowledged: [1], left: [] });
    expect(await told(mesh, broker)).toEqual([]);
  });

  it('is refused with a reason, and what is no socket too', async () => {
    const mesh = await Mesh.create();
    const { url: broker } = await mesh.broker();
    const socket = join(mesh.root, 'alerts');
    const device = await mesh.device('cam-1', { broker, more: ['--alerts', socket] });
    await device.event('online');
    expect(await alert(socket, 'a b')).toMatchObject({ status: 2, stderr: expect.stringContaining('E_ALERT') });
    expect(await alert(socket, 'tamper', 'x'.repeat(257))).toMatchObject({ status: 2 });
    expect(await alert(join(mesh.root, 'nothing'), 'tamper')).toMatchObject({
      status: 4,
      stderr: expect.stringContaining('E_SOCKET'),
    });
    await mesh.enroll('cam-2');
    const other = mesh.agent('cam-2', { broker, more: ['--alerts', socket] });
    expect((await other.ended).status).toBe(4);
    expect(other.failure).toMatchObject({ code: 'E_SOCKET' });
    expect(await alert(socket, 'tamper')).toMatchObject({ status: 0 });
  });
});

describe('P-15.8: SIGKILL', () => {
  it('at any moment loses no alert that was answered with ok', async () => {
    const mesh = await Mesh.create();
    const path = join(mesh.root, 'alerts');
    // No broker at all: nothing was published of any of them.
    const flags = { broker: 'mqtts://127.0.0.1:9', more: ['--alerts', path] };
    await mesh.enroll('cam-1');
    const answered: string[] = [];
    for (let round = 0; round < 6; round++) {
      const device = mesh.agent('cam-1', flags);
      await device.event('warning');
      const client = connect(path);
      client.on('error', () => {});
      const gone = new Promise((resolve) => client.once('close', resolve));
      let heard = '';
      client.on('data', (bytes) => {
        heard += String(bytes);
      });
      for (let i = 0; i < 8; i++) client.write(`round-${round} ${i}\n`);
      const enough = round % 3;
      await vi.waitFor(() => expect(heard.split('\n').length).toBeGreaterThan(enough), {
        timeout: 10_000,
        interval: 1,
      });
      await device.kill();
      await gone;
      const ok = heard.split('\n').filter((line) => line.startsWith('ok '));
      answered.push(...ok.map((line, i) => `${line.slice(3)} round-${round} ${i}`));
    }
    expect(answered.length).toBeGreaterThanOrEqual(6);
    const { alerts } = JSON.parse(await readFile(join(mesh.storeOf('cam-1'), 'state/alerts.json'), 'utf8')) as {
      alerts: Alert[];
    };
    const kept = alerts.map(({ n, kind, text }) => `${n} ${kind} ${text}`);
    expect(kept).toEqual(expect.arrayContaining(answered));
    expect(new Set(alerts.map(({ n }) => n)).size).toBe(alerts.length);
  });
});

describe('P-15.8: hostile clients of the alert socket', () => {
  it('leave the agent well: a flood, binary, half lines, thousands of connections, the slow and the deaf', async () => {
    const mesh = await Mesh.create();
    const { url: broker } = await mesh.broker();
    const path = join(mesh.root, 'alerts');
    const device = await mesh.device('cam-1', { broker, more: ['--alerts', path] });
    await device.event('online');
    const before = device.residentBytes;
    const quiet = (socket: Socket): Socket => socket.on('error', () => {});
    const ended = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once('close', () => resolve()));

    // More alerts than it may raise: what is over is counted.
    const flood = quiet(connect(path));
    let answers = '';
    flood.on('data', (bytes) => {
      answers += String(bytes);
    });
    for (let i = 0; i < 500; i++) flood.write(`flood number ${i}\n`);
    flood.end();
    await ended(flood);
    const ok = answers.split('\n').filter((line) => line.startsWith('ok ')).length;
    expect(ok).toBeGreaterThanOrEqual(16);
    expect(ok).toBeLessThan(40);
    expect(answers.split('\n').filter((line) => line.startsWith('error E_ALERT_RATE ')).length).toBe(500 - ok);

    for (let round = 0; round < 100; round++) {
      const clients = Array.from({ length: 100 }, () => quiet(connect(path)));
      const all = clients.map(ended);
      for (const client of clients) client.write(round % 2 === 0 ? Buffer.from([0, 255, 10, 27]) : 'half a line');
      await Promise.all(
        clients.map((client) =>
          client.pending ? new Promise((resolve) => client.once('connect', resolve).once('close', resolve)) : null,
        ),
      );
      for (const client of clients) client.destroy();
      await Promise.all(all);
    }
    const deaf = quiet(connect(path)).pause();
    deaf.write('no answer is read\n'.repeat(200_000));
    const slow = quiet(connect(path));
    const drip = setInterval(() => slow.write('x'), 100);
    try {
      await vi.waitFor(async () => expect((await alert(path, 'tamper', 'for real')).status).toBe(0), 30_000);
    } finally {
      clearInterval(drip);
      slow.destroy();
      deaf.destroy();
    }
    await vi.waitFor(async () => {
      const { stdout } = await chunkmesh(['status', '--fleet', mesh.folder, '--broker', broker, '--json']);
      const [row] = (JSON.parse(stdout) as { devices: { alerts?: Alert[]; moreAlerts?: number }[] }).devices;
      expect(row?.alerts?.map(({ kind }) => kind)).toContain('tamper');
      expect(row?.moreAlerts).toBeGreaterThan(0);
    }, 15_000);
    expect(device.residentBytes - before).toBeLessThan(60 * 2 ** 20);
    expect(device.warnings).toEqual([]);
    expect((await device.stop()).status).toBe(0);
  });
});
