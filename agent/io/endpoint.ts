import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIP } from 'node:net';
import type { Candidate } from '../../shared/control/messages.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { BASE_DATAGRAM_BYTES } from '../../shared/limits.js';
import { isDatagram, SESSION_ID_BYTES } from '../../shared/wire/datagram.js';
import type { Session } from '../transport/session.js';
import { ownCandidates } from './candidates.js';

/** The driver: one UDP socket and one timer for all sessions of an agent. */

/** Asked of the kernel; what it grants is logged. A burst of a few milliseconds must fit. */
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024;
/** A session yields to the next after this many datagrams. */
const BURST_DATAGRAMS = 32;
/** Buffers that the kernel may still be reading from; with as many waiting, sending stops. */
const SEND_RING = 128;
/** Addresses remembered per session, candidates included: more would let a peer fill the memory. */
const MAX_PATHS = 16;
/** setTimeout's own grain. */
const MIN_TIMER_MS = 1;

interface Address {
  readonly host: string;
  readonly port: number;
}

interface Attached {
  readonly session: Session;
  readonly paths: Address[];
  /** After each batch of datagrams, timer or application call: what came may have made room. */
  readonly onActivity: () => void;
  dirty: boolean;
}

export interface EndpointStats {
  readonly datagramsReceived: number;
  /** P-6.6: for no session, or of no possible length. */
  readonly datagramsUnknown: number;
  readonly datagramsSent: number;
  readonly sendErrors: number;
}

/** P-6: behind the first byte. */
const SESSION_ID_AT = 1;

const monotonic = (): number => performance.now();
const idOf = (bytes: Buffer, at: number): string => bytes.toString('latin1', at, at + SESSION_ID_BYTES);

export class Endpoint {
  readonly candidates: readonly Candidate[];
  readonly bound: { readonly address: string; readonly port: number };
  readonly grantedReceiveBytes: number;
  readonly #socket: Socket;
  readonly #sessions = new Map<string, Attached>();
  readonly #ring: Buffer[] = Array.from({ length: SEND_RING }, () => Buffer.allocUnsafeSlow(BASE_DATAGRAM_BYTES));
  readonly #onSent = (error: Error | null): void => {
    this.#inKernel--;
    if (error !== null) this.#stats.sendErrors++;
  };
  #slot = 0;
  #inKernel = 0;
  #timer: NodeJS.Timeout | undefined;
  #flushing = false;
  #closed = false;
  #stats = { datagramsReceived: 0, datagramsUnknown: 0, datagramsSent: 0, sendErrors: 0 };

  private constructor(socket: Socket, grantedReceiveBytes: number) {
    this.#socket = socket;
    this.#socket.on('message', (bytes, from) => this.#onDatagram(bytes, from));
    // A send that a host refuses (ICMP, a route that is gone) is a lost datagram; the socket lives on.
    this.#socket.on('error', () => {
      this.#stats.sendErrors++;
    });
    this.bound = socket.address();
    this.candidates = ownCandidates(this.bound);
    this.grantedReceiveBytes = grantedReceiveBytes;
  }

  /** @throws E_SOCKET where the address is not of this host or the port is taken. */
  static async open(host: string, port: number): Promise<Endpoint> {
    const socket = createSocket({
      type: isIP(host) === 6 ? 'udp6' : 'udp4',
      // Every destination is a literal: the default would go through getaddrinfo for each datagram.
      lookup: (name, _options, callback) => callback(null, name, isIP(name)),
    });
    try {
      // With a look-up that answers at once, `listening` may be told before `bind` returns.
      const listening = once(socket, 'listening');
      socket.bind(port, host);
      await listening;
    } catch (cause) {
      socket.close();
      throw new ChunkmeshError('E_SOCKET', `UDP ${host}:${port}: ${systemCode(cause) ?? 'cannot be bound'}`, { cause });
    }
    return new Endpoint(socket, askBuffers(socket));
  }

  get stats(): EndpointStats {
    return { ...this.#stats };
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** @param localId of the session; @param candidates the peer's, as the session numbers them. */
  attach(localId: Uint8Array, session: Session, candidates: readonly Candidate[], onActivity: () => void): void {
    const paths = candidates.map(([host, port]) => ({ host, port }));
    this.#sessions.set(idOf(Buffer.from(localId), 0), { session, paths, onActivity, dirty: true });
    this.wake();
  }

  /** Something was queued in a session: it is sent after the current turn, with all else of that turn. */
  wake(): void {
    for (const attached of this.#sessions.values()) attached.dirty = true;
    this.#scheduleFlush();
  }

  /** Sends what sessions have left to say, their CLOSE for one, then closes the socket. */
  async close(): Promise<void> {
    if (this.#closed) return;
    try {
      this.#flush();
    } finally {
      this.#closed = true;
      clearTimeout(this.#timer);
      await new Promise<void>((resolve) => this.#socket.close(resolve));
    }
  }

  #onDatagram(bytes: Buffer, from: RemoteInfo): void {
    this.#stats.datagramsReceived++;
    // P-6.6: what cannot be a datagram of a session costs one comparison.
    const attached = isDatagram(bytes) ? this.#sessions.get(idOf(bytes, SESSION_ID_AT)) : undefined;
    if (attached === undefined) {
      this.#stats.datagramsUnknown++;
      return;
    }
    const known = pathOf(attached.paths, from);
    const path = known < 0 ? attached.paths.length : known;
    if (path >= MAX_PATHS || !attached.session.onDatagram(monotonic(), bytes, path)) return;
    // Only a datagram that opened may add an address: a stranger must not fill the list.
    if (known < 0) attached.paths.push({ host: from.address, port: from.port });
    attached.dirty = true;
    this.#scheduleFlush();
  }

  /** One flush a turn: the datagrams that arrived together are answered together. */
  #scheduleFlush(): void {
    if (this.#flushing || this.#closed) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      if (!this.#closed) this.#flush();
    });
  }

  #flush(): void {
    const now = monotonic();
    let again = false;
    for (const [id, attached] of this.#sessions) {
      if (!attached.dirty && attached.session.nextDeadline() > now) continue;
      attached.dirty = false;
      if (attached.session.nextDeadline() <= now) attached.session.onTimer(now);
      attached.onActivity();
      if (this.#send(attached, now)) {
        attached.dirty = true;
        again = true;
      }
      if (attached.session.isFinished) this.#sessions.delete(id);
    }
    if (again) this.#scheduleFlush();
    this.#armTimer();
  }

  /** @returns whether the session has more to send now. */
  #send({ session, paths }: Attached, now: number): boolean {
    for (let i = 0; i < BURST_DATAGRAMS; i++) {
      if (this.#inKernel >= SEND_RING) return true;
      const buffer = this.#ring[this.#slot] ?? Buffer.alloc(0);
      const length = session.poll(now, buffer);
      if (length === 0) return false;
      const to = paths[session.lastPath];
      if (to === undefined) continue;
      this.#slot = (this.#slot + 1) % SEND_RING;
      this.#inKernel++;
      this.#stats.datagramsSent++;
      this.#socket.send(buffer, 0, length, to.port, to.host, this.#onSent);
    }
    return true;
  }

  #armTimer(): void {
    clearTimeout(this.#timer);
    let deadline = Number.POSITIVE_INFINITY;
    for (const { session } of this.#sessions.values()) deadline = Math.min(deadline, session.nextDeadline());
    if (deadline === Number.POSITIVE_INFINITY || this.#closed) return;
    // A late timer first reads what has arrived: the flush runs after the poll phase (setImmediate), never in the timer itself.
    this.#timer = setTimeout(() => this.#scheduleFlush(), Math.max(MIN_TIMER_MS, deadline - monotonic()));
  }
}

/** The number of the address among the session's, or -1. */
function pathOf(paths: readonly Address[], from: RemoteInfo): number {
  for (let i = 0; i < paths.length; i++) {
    const path = paths[i];
    if (path?.port === from.port && path.host === from.address) return i;
  }
  return -1;
}

function askBuffers(socket: Socket): number {
  try {
    socket.setRecvBufferSize(SOCKET_BUFFER_BYTES);
    socket.setSendBufferSize(SOCKET_BUFFER_BYTES);
  } catch {
    // Kept as the kernel gave them.
  }
  return socket.getRecvBufferSize();
}
