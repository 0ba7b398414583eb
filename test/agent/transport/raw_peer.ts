import { type EndReason, Session, type SessionEvents } from '../../../agent/transport/session.js';
import { SEAL_OVERHEAD_BYTES, SessionKey } from '../../../shared/crypto/box.js';
import { tweetnaclProvider } from '../../../shared/crypto/provider.js';
import { readPacketNumber, writeHeader } from '../../../shared/wire/datagram.js';
import { decodeFrames, type FrameHandler } from '../../../shared/wire/frames.js';

const LOCAL = Buffer.alloc(8, 1);
const REMOTE = Buffer.alloc(8, 2);

/** A peer without manners: it sends any frames at all, and reads what comes back. */
export class RawPeer {
  readonly session: Session;
  now = 0;
  /** What the session told its owner, and what it sent, as texts. */
  readonly events: string[] = [];
  readonly frames: string[] = [];
  readonly paths: number[] = [];
  closed: EndReason | null = null;
  /** How many packet numbers the session has used. */
  sentPackets = 0;
  onRequest: (chunk: number) => void = () => {};
  readonly #key = new SessionKey(new Uint8Array(32).fill(7), tweetnaclProvider);
  readonly #opened = Buffer.alloc(9000);
  readonly #buffer = Buffer.alloc(1500);
  readonly #pings: Buffer[] = [];
  #next = 0;
  #tokens = 0;

  constructor(candidates = 1) {
    const log = (name: string, ...rest: unknown[]) => this.events.push([name, ...rest].join(' '));
    const events: SessionEvents = {
      onOpen: (path) => log('open', path),
      onRequest: (chunk, offset, length) => {
        log('request', chunk, offset, length);
        this.onRequest(chunk);
      },
      onCancel: (chunk) => log('cancel', chunk),
      onReject: (chunk, reason) => log('reject', chunk, reason),
      onData: (chunk, offset, bytes) => log('data', chunk, offset, Buffer.from(bytes).toString('hex')),
      onHave: (first, bits) => log('have', first, Buffer.from(bits).toString('hex')),
      onPeers: (peers) => log('peers', peers.length),
      onComing: (chunk) => log('coming', chunk),
      onClosed: (reason, byPeer) => {
        this.closed = reason;
        log('closed', reason, byPeer);
      },
    };
    this.session = new Session({
      direction: 0,
      localId: LOCAL,
      remoteId: REMOTE,
      key: new SessionKey(new Uint8Array(32).fill(7), tweetnaclProvider),
      now: 0,
      chunkCount: 100,
      candidates,
      token: () => {
        const token = Buffer.alloc(8, 0xff);
        token.writeUInt32BE(this.#tokens++, 4);
        return token;
      },
      events,
    });
  }

  /** A sealed datagram of these frames. */
  sealed(framesHex: string, packet = this.#next++): Buffer {
    const frames = Buffer.from(framesHex, 'hex');
    const datagram = Buffer.alloc(SEAL_OVERHEAD_BYTES + frames.length);
    writeHeader(datagram, LOCAL, packet);
    frames.copy(datagram, SEAL_OVERHEAD_BYTES);
    this.#key.seal(1, datagram, frames.length);
    return datagram;
  }

  send(framesHex: string, path = 0): void {
    this.session.onDatagram(this.now, this.sealed(framesHex), path);
  }

  /** Reads all that the session sends now. @returns how many datagrams that were. */
  read(): number {
    let count = 0;
    for (let n = this.poll(); n > 0; n = this.poll()) count++;
    return count;
  }

  /** Answers the PINGs read so far. */
  open(path = 0): this {
    this.read();
    for (const token of this.#pings.splice(0)) this.send(`02${token.toString('hex')}`, path);
    this.read();
    return this;
  }

  /** Sets the time, and lets the session's timer run where it is due. */
  at(now: number): this {
    this.now = now;
    if (this.session.nextDeadline() <= now) this.session.onTimer(now);
    return this;
  }

  private poll(): number {
    const length = this.session.poll(this.now, this.#buffer);
    if (length === 0) return 0;
    this.paths.push(this.session.lastPath);
    this.sentPackets = readPacketNumber(this.#buffer) + 1;
    const opened = this.#key.open(0, this.#buffer.subarray(0, length), this.#opened);
    if (!decodeFrames(this.#opened, opened, 100, this.#handler))
      throw new Error('the session sent a malformed datagram');
    return length;
  }

  readonly #handler: FrameHandler = {
    onPing: (token) => {
      this.#pings.push(Buffer.from(token));
      this.frames.push('ping');
    },
    onPong: (token) => this.frames.push(`pong ${Buffer.from(token).toString('hex')}`),
    onAck: (ack) => this.frames.push(`ack ${ack.largest} ${ack.count}`),
    onRequest: (chunk, offset, length) => this.frames.push(`request ${chunk} ${offset} ${length}`),
    onData: (chunk, offset, bytes) => this.frames.push(`data ${chunk} ${offset} ${bytes.length}`),
    onHave: (first, bits) => this.frames.push(`have ${first} ${Buffer.from(bits).toString('hex')}`),
    onCancel: (chunk) => this.frames.push(`cancel ${chunk}`),
    onReject: (chunk, reason) => this.frames.push(`reject ${chunk} ${reason}`),
    onPeers: (peers) => this.frames.push(`peers ${peers.length}`),
    onLimit: (rate) => this.frames.push(`limit ${rate}`),
    onComing: (chunk) => this.frames.push(`coming ${chunk}`),
    onClose: (reason) => this.frames.push(`close ${reason}`),
  };
}
