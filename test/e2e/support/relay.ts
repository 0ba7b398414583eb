import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A TCP port that passes everything on to another and counts who came: how a test sees a client's connection attempts. */
export class Relay {
  readonly port: number;
  /** When each connection came, monotonic ms. */
  readonly attempts: number[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #waiting = new Set<() => void>();

  private constructor(server: Server, port: number, target: number) {
    this.#server = server;
    this.port = port;
    server.on('connection', (near: Socket) => this.#pass(near, target));
  }

  /** On loopback, in front of the port `target`. Gone with the test. */
  static async open(target: number): Promise<Relay> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const relay = new Relay(server, typeof address === 'object' && address !== null ? address.port : 0, target);
    onTestFinished(() => relay.#close());
    return relay;
  }

  get url(): string {
    return `mqtts://127.0.0.1:${this.port}`;
  }

  async untilAttempts(count: number): Promise<void> {
    while (this.attempts.length < count) {
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
    }
  }

  #pass(near: Socket, target: number): void {
    this.attempts.push(performance.now());
    const far = connect(target, '127.0.0.1');
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  async #close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
