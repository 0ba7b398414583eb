import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIP } from 'node:net';
import type { Candidate } from '../../shared/control/messages.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { MAX_DATAGRAM_BYTES } from '../../shared/limits.js';
import { hasSessionId, isDatagram, sessionIdHead } from '../../shared/wire/datagram.js';
import type { Session } from '../transport/session.js';
import { ownCandidates } from './candidates.js';
import { FragmentWatch } from './fragments.js';

/** The driver: one UDP socket and one timer for all sessions of an agent. */

/** Asked of the kernel; what it grants is logged. A burst of a few milliseconds must fit. */
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024;
/** A session yields to the next after this many datagrams. */
const BURST_DATAGRAMS = 32;
/** Buffers that the kernel may still be reading from: two bursts, since one begins only with nothing left of those before. */
const SEND_RING = 2 * BURST_DATAGRAMS;
/** Addresses remembered per session, candidates included: more would let a peer fill the memory. */
const MAX_PATHS = 16;
/** setTimeout's own grain. */
const MIN_TIMER_MS = 1;

interface Address {
  readonly host: string;
  readonly port: number;
}

interface Attached {
  readonly localId: Uint8Array;
  readonly session: Session;
  /** By path: candidates first, then addresses that the peer was heard from. No number is used twice. */
  readonly paths: Map<number, Address>;
  readonly candidates: number;
  nextPath: number;
  /** Where the last datagram came from: nearly always where the next one does. */
  lastFrom: Address;
  lastPath: number;
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

const NOWHERE: Address = { host: '', port: 0 };

const monotonic = (): number => performance.now();

/** One buffer of the ring, and the view of it that was last sent: nearly always the next one's length too. */
class SendSlot {
  readonly buffer = Buffer.allocUnsafeSlow(MAX_DATAGRAM_BYTES);
  #view = this.buffer;

  view(length: number): Buffer {
    if (this.#view.length !== length) this.#view = this.buffer.subarray(0, length);
    return this.#view;
  }
}

export class Endpoint {
  readonly candidates: readonly Candidate[];
  readonly bound: { readonly address: string; readonly port: number };
  readonly grantedReceiveBytes: number;
  readonly #socket: Socket;
  readonly #fragments = FragmentWatch.open();
  readonly #sessions = new Set<Attached>();
  /** By the first half of the session id, which is random: two sessions of one are rare. */
  readonly #byHead = new Map<number, Attached[]>();
  readonly #ring: readonly SendSlot[] = Array.from({ length: SEND_RING }, () => new SendSlot());
  #slot = 0;
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

  /** As SessionOptions.fragmentsAreSeen. */
  get seesFragments(): boolean {
    return this.#fragments !== null;
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** @param localId of the session; @param candidates the peer's, as the session numbers them. */
  attach(localId: Uint8Array, session: Session, candidates: readonly Candidate[], onActivity: () => void): void {
    const paths = new Map(candidates.slice(0, MAX_PATHS).map(([host, port], path) => [path, { host, port }]));
    const none = { lastFrom: NOWHERE, lastPath: -1 };
    const count = paths.size;
    const attached = { localId, session, paths, candidates: count, nextPath: count, ...none, onActivity, dirty: true };
    this.#sessions.add(attached);
    const head = sessionIdHead(localId);
    this.#byHead.set(head, [...(this.#byHead.get(head) ?? []), attached]);
    this.wake();
  }

  /** Something was queued in a session: it is sent after the current turn, with all else of that turn. */
  wake(): void {
    for (const attached of this.#sessions) attached.dirty = true;
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
      this.#fragments?.close();
      await new Promise<void>((resolve) => this.#socket.close(resolve));
    }
  }

  #onDatagram(bytes: Buffer, from: RemoteInfo): void {
    this.#stats.datagramsReceived++;
    const attached = this.#sessionOf(bytes);
    if (attached === undefined) {
      this.#stats.datagramsUnknown++;
      return;
    }
    const { session, lastFrom } = attached;
    const known = isAt(lastFrom, from) ? attached.lastPath : pathOf(attached.paths, from);
    const path = known < 0 ? attached.nextPath : known;
    const { activePath } = session;
    const rebound = path !== activePath && attached.paths.get(activePath)?.host === from.address;
    if (!session.onDatagram(monotonic(), bytes, path, rebound)) return;
    // Only a datagram that opened may add an address: a stranger must not fill the list.
    if (known < 0) addPath(attached, from);
    if (path !== attached.lastPath) {
      attached.lastPath = path;
      attached.lastFrom = attached.paths.get(path) ?? NOWHERE;
    }
    attached.dirty = true;
    this.#scheduleFlush();
  }

  /** P-6.6: what cannot be a datagram of a session costs one look-up. */
  #sessionOf(bytes: Buffer): Attached | undefined {
    if (!isDatagram(bytes)) return undefined;
    return this.#byHead.get(sessionIdHead(bytes, 1))?.find(({ localId }) => hasSessionId(bytes, localId));
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
    const full = this.#socket.getSendQueueCount() > 0;
    for (const attached of this.#sessions) {
      if (!attached.dirty && attached.session.nextDeadline() > now) continue;
      attached.dirty = false;
      if (attached.session.nextDeadline() <= now) attached.session.onTimer(now);
      attached.onActivity();
      if (full || this.#send(attached, now)) {
        attached.dirty = true;
        again = true;
      }
      if (attached.session.isFinished) this.#forget(attached);
    }
    this.#rotate();
    // With the socket's buffer full, the kernel is given time to empty it.
    const blocked = this.#socket.getSendQueueCount() > 0;
    if (again && !blocked) this.#scheduleFlush();
    this.#armTimer(blocked ? now + MIN_TIMER_MS : Number.POSITIVE_INFINITY);
  }

  /** Another session is first next time: what they share, a ceiling say, goes round. */
  #rotate(): void {
    const [first] = this.#sessions;
    if (first === undefined || this.#sessions.size === 1) return;
    this.#sessions.delete(first);
    this.#sessions.add(first);
  }

  #forget(attached: Attached): void {
    this.#sessions.delete(attached);
    const head = sessionIdHead(attached.localId);
    const others = this.#byHead.get(head)?.filter((one) => one !== attached) ?? [];
    if (others.length === 0) this.#byHead.delete(head);
    else this.#byHead.set(head, others);
  }

  /** @returns whether the session has more to send now. */
  #send({ session, paths }: Attached, now: number): boolean {
    for (let i = 0; i < BURST_DATAGRAMS; i++) {
      const slot = this.#ring[this.#slot];
      if (slot === undefined || this.#socket.getSendQueueCount() > 0) return true;
      const length = session.poll(now, slot.buffer);
      if (length === 0) return false;
      const to = paths.get(session.lastPath);
      if (to === undefined) continue;
      this.#slot = (this.#slot + 1) % SEND_RING;
      this.#stats.datagramsSent++;
      if (session.lastProbesMtu) this.#sendProbe(session, slot.view(length), to, now);
      else this.#socket.send(slot.view(length), to.port, to.host);
    }
    return true;
  }

  /** P-6.7. The kernel takes a datagram, and cuts it up where it must, before `send` returns. */
  #sendProbe(session: Session, datagram: Buffer, to: Address, now: number): void {
    const before = this.#fragments?.count();
    this.#socket.send(datagram, to.port, to.host);
    if (before !== undefined && this.#fragments?.count() !== before) session.onFragmented(now);
  }

  #armTimer(latest: number): void {
    clearTimeout(this.#timer);
    let deadline = latest;
    for (const { session } of this.#sessions) deadline = Math.min(deadline, session.nextDeadline());
    if (deadline === Number.POSITIVE_INFINITY || this.#closed) return;
    // A late timer first reads what has arrived: the flush runs after the poll phase (setImmediate), never in the timer itself.
    this.#timer = setTimeout(() => this.#scheduleFlush(), Math.max(MIN_TIMER_MS, deadline - monotonic()));
  }
}

const isAt = ({ host, port }: Address, from: RemoteInfo): boolean => port === from.port && host === from.address;

/** The number of the address among the session's, or -1. */
function pathOf(paths: ReadonlyMap<number, Address>, from: RemoteInfo): number {
  for (const [path, address] of paths) if (isAt(address, from)) return path;
  return -1;
}

/** The address takes the next number, and, with MAX_PATHS there, the place of the one heard first that is not in use. */
function addPath(attached: Attached, from: RemoteInfo): void {
  const { paths, candidates, session } = attached;
  const path = attached.nextPath++;
  for (const old of paths.keys()) {
    if (paths.size < MAX_PATHS) break;
    if (old < candidates || old === session.activePath) continue;
    paths.delete(old);
    session.forgetPath(old);
  }
  if (paths.size < MAX_PATHS) paths.set(path, { host: from.address, port: from.port });
  else session.forgetPath(path);
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
