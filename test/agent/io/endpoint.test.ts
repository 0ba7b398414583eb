import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Endpoint } from '../../../agent/io/endpoint.js';
import { BatchSocket } from '../../../agent/io/socket/batch_socket.js';
import { loadLibc } from '../../../agent/io/socket/libc.js';
import { Session } from '../../../agent/transport/session.js';
import type { SessionEvents } from '../../../agent/transport/session_types.js';
import type { Candidate } from '../../../shared/control/messages.js';
import {
  agreeSessionKey,
  type Direction,
  generateSessionKeyPair,
  type SessionContext,
  type SessionKey,
} from '../../../shared/crypto/box.js';
import { MAX_DATAGRAM_BYTES } from '../../../shared/limits.js';
import { writeHeader } from '../../../shared/wire/datagram.js';
import { CLOSE } from '../../../shared/wire/frames/close.js';
import { QUIET } from '../../support/quiet_events.js';

const LOOPBACK = '127.0.0.1';
const CHUNK_BYTES = 2_000_000;

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const part of open.splice(0)) await part.close();
});

async function endpoint(): Promise<Endpoint> {
  const made = await Endpoint.open(LOOPBACK, 0);
  open.push(made);
  return made;
}

async function stranger(): Promise<{ socket: Socket; received: Buffer[] }> {
  const socket = createSocket('udp4');
  const received: Buffer[] = [];
  socket.on('message', (bytes) => received.push(bytes));
  socket.bind(0, LOOPBACK);
  await once(socket, 'listening');
  open.push(socket);
  return { socket, received };
}

function attach(
  at: Endpoint,
  candidates: readonly Candidate[],
  ids: [Uint8Array, Uint8Array],
  key: SessionKey,
  direction: Direction,
  events: Partial<SessionEvents>,
): Session {
  const [localId, remoteId] = ids;
  const session = new Session({
    direction,
    localId,
    remoteId,
    key,
    now: performance.now(),
    chunkCount: 4,
    candidates: candidates.length,
    token: () => new Uint8Array(randomBytes(8)),
    maxDatagramBytes: MAX_DATAGRAM_BYTES,
    fragmentsAreSeen: at.seesFragments,
    events: { ...QUIET, ...events },
  });
  at.attach(localId, session, candidates, () => {});
  return session;
}

function contextOf(idA: Uint8Array, idB: Uint8Array): SessionContext {
  const artifact = new Uint8Array(32);
  return { artifact, offerer: { device: 'a', session: idA }, answerer: { device: 'b', session: idB } };
}

/** `a` asks `b` for one chunk. Resolves with what came. */
async function transfer(
  a: Endpoint,
  b: Endpoint,
  idA: Uint8Array,
  meanwhile?: (client: Session) => void,
  way: readonly Candidate[] = b.candidates,
): Promise<Session> {
  const idB = new Uint8Array(randomBytes(8));
  const mine = generateSessionKeyPair();
  const theirs = generateSessionKeyPair();
  const context = contextOf(idA, idB);
  const keyA = agreeSessionKey(mine.secret, theirs.publicKey, context);
  const keyB = agreeSessionKey(theirs.secret, mine.publicKey, context);
  if (keyA === null || keyB === null) throw new Error('no key');
  const chunk = randomBytes(CHUNK_BYTES);
  const received = Buffer.alloc(CHUNK_BYTES);
  let missing = CHUNK_BYTES;
  const server = attach(b, way === b.candidates ? a.candidates : [], [idB, idA], keyB, 1, {
    onRequest: (number, offset, length) => void server.serve(number, offset, chunk.subarray(offset, offset + length)),
  });
  let client: Session | undefined;
  await new Promise<void>((resolve) => {
    client = attach(a, way, [idA, idB], keyA, 0, {
      onOpen: () => void client?.request(1, 0, CHUNK_BYTES),
      onData: (_chunk, offset, bytes) => {
        received.set(bytes, offset);
        missing -= bytes.length;
        if (client !== undefined) meanwhile?.(client);
        if (missing <= 0) resolve();
      },
    });
  });
  expect(received.equals(chunk)).toBe(true);
  return server;
}

/** A session that notes what it is told. */
function noting(deadline: number): { session: Session; told: string[] } {
  const told: string[] = [];
  const session = {
    isFinished: false,
    activePath: 0,
    nextDeadline: () => (told.includes('timer') ? Number.POSITIVE_INFINITY : deadline),
    onTimer: () => void told.push('timer'),
    onDatagram: () => told.push('datagram') > 0,
    poll: () => 0,
  };
  return { session: session as unknown as Session, told };
}

it('reads what has arrived before a timer that comes late is told', async () => {
  const at = await endpoint();
  const libc = loadLibc();
  if (libc === null) throw new Error('koffi does not load here');
  const from = await BatchSocket.open(libc, LOOPBACK, 0, () => {});
  open.push(from);
  const id = new Uint8Array(randomBytes(8));
  const due = performance.now() + 30;
  const { session, told } = noting(due);
  at.attach(id, session, [[LOOPBACK, from.bound.port]], () => {});
  // The timer is set; then the process stands still past it, and a datagram arrives meanwhile.
  await new Promise((resolve) => setTimeout(resolve, 5));
  writeHeader(from.slot().fill(0, 0, 40), id, 1);
  from.send(40, { host: LOOPBACK, port: at.bound.port });
  from.flush();
  while (performance.now() < due + 30);
  await vi.waitFor(() => expect(told).toEqual(['datagram', 'timer']));
});

describe('Endpoint', () => {
  it('carries a chunk between two sessions over loopback', async () => {
    await transfer(await endpoint(), await endpoint(), new Uint8Array(randomBytes(8)));
  });

  it('P-6.7: finds that loopback takes the largest datagram there is', async () => {
    const server = await transfer(await endpoint(), await endpoint(), new Uint8Array(randomBytes(8)));
    expect(server.stats.datagramBytes).toBe(MAX_DATAGRAM_BYTES);
  });

  it('P-5.7: names the addresses that the host has by now, not those of the start', async () => {
    const interfaces = vi.spyOn(os, 'networkInterfaces');
    syncBuiltinESMExports();
    const entry = (address: string, internal: boolean) => ({
      ...{ address, internal, family: 'IPv4' as const, netmask: '255.255.255.0', mac: '00:00:00:00:00:00', cidr: null },
    });
    const clock = vi.spyOn(performance, 'now');
    try {
      let now = 1000;
      clock.mockImplementation(() => now);
      interfaces.mockReturnValue({ lo: [entry('127.0.0.1', true)] });
      const made = await Endpoint.open('0.0.0.0', 0);
      open.push(made);
      const hosts = () => made.candidates.map(([host]) => host);
      expect(hosts()).toEqual(['127.0.0.1']);
      interfaces.mockReturnValue({ lo: [entry('127.0.0.1', true)], eth0: [entry('192.0.2.7', false)] });
      now = 1999;
      expect(hosts()).toEqual(['127.0.0.1']);
      now = 2000;
      expect(hosts()).toEqual(['192.0.2.7']);
    } finally {
      interfaces.mockRestore();
      clock.mockRestore();
      syncBuiltinESMExports();
    }
  });

  it('P-7.11: follows a peer whose NAT gives it another port, and other ones after that', async () => {
    const [a, b] = [await endpoint(), await endpoint()];
    // A NAT in front of `a`: what it sends to the NAT's inside goes out by the newest outside, and back.
    const inside = await stranger();
    let outside = await stranger();
    const answer = (socket: Socket) =>
      socket.on('message', (bytes) => inside.socket.send(bytes, a.bound.port, LOOPBACK));
    answer(outside.socket);
    inside.socket.on('message', (bytes) => outside.socket.send(bytes, b.bound.port, LOOPBACK));
    let moves = 0;
    let received = 0;
    const server = await transfer(
      a,
      b,
      new Uint8Array(randomBytes(8)),
      () => {
        if (++received % 15 !== 0 || moves === 3) return;
        moves++;
        const before = outside;
        void stranger().then((next) => {
          answer(next.socket);
          outside = next;
          before.socket.removeAllListeners('message');
        });
      },
      [[LOOPBACK, inside.socket.address().port]],
    );
    expect(moves).toBe(3);
    expect(server.activePath).toBeGreaterThan(1);
  });

  it('E_SOCKET: refuses a port that is taken and an address that is not of this host', async () => {
    const { bound } = await endpoint();
    await expect(Endpoint.open(LOOPBACK, bound.port)).rejects.toMatchObject({ code: 'E_SOCKET' });
    await expect(Endpoint.open('192.0.2.1', 0)).rejects.toMatchObject({ code: 'E_SOCKET' });
  });

  it('P-6.6: answers a stranger nothing, known session id or not, and counts what is for no session', async () => {
    const [a, b] = [await endpoint(), await endpoint()];
    const { socket, received } = await stranger();
    const idA = new Uint8Array(randomBytes(8));
    const forged = Buffer.concat([Buffer.of(0x41), idA, randomBytes(100)]);
    const unknown = Buffer.concat([Buffer.of(0x41), randomBytes(108)]);
    let sent = 0;
    await transfer(a, b, idA, () => {
      for (const bytes of [forged, unknown, Buffer.alloc(0), Buffer.of(0x41), randomBytes(1400)]) {
        socket.send(bytes, a.bound.port, LOOPBACK);
        sent++;
      }
    });
    expect(sent).toBeGreaterThan(100);
    expect(a.stats.datagramsUnknown).toBeGreaterThan(0);
    expect(received).toEqual([]);
  });

  it('forgets a session when it has ended, and tells the peer', async () => {
    const [a, b] = [await endpoint(), await endpoint()];
    const ids = [new Uint8Array(randomBytes(8)), new Uint8Array(randomBytes(8))] as const;
    const [mine, theirs] = [generateSessionKeyPair(), generateSessionKeyPair()];
    const key = agreeSessionKey(mine.secret, theirs.publicKey, contextOf(...ids));
    if (key === null) throw new Error('no key');
    const closed = new Promise<unknown>((resolve) => {
      const first = attach(a, b.candidates, [ids[0], ids[1]], key, 0, {
        onOpen: () => {
          first.close(CLOSE.shutdown);
          a.wake();
        },
      });
      attach(b, a.candidates, [ids[1], ids[0]], key, 1, { onClosed: (reason, byPeer) => resolve({ reason, byPeer }) });
    });
    expect(await closed).toEqual({ reason: CLOSE.shutdown, byPeer: true });
    await vi.waitFor(() => expect([a.sessionCount, b.sessionCount]).toEqual([0, 0]));
  });

  it('closes its socket although a session throws', async () => {
    const made = await endpoint();
    const throwing = {
      nextDeadline: () => Number.POSITIVE_INFINITY,
      poll() {
        throw new Error('poll');
      },
    };
    made.attach(new Uint8Array(8), throwing as unknown as Session, [], () => {});
    await expect(made.close()).rejects.toThrow('poll');
    const again = await Endpoint.open(LOOPBACK, made.bound.port);
    await again.close();
  });
});
