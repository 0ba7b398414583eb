import { existsSync, statSync } from 'node:fs';
import { chmod, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Alert } from '../../../../agent/alerts/alert_line.js';
import { AlertSocket, type AlertSocketOptions, MAX_CONNECTIONS } from '../../../../agent/io/alerts/alert_socket.js';
import { groupId } from '../../../../agent/io/alerts/socket_path.js';
import { ChunkmeshError } from '../../../../shared/errors.js';
import { coded, temporaryFolder } from '../../../support/store_fixture.js';

const raised: Alert[] = [];

async function opened(over: Partial<AlertSocketOptions> = {}): Promise<{ path: string; socket: AlertSocket }> {
  raised.length = 0;
  const path = over.path ?? join(await temporaryFolder(), 'alerts');
  const raise = async (alert: Alert): Promise<number> => raised.push(alert);
  const socket = await AlertSocket.open({ path, raise, idleMs: 2_000, ...over });
  onTestFinished(() => socket.close());
  return { path, socket };
}

/** A client, with all that it was told. */
class Client {
  heard = '';
  readonly socket: Socket;
  readonly closed: Promise<string>;

  constructor(path: string) {
    this.socket = connect(path);
    this.socket.on('error', () => {});
    this.socket.on('data', (bytes) => {
      this.heard += String(bytes);
    });
    this.closed = new Promise((resolve) => this.socket.on('close', () => resolve(this.heard)));
    onTestFinished(() => void this.socket.destroy());
  }

  async says(bytes: string | Buffer, answers = 1): Promise<string> {
    this.socket.write(bytes);
    await vi.waitFor(() => expect(this.heard.split('\n').length - 1).toBeGreaterThanOrEqual(answers), 5_000);
    return this.heard;
  }
}

describe('P-15.8: the alert socket', () => {
  it('answers each line, in order, with the number that it has', async () => {
    const { path } = await opened();
    const client = new Client(path);
    expect(await client.says('tamper case opened\n{"kind":"door"}\n', 2)).toBe('ok 1\nok 2\n');
    expect(raised).toEqual([
      { kind: 'tamper', text: 'case opened' },
      { kind: 'door', text: '' },
    ]);
    client.socket.end('last words');
    expect(await client.closed).toBe('ok 1\nok 2\nok 3\n');
  });

  it('answers every line of who says many and ends at once', async () => {
    const { path } = await opened({
      raise: async (alert) => {
        await new Promise((resolve) => setTimeout(resolve, 1));
        return raised.push(alert);
      },
    });
    const client = new Client(path);
    client.socket.end('tamper\n'.repeat(500));
    expect(await client.closed).toBe(Array.from({ length: 500 }, (_, i) => `ok ${i + 1}\n`).join(''));
  });

  it('says what is wrong, and goes on', async () => {
    const { path } = await opened();
    const client = new Client(path);
    expect(await client.says(Buffer.from([0xff, 0x00, 0x1b, 0x0a]))).toMatch(/^error E_ALERT [ -~]+\n$/);
    expect(await client.says('{"kind":\n', 2)).toMatch(/\nerror E_ALERT /);
    expect(await client.says('tamper\n', 3)).toMatch(/\nok 1\n$/);
  });

  it('answers with what kept the alert from the disk', async () => {
    const { path } = await opened({
      raise: async () => {
        throw new ChunkmeshError('E_DISK_FULL', 'no room');
      },
    });
    expect(await new Client(path).says('tamper\n')).toBe('error E_DISK_FULL no room\n');
  });

  it('ends who says a line of more than 1 KiB, with or without an end', async () => {
    const { path } = await opened();
    for (const much of ['x'.repeat(1_025), Buffer.alloc(2 ** 20, 0)]) {
      const client = new Client(path);
      client.socket.write(much);
      await client.closed;
      expect(client.heard === '' || client.heard.startsWith('error E_ALERT ')).toBe(true);
    }
    expect(raised).toEqual([]);
  });

  it('ends who says nothing, or a byte now and then', async () => {
    const { path } = await opened({ idleMs: 300 });
    const [silent, dripping] = [new Client(path), new Client(path)];
    const drip = setInterval(() => dripping.socket.write('x'), 50);
    onTestFinished(() => clearInterval(drip));
    expect(await silent.closed).toBe('');
    expect(await dripping.closed).toBe('');
  });

  it('has eight places, tells the ninth, and is there for others once one goes', async () => {
    const { path } = await opened();
    const clients = Array.from({ length: MAX_CONNECTIONS }, () => new Client(path));
    await Promise.all(clients.map((client) => client.says('tamper\n')));
    expect(await new Client(path).closed).toBe('error E_ALERT_RATE too many connections\n');
    clients[0]?.socket.destroy();
    await vi.waitFor(async () => expect(await new Client(path).says('door\n')).toMatch(/^ok /), 5_000);
  });

  it('outlives thousands who connect and leave, at once or with half a line', async () => {
    const { path } = await opened();
    for (let round = 0; round < 20; round++) {
      const clients = Array.from({ length: 100 }, () => new Client(path));
      for (const { socket } of clients) socket.write('half a li');
      await Promise.all(
        clients.map(({ socket }) => new Promise((resolve) => socket.once('connect', resolve).once('close', resolve))),
      );
      for (const { socket } of clients) socket.destroy();
    }
    await vi.waitFor(async () => expect(await new Client(path).says('tamper\n')).toMatch(/^ok /), 5_000);
  });

  it('is not held up by who does not read', async () => {
    const { path } = await opened();
    const deaf = connect(path);
    deaf.on('error', () => {});
    onTestFinished(() => void deaf.destroy());
    deaf.pause();
    deaf.write('bad line\n'.repeat(100_000));
    expect(await new Client(path).says('tamper\n')).toMatch(/^ok /);
  });
});

describe('P-15.8: where the socket lies', () => {
  it('is for the owner alone, or for a group too; gone with the agent, and nothing else left', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'alerts');
    const { socket } = await opened({ path });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['alerts']);
    await socket.close();
    expect(existsSync(path)).toBe(false);
    const { path: shared } = await opened({ group: process.getgid?.() ?? 0 });
    expect(statSync(shared).mode & 0o777).toBe(0o660);
  });

  it('replaces what a dead agent left', async () => {
    const path = join(await temporaryFolder(), 'alerts');
    // Node removes the socket of a server that is closed: one that was killed leaves it, as this name does.
    const dead = createServer();
    await new Promise<void>((resolve) => dead.listen(`${path}.made`, resolve));
    const { link } = await import('node:fs/promises');
    await link(`${path}.made`, path);
    await new Promise((resolve) => dead.close(resolve));
    expect(statSync(path).isSocket()).toBe(true);
    await opened({ path });
    expect(await new Client(path).says('tamper\n')).toMatch(/^ok /);
  });

  it('refuses what somebody else has there', async () => {
    const folder = await temporaryFolder();
    const { path: used } = await opened();
    const [file, directory, linked] = [join(folder, 'file'), join(folder, 'directory'), join(folder, 'linked')];
    await writeFile(file, 'mine');
    await mkdir(directory);
    await symlink(file, linked);
    const raise = async (): Promise<number> => 1;
    for (const path of [used, file, directory, linked, join(folder, 'nowhere', 'alerts'), join(file, 'alerts')]) {
      await expect(AlertSocket.open({ path, raise }), path).rejects.toThrow(coded('E_SOCKET') as Error);
    }
    expect(await readdir(folder)).toEqual(['directory', 'file', 'linked']);
  });

  it('leaves what another put in its place', async () => {
    const { path, socket } = await opened();
    const { path: other } = await opened();
    const { rename } = await import('node:fs/promises');
    await rename(other, path);
    await socket.close();
    expect(existsSync(path)).toBe(true);
  });

  it('knows groups by name and number, and no others', async () => {
    expect(await groupId('root')).toBe(0);
    expect(await groupId('1234')).toBe(1234);
    await expect(groupId('no such group')).rejects.toThrow(coded('E_CONFIG') as Error);
    await chmod(await temporaryFolder(), 0o700);
  });
});
