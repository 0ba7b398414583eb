import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Endpoint } from '../../../agent/io/endpoint.js';
import { Session } from '../../../agent/transport/session.js';
import type { SessionEvents } from '../../../agent/transport/session_types.js';
import {
  agreeSessionKey,
  type Direction,
  generateSessionKeyPair,
  type SessionContext,
  type SessionKey,
} from '../../../shared/crypto/box.js';
import { CLOSE } from '../../../shared/wire/frames/close.js';

const LOOPBACK = '127.0.0.1';
const CHUNK_BYTES = 200_000;

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

const silent: SessionEvents = {
  onOpen() {},
  onRequest() {},
  onCancel() {},
  onReject() {},
  onData() {},
  onHave() {},
  onPeers() {},
  onClosed() {},
};

function attach(
  at: Endpoint,
  peer: Endpoint,
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
    candidates: peer.candidates.length,
    token: () => new Uint8Array(randomBytes(8)),
    events: { ...silent, ...events },
  });
  at.attach(localId, session, peer.candidates, () => {});
  return session;
}

function contextOf(idA: Uint8Array, idB: Uint8Array): SessionContext {
  const artifact = new Uint8Array(32);
  return { artifact, offerer: { device: 'a', session: idA }, answerer: { device: 'b', session: idB } };
}

/** `a` asks `b` for one chunk. Resolves with what came. */
async function transfer(a: Endpoint, b: Endpoint, idA: Uint8Array, meanwhile?: () => void): Promise<Buffer> {
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
  const server = attach(b, a, [idB, idA], keyB, 1, {
    onRequest: (number, offset, length) => void server.serve(number, offset, chunk.subarray(offset, offset + length)),
  });
  await new Promise<void>((resolve) => {
    const client = attach(a, b, [idA, idB], keyA, 0, {
      onOpen: () => void client.request(1, 0, CHUNK_BYTES),
      onData: (_chunk, offset, bytes) => {
        received.set(bytes, offset);
        missing -= bytes.length;
        meanwhile?.();
        if (missing <= 0) resolve();
      },
    });
  });
  expect(received.equals(chunk)).toBe(true);
  return received;
}

describe('Endpoint', () => {
  it('carries a chunk between two sessions over loopback', async () => {
    await transfer(await endpoint(), await endpoint(), new Uint8Array(randomBytes(8)));
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
      const first = attach(a, b, [ids[0], ids[1]], key, 0, {
        onOpen: () => {
          first.close(CLOSE.shutdown);
          a.wake();
        },
      });
      attach(b, a, [ids[1], ids[0]], key, 1, { onClosed: (reason, byPeer) => resolve({ reason, byPeer }) });
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
