import { createServer, type Server, type Socket } from 'node:net';
import { asError } from '../../../shared/errors.js';
import { type Alert, LineCutter, MAX_LINE_BYTES, parseAlert } from '../../alerts/alert_line.js';
import { inodeOf, listenAt, removeOwn } from './socket_path.js';

/**
 * The socket by which a tamper switch, or any process that may write to it, raises an alert (P-15.8): a line in, a line out. Who connects
 * is not believed: what is kept of it is bounded, and what it does ends at most its own connection.
 */

/** Scripts connect, say a line and go. */
export const MAX_CONNECTIONS = 8;
/** Who holds one of eight places says a whole line in that time, and another: a byte now and then keeps no place. */
const IDLE_MS = 10_000;

export interface AlertSocketOptions {
  readonly path: string;
  /** Id of those who may write to it beside the owner. */
  readonly group?: number;
  /** @returns the alert's number once it is on the disk @throws E_ALERT_RATE, E_STORE_IO, E_DISK_FULL */
  raise(alert: Alert): Promise<number>;
  readonly idleMs?: number;
}

export class AlertSocket {
  readonly #server: Server;
  readonly #options: AlertSocketOptions;
  readonly #open = new Set<Socket>();
  #inode: bigint | undefined;

  private constructor(options: AlertSocketOptions) {
    this.#options = options;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#onConnection(socket));
  }

  /** @throws E_SOCKET, E_CONFIG */
  static async open(options: AlertSocketOptions): Promise<AlertSocket> {
    const made = new AlertSocket(options);
    await listenAt(made.#server, options.path, options.group);
    made.#inode = await inodeOf(options.path);
    // A failed accept, want of handles say, is the client's to try again.
    made.#server.on('error', () => {});
    return made;
  }

  /** The socket is gone then; what is being said is answered no more. */
  async close(): Promise<void> {
    await removeOwn(this.#options.path, this.#inode);
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#open) socket.destroy();
    await closed;
  }

  #onConnection(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    if (this.#open.size >= MAX_CONNECTIONS) {
      socket.end('error E_ALERT_RATE too many connections\n');
      socket.destroySoon();
      return;
    }
    this.#open.add(socket);
    socket.on('close', () => this.#open.delete(socket));
    const patience = setTimeout(() => socket.destroy(), this.#options.idleMs ?? IDLE_MS);
    socket.on('close', () => clearTimeout(patience));
    new Talk(socket, this.#options, () => patience.refresh());
  }
}

/** One connection: its lines are answered in their order. */
class Talk {
  readonly #socket: Socket;
  readonly #raise: AlertSocketOptions['raise'];
  readonly #cutter = new LineCutter();
  readonly #said: () => void;
  #work: Promise<void> = Promise.resolve();

  /** @param said a whole line came, or was answered */
  constructor(socket: Socket, { raise }: AlertSocketOptions, said: () => void) {
    this.#socket = socket;
    this.#said = said;
    this.#raise = raise;
    // The end may be told while what came before it is being answered.
    const inTurn = (act: () => Promise<void>): void => {
      this.#work = this.#work.then(act).catch(() => void socket.destroy());
    };
    socket.on('data', (bytes) => {
      // No more is read while what came is answered.
      socket.pause();
      inTurn(() => this.#hear(bytes));
    });
    socket.on('end', () => inTurn(() => this.#end()));
  }

  async #hear(bytes: Buffer): Promise<void> {
    const lines = this.#cutter.push(bytes);
    if (lines === null) {
      this.#socket.end(`error E_ALERT a line has more than ${MAX_LINE_BYTES} bytes\n`);
      this.#socket.destroySoon();
      return;
    }
    for (const line of lines) await this.#answer(line);
    if (!this.#socket.destroyed) this.#socket.resume();
  }

  async #end(): Promise<void> {
    const line = this.#cutter.end();
    if (line !== undefined) await this.#answer(line);
    if (!this.#socket.destroyed) this.#socket.end();
  }

  /** One that is gone by now has said it all the same. */
  async #answer(line: string): Promise<void> {
    if (line.trim() === '' || this.#socket.destroyed) return;
    this.#said();
    const answer = await this.#answerTo(line);
    this.#said();
    // No more is read of who does not read what it is answered: in the end it is idle.
    if (this.#socket.writable && !this.#socket.write(`${answer}\n`)) await this.#drained();
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        this.#socket.off('drain', end).off('close', end);
        resolve();
      };
      this.#socket.once('drain', end).once('close', end);
    });
  }

  async #answerTo(line: string): Promise<string> {
    try {
      return `ok ${await this.#raise(parseAlert(line))}`;
    } catch (thrown) {
      const { code, message } = asError(thrown, 'it was not kept');
      return `error ${code} ${message.replace(/[^ -~]/g, '?')}`;
    }
  }
}
