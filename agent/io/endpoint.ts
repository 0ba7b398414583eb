import type { Candidate } from '../../shared/control/messages.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { hasSessionId, isDatagram, sessionIdHead } from '../../shared/wire/datagram.js';
import { MAX_PATHS } from '../transport/paths.js';
import type { Session } from '../transport/session.js';
import { isUsableSource, ownCandidates } from './candidates.js';
import { openSocket } from './socket/open_socket.js';
import { type Address, addressOf, type DatagramListener, type UdpSocket } from './socket/udp_socket.js';

/** The driver: one UDP socket and one timer for all sessions of an agent. */

/** A session yields to the next after this many datagrams. */
const BURST_DATAGRAMS = 32;
/** How long the host's addresses are believed. */
const CANDIDATES_MS = 1000;
/** setTimeout's own grain. */
const MIN_TIMER_MS = 1;

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

export class Endpoint {
  readonly bound: { readonly address: string; readonly port: number };
  readonly grantedReceiveBytes: number;
  readonly #socket: UdpSocket;
  #candidates: readonly Candidate[] = [];
  #candidatesUntil = Number.NEGATIVE_INFINITY;
  readonly #sessions = new Set<Attached>();
  /** By the first half of the session id, which is random: two sessions of one are rare. */
  readonly #byHead = new Map<number, Attached[]>();
  #timer: NodeJS.Timeout | undefined;
  /** When it rings; Infinity where it is not armed. */
  #timerAt = Number.POSITIVE_INFINITY;
  readonly #onTimer = (): void => {
    this.#timerAt = Number.POSITIVE_INFINITY;
    this.#scheduleFlush();
  };
  #flushing = false;
  #closed = false;
  #stats = { datagramsReceived: 0, datagramsUnknown: 0, datagramsSent: 0 };

  private constructor(socket: UdpSocket) {
    this.#socket = socket;
    this.bound = socket.bound;
    this.grantedReceiveBytes = socket.grantedReceiveBytes;
  }

  /** @throws E_SOCKET where the address is not of this host or the port is taken. */
  static async open(host: string, port: number): Promise<Endpoint> {
    const later: { take?: DatagramListener } = {};
    try {
      const endpoint = new Endpoint(await openSocket(host, port, (bytes, from) => later.take?.(bytes, from)));
      later.take = (bytes, from) => endpoint.#onDatagram(bytes, from);
      return endpoint;
    } catch (cause) {
      throw new ChunkmeshError('E_SOCKET', `UDP ${host}:${port}: ${systemCode(cause) ?? 'cannot be bound'}`, { cause });
    }
  }

  get stats(): EndpointStats {
    return { ...this.#stats, sendErrors: this.#socket.sendErrors };
  }

  /** Which kind of socket this machine has. */
  get socketKind(): UdpSocket['kind'] {
    return this.#socket.kind;
  }

  /** As of now: a device may start before its network does, and get other addresses while it runs. */
  get candidates(): readonly Candidate[] {
    const now = monotonic();
    if (now >= this.#candidatesUntil) {
      this.#candidates = ownCandidates(this.bound);
      this.#candidatesUntil = now + CANDIDATES_MS;
    }
    return this.#candidates;
  }

  /** As SessionOptions.fragmentsAreSeen. */
  get seesFragments(): boolean {
    return this.#socket.seesFragments;
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** @param localId of the session; @param candidates the peer's, as the session numbers them. */
  attach(localId: Uint8Array, session: Session, candidates: readonly Candidate[], onActivity: () => void): void {
    const paths = new Map(candidates.slice(0, MAX_PATHS).map((named, path) => [path, addressOf(named)]));
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
      await this.#socket.close();
    }
  }

  #onDatagram(bytes: Buffer, from: Address): void {
    this.#stats.datagramsReceived++;
    const attached = this.#sessionOf(bytes);
    if (attached === undefined) {
      this.#stats.datagramsUnknown++;
      return;
    }
    const { session, lastFrom } = attached;
    const known = isAt(lastFrom, from) ? attached.lastPath : pathOf(attached.paths, from);
    // P-5.7 holds for addresses that are heard from too.
    if (known < 0 && (from.port === 0 || !isUsableSource(from.host))) return;
    const path = known < 0 ? attached.nextPath : known;
    const { activePath } = session;
    const rebound = path !== activePath && attached.paths.get(activePath)?.host === from.host;
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
    const some = this.#byHead.get(sessionIdHead(bytes, 1));
    if (some === undefined) return undefined;
    for (const attached of some) if (hasSessionId(bytes, attached.localId)) return attached;
    return undefined;
  }

  /** One flush a turn: the datagrams that arrived together are answered together. */
  #scheduleFlush(): void {
    if (this.#flushing || this.#closed) return;
    this.#flushing = true;
    setImmediate(() => {
      // A timer that came late queued this before it was known what has arrived meanwhile.
      this.#socket.readPending();
      this.#flushing = false;
      if (!this.#closed) this.#flush();
    });
  }

  #flush(): void {
    const now = monotonic();
    let again = false;
    let deadline = Number.POSITIVE_INFINITY;
    this.#socket.flush();
    const full = this.#socket.isBlocked;
    for (const attached of this.#sessions) {
      const { session } = attached;
      let sessionDeadline = session.nextDeadline();
      if (attached.dirty || sessionDeadline <= now) {
        attached.dirty = false;
        if (sessionDeadline <= now) {
          session.onTimer(now);
          // What it gives up on its path others may send.
          again ||= this.#sessions.size > 1;
        }
        attached.onActivity();
        if (full || this.#send(attached, now)) {
          attached.dirty = true;
          again = true;
        }
        if (session.isFinished) this.#forget(attached);
        sessionDeadline = session.nextDeadline();
      }
      deadline = Math.min(deadline, sessionDeadline);
    }
    this.#rotate();
    // With the socket's buffer full, the kernel is given time to empty it.
    const blocked = this.#socket.isBlocked;
    if (again && !blocked) this.#scheduleFlush();
    this.#armTimer(blocked ? now + MIN_TIMER_MS : deadline);
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
  #send(attached: Attached, now: number): boolean {
    let more = true;
    for (let i = 0; i < BURST_DATAGRAMS && more && !this.#socket.isBlocked; i++) more = this.#sendOne(attached, now);
    this.#socket.flush();
    return more;
  }

  #sendOne({ session, paths }: Attached, now: number): boolean {
    const length = session.poll(now, this.#socket.slot());
    if (length === 0) return false;
    const to = paths.get(session.lastPath);
    if (to === undefined) return true;
    this.#stats.datagramsSent++;
    if (!session.lastProbesMtu) this.#socket.send(length, to);
    else if (!this.#socket.sendWhole(length, to)) session.onFragmented(now);
    return true;
  }

  /** One that is armed for earlier is left: it comes, finds nothing due, and arms the next. */
  #armTimer(deadline: number): void {
    if (deadline >= this.#timerAt || this.#closed) return;
    clearTimeout(this.#timer);
    this.#timerAt = deadline;
    // A late timer first reads what has arrived: the flush runs after the poll phase (setImmediate), never in the timer itself.
    this.#timer = setTimeout(this.#onTimer, Math.max(MIN_TIMER_MS, deadline - monotonic()));
  }
}

const isAt = ({ host, port }: Address, from: Address): boolean => port === from.port && host === from.host;

/** The number of the address among the session's, or -1. */
function pathOf(paths: ReadonlyMap<number, Address>, from: Address): number {
  for (const [path, address] of paths) if (isAt(address, from)) return path;
  return -1;
}

/** The address takes the next number, and, with MAX_PATHS there, the place of the one heard first that is not in use. */
function addPath(attached: Attached, from: Address): void {
  const { paths, candidates, session } = attached;
  const path = attached.nextPath++;
  for (const old of paths.keys()) {
    if (paths.size < MAX_PATHS) break;
    if (old < candidates || old === session.activePath) continue;
    paths.delete(old);
    session.forgetPath(old);
  }
  if (paths.size < MAX_PATHS) paths.set(path, from);
  else session.forgetPath(path);
}
