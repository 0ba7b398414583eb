import { once } from 'node:events';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { MetricsServer, type Page } from '../../../bin/metrics/metrics_server.js';
import { coded } from '../../support/store_fixture.js';

const PAGE: Page = { type: 'text/plain', text: 'a 1\n' };

async function serving(read: () => Promise<Page> = async () => PAGE): Promise<MetricsServer> {
  const server = await MetricsServer.listen('127.0.0.1', 0, read);
  onTestFinished(() => server.close());
  return server;
}

interface Answer {
  readonly status: number;
  readonly type: string | undefined;
  readonly text: string;
}

/** @param path in the place of the server's own */
async function ask({ url }: MetricsServer, path?: string, method = 'GET', body = ''): Promise<Answer> {
  const asked = request(path === undefined ? url : new URL(path, url), { method });
  asked.end(body);
  const [response] = await once(asked, 'response');
  let text = '';
  for await (const part of response) text += String(part);
  return { status: response.statusCode, type: response.headers['content-type'], text };
}

/** A connection that says nothing yet. */
async function stranger({ url }: MetricsServer): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {});
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Everything that comes until the server ends it. */
async function said(socket: Socket, bytes: string | Buffer): Promise<string> {
  let text = '';
  socket.on('data', (part) => {
    text += part.toString('latin1');
  });
  const closed = once(socket, 'close');
  socket.write(bytes);
  await closed;
  return text;
}

describe('the metrics of an agent over HTTP', () => {
  it.each(['1.0', '1.1'])('are made once for a thousand requests in one write (HTTP/%s)', async (version) => {
    let reads = 0;
    const server = await serving(async () => {
      reads++;
      return PAGE;
    });
    const one = `GET /metrics HTTP/${version}\r\nHost: a\r\nConnection: keep-alive\r\n\r\n`;
    await said(await stranger(server), one.repeat(1_000));
    await said(await stranger(server), one.repeat(1_000));
    expect(reads).toBe(1);
    expect(await ask(server)).toMatchObject({ status: 200 });
  });

  it('are at GET /metrics, with a query or without', async () => {
    const server = await serving();
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
    for (const path of [undefined, '/metrics?name[]=a']) {
      expect(await ask(server, path)).toEqual({ status: 200, type: 'text/plain', text: 'a 1\n' });
    }
  });

  it('are nowhere else, and nothing else is done', async () => {
    const server = await serving();
    for (const path of ['/', '/metrics/', '/metrics/../metrics%2f', '/Metrics', '/favicon.ico']) {
      expect(await ask(server, path)).toMatchObject({ status: 404, text: '' });
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS']) {
      expect(await ask(server, undefined, method)).toMatchObject({ status: 405, text: '' });
    }
    expect(await ask(server)).toMatchObject({ status: 200 });
  });

  it('say no more than that they cannot be had, where they cannot', async () => {
    const server = await serving(async () => {
      throw new Error('secret');
    });
    expect(await ask(server)).toEqual({ status: 500, type: undefined, text: '' });
  });

  it.each<[string, string | Buffer]>([
    ['what is not HTTP', Buffer.alloc(1_000, 0xff)],
    ['a head that is too long', `GET /metrics HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(10_000)}\r\n\r\n`],
    ['a path that is too long', `GET /metrics?${'y'.repeat(10_000)} HTTP/1.1\r\n\r\n`],
    ['two lengths', 'GET /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n'],
  ])('are not for who sends %s: the connection ends without a word', async (_what, bytes) => {
    const server = await serving();
    expect(await said(await stranger(server), bytes)).toBe('');
    expect(await ask(server)).toMatchObject({ status: 200 });
  });

  it('end a connection that sends a body without end', async () => {
    const server = await serving();
    const socket = await stranger(server);
    await said(socket, `POST /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000000\r\n\r\n${'y'.repeat(1_000)}`);
    expect(await ask(server)).toMatchObject({ status: 200 });
  });

  it('end a connection that says nothing, or half of what it wants', async () => {
    const server = await serving();
    const sockets = [await stranger(server), await stranger(server)];
    const closed = Promise.all(sockets.map((socket) => once(socket.resume(), 'close')));
    sockets[0]?.write('GET /metrics HTTP/1.1\r\nhost:');
    await closed;
    expect(await ask(server)).toMatchObject({ status: 200 });
  });

  it('are not kept from who asks by more connections than they have', async () => {
    const server = await serving();
    const sockets = await Promise.all(Array.from({ length: 40 }, () => stranger(server)));
    for (const socket of sockets) socket.resume();
    // What is past the limit is closed at once, and what is not soon.
    for (;;) {
      const answer = await ask(server).catch(() => null);
      if (answer?.status === 200) return;
      await delay(100);
    }
  });

  it('are refused at an address that is taken, or not of this host, and end with the agent', async () => {
    const server = await serving();
    const port = Number(new URL(server.url).port);
    await expect(MetricsServer.listen('127.0.0.1', port, async () => PAGE)).rejects.toThrow(coded('E_SOCKET') as Error);
    await expect(MetricsServer.listen('192.0.2.1', 0, async () => PAGE)).rejects.toThrow(coded('E_SOCKET') as Error);
    const open = await stranger(server);
    const ended = once(open.resume(), 'close');
    await server.close();
    await ended;
  });
});
