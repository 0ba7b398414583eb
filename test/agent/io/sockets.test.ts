import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { BatchSocket } from '../../../agent/io/socket/batch_socket.js';
import { DgramSocket } from '../../../agent/io/socket/dgram_socket.js';
import { type Libc, loadLibc } from '../../../agent/io/socket/libc.js';
import { decodeSockaddr, encodeSockaddr } from '../../../agent/io/socket/sockaddr.js';
import type { Address, DatagramListener, UdpSocket } from '../../../agent/io/socket/udp_socket.js';

const LOOPBACK = '127.0.0.1';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const part of open.splice(0)) await part.close();
});

interface Received {
  readonly bytes: Buffer;
  readonly from: Address;
}

type Open = (host: string, port: number, take: DatagramListener) => Promise<UdpSocket>;

function libc(): Libc {
  const loaded = loadLibc();
  if (loaded === null) throw new Error('koffi does not load here');
  return loaded;
}

const kinds: [kind: string, open: Open][] = [
  ['dgram', (host, port, take) => DgramSocket.open(host, port, take)],
  ['batch', (host, port, take) => BatchSocket.open(libc(), host, port, take)],
];

describe.each(kinds)('a socket: %s', (_kind, openOne) => {
  async function listening(host = LOOPBACK): Promise<{ socket: UdpSocket; received: Received[]; at: Address }> {
    const received: Received[] = [];
    const socket = await openOne(host, 0, (bytes, from) => received.push({ bytes: Buffer.from(bytes), from }));
    open.push(socket);
    return { socket, received, at: { host, port: socket.bound.port } };
  }

  function put(socket: UdpSocket, length: number, mark: number, to: Address): void {
    socket.slot().fill(mark, 0, length);
    socket.send(length, to);
  }

  it.each([LOOPBACK, '::1'])('carries datagrams of any length, in order, over %s', async (host) => {
    const [a, b] = [await listening(host), await listening(host)];
    const lengths = [1, 1200, 1200, 1200, 700, 1200, 8952, 8952, 100, 1300, 1299, ...new Array<number>(150).fill(1452)];
    for (const [i, length] of lengths.entries()) put(a.socket, length, i, b.at);
    a.socket.flush();
    await vi.waitFor(() => expect(b.received.length).toBe(lengths.length));
    expect(b.received.map(({ bytes }) => bytes.length)).toEqual(lengths);
    for (const [i, { bytes, from }] of b.received.entries()) {
      expect(bytes.every((byte) => byte === i)).toBe(true);
      expect(from).toEqual(a.at);
    }
  });

  it('hands on each datagram of those that were sent together', async () => {
    const [a, b] = [await listening(), await listening()];
    for (let i = 0; i < 100; i++) put(a.socket, i === 99 ? 40 : 1452, i, b.at);
    a.socket.flush();
    await vi.waitFor(() => expect(b.received.length).toBe(100));
    for (const [i, { bytes, from }] of b.received.entries()) {
      expect([bytes.length, bytes[0], bytes.at(-1)]).toEqual([i === 99 ? 40 : 1452, i, i]);
      expect(from).toEqual(a.at);
    }
  });

  it('keeps addresses apart, to and from', async () => {
    const [a, b, c] = [await listening(), await listening(), await listening()];
    for (let i = 0; i < 30; i++) {
      put(a.socket, 500, 1, b.at);
      put(a.socket, 500, 2, c.at);
      put(c.socket, 500, 3, b.at);
    }
    for (const { socket } of [a, c]) socket.flush();
    await vi.waitFor(() => expect([b.received.length, c.received.length]).toEqual([60, 30]));
    for (const { bytes, from } of b.received) expect(from).toEqual(bytes[0] === 1 ? a.at : c.at);
    expect(c.received.every(({ bytes }) => bytes[0] === 2)).toBe(true);
  });

  it('tells whether a datagram left whole', async () => {
    const [a, b] = [await listening(), await listening()];
    put(a.socket, 300, 7, b.at);
    a.socket.slot().fill(8, 0, 8952);
    expect(a.socket.sendWhole(8952, b.at)).toBe(true);
    await vi.waitFor(() => expect(b.received.map(({ bytes }) => bytes.length)).toEqual([300, 8952]));
    expect(a.socket.seesFragments).toBe(true);
  });

  it('lives on where nobody listens', async () => {
    const [a, b] = [await listening(), await listening()];
    const nowhere = createSocket('udp4').bind(0, LOOPBACK);
    await once(nowhere, 'listening');
    const gone = { host: LOOPBACK, port: nowhere.address().port };
    nowhere.close();
    for (let i = 0; i < 20; i++) {
      put(a.socket, 100, 1, gone);
      put(a.socket, 100, 2, b.at);
    }
    a.socket.flush();
    await vi.waitFor(() => expect(b.received.length).toBe(20));
  });

  it('counts what cannot be sent, to port 0 for one, and lives on', async () => {
    const [a, b] = [await listening(), await listening()];
    put(a.socket, 100, 1, { host: LOOPBACK, port: 0 });
    a.socket.flush();
    put(a.socket, 100, 2, b.at);
    a.socket.flush();
    await vi.waitFor(() => expect(b.received.length).toBe(1));
    expect(a.socket.sendErrors).toBe(1);
  });

  it('refuses a port that is taken and an address that is not of this host, and keeps nothing open', async () => {
    const { at } = await listening();
    await expect(openOne(LOOPBACK, at.port, () => {})).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await expect(openOne('192.0.2.1', 0, () => {})).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' });
  });

  it('cannot be bound beside, whatever the other asks', async () => {
    const { at } = await listening();
    const other = createSocket({ type: 'udp4', reuseAddr: true });
    open.push(other);
    other.bind(at.port, LOOPBACK);
    const [error] = await once(other, 'error');
    expect(error).toMatchObject({ code: 'EADDRINUSE' });
  });

  it('hands nothing on after it was closed, though more had arrived', async () => {
    const [a, b] = [await listening(), await listening()];
    let closing: Promise<void> | undefined;
    let after = 0;
    const socket = await openOne(LOOPBACK, 0, () => {
      if (closing !== undefined) after++;
      closing ??= socket.close();
    });
    for (let i = 0; i < 50; i++) put(a.socket, 100, 1, { host: LOOPBACK, port: socket.bound.port });
    a.socket.flush();
    await vi.waitFor(() => expect(closing).toBeDefined());
    await closing;
    put(a.socket, 100, 1, b.at);
    a.socket.flush();
    await vi.waitFor(() => expect(b.received.length).toBe(1));
    expect(after).toBe(0);
  });
});

describe('the calls of a batch socket', () => {
  /** What is asked of the kernel, and what it answers for once. */
  function watched(): { calls: string[]; refuse: (errno: number, times: number) => void; door: Libc } {
    const real = libc();
    const calls: string[] = [];
    let left = 0;
    let code = 0;
    const door: Libc = {
      ...real,
      recvmmsg: (...args) => {
        calls.push('recvmmsg');
        return real.recvmmsg(...args);
      },
      sendmsg: (fd, header, flags) => {
        const count = header.readUInt32LE(24);
        calls.push(`sendmsg ${count}`);
        if (count > 1 && left-- > 0) return -1;
        return real.sendmsg(fd, header, flags);
      },
      errno: () => (left >= 0 && code > 0 ? code : real.errno()),
    };
    const refuse = (errno: number, times: number): void => {
      code = errno;
      left = times;
    };
    return { calls, refuse, door };
  }

  async function pair(door: Libc): Promise<{ a: UdpSocket; to: Address; received: number[] }> {
    const received: number[] = [];
    const b = await DgramSocket.open(LOOPBACK, 0, (bytes) => received.push(bytes.length));
    const a = await BatchSocket.open(door, LOOPBACK, 0, () => {});
    open.push(a, b);
    return { a, to: { host: LOOPBACK, port: b.bound.port }, received };
  }

  function burst(a: UdpSocket, to: Address): void {
    for (let i = 0; i < 10; i++) a.send(500, to);
    a.flush();
  }

  it('are one for many datagrams', async () => {
    const { calls, door } = watched();
    const { a, to, received } = await pair(door);
    burst(a, to);
    expect(calls).toEqual(['sendmsg 10']);
    await vi.waitFor(() => expect(received.length).toBe(10));
  });

  it('are few where the kernel keeps together what was sent together', async () => {
    const { calls, door } = watched();
    let received = 0;
    const b = await BatchSocket.open(door, LOOPBACK, 0, () => received++);
    const { a } = await pair(libc());
    const to = { host: LOOPBACK, port: b.bound.port };
    for (let i = 0; i < 180; i++) {
      a.send(1452, to);
    }
    a.flush();
    await vi.waitFor(() => expect(received).toBe(180));
    // Four messages of 45, and the call that finds nothing more.
    expect(calls.length).toBeLessThanOrEqual(5);
  });

  it.each([5, 22])(
    'are one for each from the time when batches are refused (errno %i), and nothing is lost',
    async (errno) => {
      const { calls, refuse, door } = watched();
      const { a, to, received } = await pair(door);
      refuse(errno, 1);
      burst(a, to);
      burst(a, to);
      expect(calls).toEqual(['sendmsg 10', ...new Array<string>(20).fill('sendmsg 1')]);
      await vi.waitFor(() => expect(received.length).toBe(20));
    },
  );

  it('wait while the kernel takes no more, and lose nothing of the batch', async () => {
    const { refuse, door } = watched();
    const { a, to, received } = await pair(door);
    refuse(11, 1);
    burst(a, to);
    expect(a.isBlocked).toBe(true);
    a.flush();
    expect(a.isBlocked).toBe(false);
    await vi.waitFor(() => expect(received.length).toBe(10));
  });

  it('go on after the descriptor had an error, for which it is watched no more', async () => {
    const { door } = watched();
    const watchers: ((status: number) => void)[] = [];
    let closed = 0;
    const poll: Libc['poll'] = (fd, onReadable) => {
      watchers.push(onReadable);
      const handle = door.poll(fd, onReadable);
      return {
        close: () => {
          closed++;
          handle.close();
        },
      };
    };
    let received = 0;
    const b = await BatchSocket.open({ ...door, poll }, LOOPBACK, 0, () => received++);
    open.push(b);
    watchers[0]?.(-9);
    await vi.waitFor(() => expect(watchers.length).toBe(2));
    expect([closed, b.sendErrors]).toEqual([1, 1]);
    const { a } = await pair(libc());
    burst(a, { host: LOOPBACK, port: b.bound.port });
    await vi.waitFor(() => expect(received).toBe(10));
  });

  it('are no more on a socket once its listener has closed it', async () => {
    const { calls, door } = watched();
    let closing: Promise<void> | undefined;
    const b = await BatchSocket.open(door, LOOPBACK, 0, () => {
      closing ??= b.close();
    });
    const { a } = await pair(libc());
    burst(a, { host: LOOPBACK, port: b.bound.port });
    await vi.waitFor(() => expect(closing).toBeDefined());
    await closing;
    expect(calls).toEqual(['recvmmsg']);
  });
});

describe('addresses as Linux has them', () => {
  it.each([
    [4, '192.0.2.1', 51554, '0200c962c00002010000000000000000'],
    [6, '2001:db8::1:0:0:1', 443, '0a0001bb0000000020010db800000000000100000000000100000000'],
    [6, '::', 0, '0a000000000000000000000000000000000000000000000000000000'],
    [6, '::1', 1, '0a00000100000000000000000000000000000000000000010000 0000'.replace(' ', '')],
  ] as const)('IPv%i %s port %i', (family, host, port, hex) => {
    expect(encodeSockaddr({ host, port }, family).toString('hex')).toBe(hex);
    expect(decodeSockaddr(Buffer.from(hex, 'hex'))).toEqual({ host, port });
  });

  it('writes IPv4 addresses as IPv6 maps them', () => {
    const bytes = encodeSockaddr({ host: '192.0.2.1', port: 9 }, 6);
    expect(decodeSockaddr(bytes)).toEqual({ host: '::ffff:192.0.2.1', port: 9 });
    expect(encodeSockaddr({ host: '::ffff:192.0.2.1', port: 9 }, 6).equals(bytes)).toBe(true);
  });

  it('is null for any other family', () => {
    expect(decodeSockaddr(Buffer.alloc(28))).toBeNull();
  });
});
