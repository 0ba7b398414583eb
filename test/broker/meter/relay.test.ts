import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Relay } from '../../../broker/meter/relay.js';
import { ownPort } from '../../support/own_port.js';

const logger = pino({ level: 'silent' });
const host = '127.0.0.1';
let server: Server;
let accepted: Socket[];
let onAccept: (socket: Socket) => void;
let relay: Relay;

beforeEach(async () => {
  accepted = [];
  onAccept = (socket) => void socket.pipe(socket);
  server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted.push(socket);
    socket.on('error', () => {});
    onAccept(socket);
  });
  server.listen(0, host);
  await once(server, 'listening');
  const target = { host, port: (server.address() as AddressInfo).port };
  relay = await Relay.start({ target, host, port: 0, logger });
});
afterEach(async () => {
  await relay.close();
  for (const socket of accepted) socket.destroy();
  server.close();
});

async function client(): Promise<Socket> {
  const socket = connect({ host, port: relay.address.port, allowHalfOpen: true });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** However it ends. */
function closed(socket: Socket | undefined): Promise<void> {
  return new Promise((resolve) => socket?.once('close', () => resolve()));
}

async function readAll(socket: Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of socket) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

describe('Relay', () => {
  it('counts both ways, while open and after', async () => {
    onAccept = (socket) => socket.on('data', (part) => socket.write(Buffer.concat([part, part])));
    const socket = await client();
    socket.write(Buffer.alloc(1000));
    await vi.waitFor(() => expect(socket.bytesRead).toBe(2000));
    expect(relay.bytes()).toEqual({ received: 1000, sent: 2000 });
    socket.destroy();
    await vi.waitFor(() => expect(accepted[0]?.destroyed || accepted[0]?.readableEnded).toBe(true));
    expect(relay.bytes()).toEqual({ received: 1000, sent: 2000 });
  });

  it('passes a half-close on, and what comes after it the other way', async () => {
    onAccept = (socket) => {
      socket.resume();
      socket.on('end', () => socket.end('answered after the question ended'));
    };
    const socket = await client();
    socket.end('question');
    expect(String(await readAll(socket))).toBe('answered after the question ended');
    await vi.waitFor(() => expect(relay.bytes()).toEqual({ received: 8, sent: 33 }));
  });

  it('holds back a sender whose receiver does not read', async () => {
    onAccept = (socket) => void socket.pause();
    const socket = await client();
    const chunk = Buffer.alloc(2 ** 20);
    const written = 64;
    for (let i = 0; i < written; i++) socket.write(chunk);
    let last = -1;
    await vi.waitFor(() => {
      const { received } = relay.bytes();
      const settled = received === last;
      last = received;
      expect(settled).toBe(true);
    });
    expect(relay.bytes().received).toBeLessThan(40 * 2 ** 20);
    const drained = vi.waitFor(() => expect(relay.bytes().received).toBe(written * 2 ** 20), 4000);
    accepted[0]?.resume();
    await drained;
  });

  it.each(['near', 'far'] as const)('ends both sides when the %s one fails, and serves others', async (side) => {
    const socket = await client();
    await vi.waitFor(() => expect(accepted).toHaveLength(1));
    const [failing, remaining] = side === 'near' ? [socket, accepted[0]] : [accepted[0], socket];
    const ended = closed(remaining);
    remaining?.resume();
    failing?.resetAndDestroy();
    await ended;
    const another = await client();
    another.end('echo');
    expect(String(await readAll(another))).toBe('echo');
  });

  it('ends a client at once when the target is absent', async () => {
    const absent = await Relay.start({ target: { host, port: await ownPort() }, host, port: 0, logger });
    const socket = connect(absent.address.port, host);
    socket.on('error', () => {});
    await closed(socket);
    expect(absent.bytes().sent).toBe(0);
    await absent.close();
  });

  it('says where its port is taken, and closes twice', async () => {
    const target = relay.address;
    const taken = Relay.start({ target, host, port: target.port, logger });
    await expect(taken).rejects.toMatchObject({ code: 'E_BROKER_START' });
    await relay.close();
    await relay.close();
  });
});
