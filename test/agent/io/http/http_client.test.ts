import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  HEAD_TIMEOUT_MS,
  HttpClient,
  type HttpClientOptions,
  MAX_REDIRECTS,
} from '../../../../agent/io/http/http_client.js';
import type { HttpFlow } from '../../../../agent/io/http/http_flow.js';
import type { HttpWanted } from '../../../../agent/io/http/http_source.js';
import { SLOW_WINDOW_MS } from '../../../../agent/io/http/paced_body.js';
import { streamBytes } from '../../../support/artifact_bytes.js';
import { type OddServer, oddServer, oddTlsServer, rangeOf, rawServer, serveFile } from '../../../support/odd_server.js';
import { tlsIdentity } from '../../../support/tls_identity.js';

const FILE = streamBytes('http client', 300_000);

function client(options: HttpClientOptions = {}): HttpClient {
  const made = new HttpClient(options);
  onTestFinished(() => made.close());
  return made;
}

const part = ({ origin }: OddServer, first = 1000, length = 200_000): HttpWanted => ({
  ...{ url: `${origin}/file`, first, length, size: FILE.length },
});
const whole = (server: OddServer): HttpWanted => part(server, 0, FILE.length);

/** What came, and the code of what it failed with. */
async function got(from: HttpClient, wanted: HttpWanted, signal = new AbortController().signal) {
  const pieces: Buffer[] = [];
  const code = await from
    .get(wanted, (bytes) => pieces.push(Buffer.from(bytes)), signal)
    .then(
      () => '',
      (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : `not ours: ${error}`),
    );
  return { code, bytes: Buffer.concat(pieces), pieces };
}

describe('P-11.2 a good server', () => {
  it('gives the range that is asked for, in pieces, and the next over the same connection', async () => {
    const server = await oddServer(serveFile(FILE));
    const one = client();
    for (let first = 0; first < 250_000; first += 50_000) {
      const { code, bytes, pieces } = await got(one, part(server, first, 50_000));
      expect([code, bytes.equals(FILE.subarray(first, first + 50_000))]).toEqual(['', true]);
      expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThanOrEqual(65_536);
    }
    expect(server.connections()).toBe(1);
  });

  it('is asked for a whole file without a range, in no encoding, and without a name or a cookie', async () => {
    const asked: unknown[] = [];
    const server = await oddServer((request, response) => {
      asked.push([request.method, request.headers]);
      serveFile(FILE)(request, response);
    });
    expect((await got(client(), whole(server))).bytes.equals(FILE)).toBe(true);
    const host = new URL(server.origin).host;
    expect(asked).toEqual([
      [
        'GET',
        {
          ...{ 'accept-encoding': 'identity', 'user-agent': expect.stringMatching(/^chunkmesh\/\d/) },
          ...{ host, connection: 'keep-alive' },
        },
      ],
    ]);
  });

  it('may end its body with the connection, or cut it into pieces', async () => {
    const range = `bytes 1000-200999/${FILE.length}`;
    const closing = await rawServer((socket) => {
      socket.end(
        Buffer.concat([
          Buffer.from(`HTTP/1.0 206 Partial Content\r\ncontent-range: ${range}\r\n\r\n`),
          FILE.subarray(1000, 201_000),
        ]),
      );
    });
    const chunked = await oddServer((_request, response) => {
      response.writeHead(206, { 'content-range': range });
      for (let at = 1000; at < 201_000; at += 10_000) response.write(FILE.subarray(at, at + 10_000));
      response.end();
    });
    for (const server of [closing, chunked]) {
      const { code, bytes } = await got(client(), part(server));
      expect([code, bytes.equals(FILE.subarray(1000, 201_000))]).toEqual(['', true]);
    }
  });

  it('may end a connection that was kept, and is asked again over another', async () => {
    let requests = 0;
    const server = await oddServer((request, response) => {
      requests++;
      // The second comes over the connection of the first, and finds it ended.
      if (requests === 2) request.socket.destroy();
      else serveFile(FILE)(request, response);
    });
    const one = client();
    expect((await got(one, part(server))).code).toBe('');
    expect((await got(one, part(server))).code).toBe('');
    expect([requests, server.connections()]).toEqual([3, 2]);
  });
});

describe('P-11.2 redirects', () => {
  it.each([1, MAX_REDIRECTS])('of %i steps are followed', async (steps) => {
    const server = await oddServer((request, response) => {
      const step = Number(request.url?.slice(2) ?? 0) || 0;
      if (step === steps) return serveFile(FILE)(request, response);
      response.writeHead(302, { location: `/s${step + 1}` }).end('moved');
    });
    const { code, bytes } = await got(client(), part(server));
    expect([code, bytes.length]).toEqual(['', 200_000]);
  });

  it('of one step more, or in a circle, are refused', async () => {
    let requests = 0;
    const server = await oddServer((_request, response) => {
      requests++;
      response.writeHead(302, { location: `/s${requests}` }).end();
    });
    expect((await got(client(), part(server))).code).toBe('E_HTTP_REDIRECT');
    expect(requests).toBe(MAX_REDIRECTS + 1);
  });

  it('from https to http are refused, and the other server hears nothing', async () => {
    const identity = await tlsIdentity(['127.0.0.1']);
    const plain = await oddServer(serveFile(FILE));
    const sealed = await oddTlsServer(identity, (_request, response) => {
      response.writeHead(302, { location: `${plain.origin}/file` }).end();
    });
    expect((await got(client({ ca: identity.ca }), part(sealed))).code).toBe('E_HTTP_REDIRECT');
    expect(plain.connections()).toBe(0);
  });

  it('whose body has no end hold nothing up', async () => {
    const server = await oddServer((request, response) => {
      if (request.url === '/there') return serveFile(FILE)(request, response);
      response.writeHead(301, { location: '/there' });
      response.write('still ');
    });
    expect((await got(client(), part(server))).code).toBe('');
  });
});

describe('P-11.2 TLS', () => {
  it('is believed from who the file vouches for', async () => {
    const identity = await tlsIdentity(['127.0.0.1']);
    const server = await oddTlsServer(identity, serveFile(FILE));
    const { code, bytes } = await got(client({ ca: identity.ca }), part(server));
    expect([code, bytes.length]).toEqual(['', 200_000]);
  });

  it.each([
    ['of whom nobody vouches', ['127.0.0.1'], 30, false],
    ['with another name', ['files.example'], 30, true],
    ['that has expired', ['127.0.0.1'], -1, true],
  ] as const)('is refused from a server %s', async (_what, names, daysLeft, vouched) => {
    const identity = await tlsIdentity(names, daysLeft);
    const asked = vi.fn();
    const server = await oddTlsServer(identity, asked);
    expect((await got(client(vouched ? { ca: identity.ca } : {}), part(server))).code).toBe('E_HTTP_TLS');
    expect(asked).not.toHaveBeenCalled();
  });

  it('is refused from a server that speaks none', async () => {
    const { origin } = await oddServer(serveFile(FILE));
    const sealed = { origin: origin.replace('http:', 'https:'), connections: () => 0 };
    expect((await got(client(), part(sealed))).code).toBe('E_HTTP_TLS');
  });
});

describe('P-11.2 a server that is no good', () => {
  it('that is not there', async () => {
    const { origin } = await rawServer((socket) => socket.destroy());
    const gone = { origin: origin.replace(/\d+$/, '1'), connections: () => 0 };
    expect((await got(client(), part(gone))).code).toBe('E_HTTP_UNREACHABLE');
    const nowhere = { origin: 'http://no-such-name.invalid', connections: () => 0 };
    expect((await got(client(), part(nowhere))).code).toBe('E_HTTP_UNREACHABLE');
  });

  it('that hangs up on who asks', async () => {
    const server = await rawServer((socket) => socket.destroy());
    expect((await got(client(), part(server))).code).toBe('E_HTTP_SILENT');
  });

  it('that never answers', { timeout: HEAD_TIMEOUT_MS + 30_000 }, async () => {
    const server = await oddServer(() => {});
    expect((await got(client(), part(server))).code).toBe('E_HTTP_SILENT');
  });

  it('that sends its head byte by byte', { timeout: HEAD_TIMEOUT_MS + 30_000 }, async () => {
    const server = await rawServer((socket) => {
      socket.write('HTTP/1.1 206 Partial Content\r\nx: ');
      const timer = setInterval(() => socket.write('y'), 500);
      socket.on('close', () => clearInterval(timer));
    });
    expect((await got(client(), part(server))).code).toBe('E_HTTP_SILENT');
  });

  it('that sends its body byte by byte', { timeout: 2 * SLOW_WINDOW_MS + 30_000 }, async () => {
    const server = await oddServer((request, response) => {
      const { first, last } = rangeOf(request, FILE.length);
      response.writeHead(206, { 'content-range': `bytes ${first}-${last}/${FILE.length}` });
      response.write(FILE.subarray(first, first + 5000));
      const timer = setInterval(() => response.write('x'), 200);
      response.on('close', () => clearInterval(timer));
    });
    expect((await got(client(), part(server))).code).toBe('E_HTTP_SLOW');
  });

  it('that speaks something else', async () => {
    for (const said of ['SSH-2.0-OpenSSH_9.2\r\n', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(70_000)}\r\n\r\n`]) {
      const server = await rawServer((socket) => socket.write(said));
      expect((await got(client(), part(server))).code).toBe('E_HTTP_MALFORMED');
    }
  });

  it.each([
    [404, 'E_HTTP_NOT_FOUND'],
    [416, 'E_HTTP_RANGE'],
    [503, 'E_HTTP_STATUS'],
    [200, 'E_HTTP_NO_RANGE'],
  ] as const)('that answers %i, with a body that has no end', async (status, expected) => {
    const server = await oddServer((_request, response) => {
      response.writeHead(status);
      const timer = setInterval(() => response.write(FILE), 10);
      response.on('close', () => clearInterval(timer));
    });
    const { code, bytes } = await got(client(), part(server));
    expect([code, bytes.length]).toEqual([expected, 0]);
  });

  it('that sends another range', async () => {
    const server = await oddServer((_request, response) => {
      response.writeHead(206, { 'content-range': `bytes 0-199999/${FILE.length}` }).end(FILE.subarray(0, 200_000));
    });
    const { code, bytes } = await got(client(), part(server));
    expect([code, bytes.length]).toEqual(['E_HTTP_CONTENT_RANGE', 0]);
  });

  it('that ends too soon: what came is taken', async () => {
    const { origin } = await oddServer((request, response) => {
      const { first, last } = rangeOf(request, FILE.length);
      const range = { 'content-range': `bytes ${first}-${last}/${FILE.length}` };
      const length = request.url === '/file' ? { 'content-length': last - first + 1 } : {};
      response.writeHead(206, { ...range, ...length });
      response.write(FILE.subarray(first, first + 70_000));
      // What it has said is to arrive before it hangs up, or it would be lost with the connection.
      setTimeout(() => (request.url === '/file' ? response.destroy() : response.end()), 200);
    });
    for (const path of ['/file', '/file?chunked']) {
      const { code, bytes } = await got(client(), {
        url: origin + path,
        first: 1000,
        length: 200_000,
        size: FILE.length,
      });
      expect([code, bytes.equals(FILE.subarray(1000, 71_000))]).toEqual(['E_HTTP_TRUNCATED', true]);
    }
  });

  it('that sends without end: no more is taken than was asked for', async () => {
    const server = await oddServer((request, response) => {
      const { first, last } = rangeOf(request, FILE.length);
      response.writeHead(206, { 'content-range': `bytes ${first}-${last}/${FILE.length}` });
      const timer = setInterval(() => response.write(FILE.subarray(0, 50_000)), 1);
      response.on('close', () => clearInterval(timer));
    });
    const { code, bytes } = await got(client(), part(server));
    expect(code).toBe('E_HTTP_TOO_LONG');
    expect(bytes.length).toBeLessThanOrEqual(200_000);
  });
});

describe('a request that is ended', () => {
  it.each(['before the answer', 'amid the body'])('%s fails with the reason, and its connection ends', async (when) => {
    const ended = new AbortController();
    const closed = vi.fn();
    const server = await oddServer((request, response) => {
      request.socket.on('close', closed);
      if (when === 'before the answer') return ended.abort(new Error('enough'));
      response.writeHead(206, { 'content-range': `bytes 1000-200999/${FILE.length}` });
      response.write(FILE.subarray(1000, 2000));
      setTimeout(() => ended.abort(new Error('enough')), 50);
    });
    const wanted = part(server);
    await expect(client().get(wanted, () => {}, ended.signal)).rejects.toThrow('enough');
    await vi.waitFor(() => expect(closed).toHaveBeenCalled());
  });

  it('before it began, asks nothing', async () => {
    const server = await oddServer(serveFile(FILE));
    const wanted = part(server);
    await expect(client().get(wanted, () => {}, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
    expect(server.connections()).toBe(0);
  });
});

describe('a ceiling', () => {
  it('holds back what a server would send sooner, and counts each byte once', { timeout: 60_000 }, async () => {
    const RATE = 400_000;
    const flows: HttpFlow[] = [];
    const server = await oddServer(serveFile(FILE));
    const one = client({
      onFlow: (flow) => {
        flows.push(flow);
        flow.limitPeer(RATE);
      },
    });
    const began = performance.now();
    for (let i = 0; i < 5; i++) expect((await got(one, whole(server))).bytes.equals(FILE)).toBe(true);
    const seconds = (performance.now() - began) / 1000;
    expect(flows).toHaveLength(1);
    expect(flows[0]?.stats.bytesReceived).toBe(5 * FILE.length);
    // 3 % above the ceiling at most, the last piece that was read not counted: nothing is held back for it. A busy machine may be slower.
    expect((5 * FILE.length - 65_536) / seconds).toBeLessThan(RATE * 1.03);
  });

  it('that is far below what is any good makes no server a slow one', { timeout: 60_000 }, async () => {
    const server = await oddServer(serveFile(FILE));
    const one = client({ onFlow: (flow) => flow.limitPeer(500) });
    const patience = new AbortController();
    const asked = got(one, part(server), patience.signal);
    await delay(SLOW_WINDOW_MS + 2_000);
    patience.abort(new Error('enough'));
    const { code, bytes } = await asked;
    expect(code).toMatch(/^not ours: Error: enough/);
    expect(bytes.length).toBeGreaterThan(1000);
    expect(bytes.length).toBeLessThan(15_000);
  });

  it('P-10.13: holds no emergency, nor is told of it', async () => {
    const server = await oddServer(serveFile(FILE));
    const flows: HttpFlow[] = [];
    const one = client({
      onFlow: (flow) => {
        flows.push(flow);
        flow.limitPeer(500);
      },
    });
    const patience = new AbortController();
    const plain = got(one, part(server), patience.signal);
    const urgent = await got(one, { ...whole(server), unlimited: true });
    expect([urgent.code, urgent.bytes.equals(FILE), flows.length]).toEqual(['', true, 1]);
    patience.abort(new Error('enough'));
    expect((await plain).bytes.length).toBeLessThan(100_000);
  });

  it('is for a flow: the next one, once none came for a while, begins anew', async () => {
    const flows: HttpFlow[] = [];
    const server = await oddServer(serveFile(FILE));
    const one = client({ onFlow: (flow) => flows.push(flow) });
    await got(one, part(server));
    await got(one, part(server));
    expect(flows.map(({ isFinished }) => isFinished)).toEqual([false]);
    await vi.waitFor(() => expect(flows[0]?.isFinished).toBe(true), { timeout: 10_000, interval: 100 });
    await got(one, part(server));
    expect(flows.map(({ isFinished }) => isFinished)).toEqual([true, false]);
  });
});
