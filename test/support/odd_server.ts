import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import type { TlsIdentity } from './tls_identity.js';

/** Servers of the test's own that do what no good one does. Gone with the test. */

export interface OddServer {
  /** `http://127.0.0.1:port`, or https. */
  readonly origin: string;
  /** As many connections as there were. */
  readonly connections: () => number;
}

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

async function listening(server: Server, scheme: string): Promise<OddServer> {
  const sockets = new Set<Socket>();
  let connections = 0;
  server.on('connection', (socket: Socket) => {
    connections++;
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { origin: `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`, connections: () => connections };
}

export function oddServer(answer: Answer): Promise<OddServer> {
  return listening(createServer(answer), 'http');
}

export function oddTlsServer({ certificate: cert, key }: TlsIdentity, answer: Answer): Promise<OddServer> {
  return listening(createTlsServer({ cert, key }, answer), 'https');
}

/** What a client says is read and answered with these bytes, or not at all. */
export function rawServer(say: (socket: Socket) => void): Promise<OddServer> {
  return listening(
    createTcpServer((socket) => {
      socket.once('data', () => say(socket));
      socket.resume();
    }),
    'http',
  );
}

/** The range that a request asks for, of a file. */
export function rangeOf({ headers: { range = '' } }: IncomingMessage, size: number): { first: number; last: number } {
  const [, first = '0', last = String(size - 1)] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? [];
  return { first: Number(first), last: Number(last) };
}

/** A good answer: the file, or the part of it that is asked for. */
export function serveFile(file: Uint8Array): Answer {
  return (request, response) => {
    const { first, last } = rangeOf(request, file.length);
    const isPart = request.headers.range !== undefined;
    response.writeHead(isPart ? 206 : 200, {
      'content-length': last - first + 1,
      ...(isPart && { 'content-range': `bytes ${first}-${last}/${file.length}` }),
    });
    response.end(file.subarray(first, last + 1));
  };
}
