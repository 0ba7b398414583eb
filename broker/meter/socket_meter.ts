import type { Socket } from 'node:net';

export interface ByteCount {
  readonly received: number;
  readonly sent: number;
}

/** Counts what TCP sockets move, both ways, closed ones included: handshakes, TLS records, garbage, everything but headers. */
export class SocketMeter {
  readonly #open = new Set<Socket>();
  #received = 0;
  #sent = 0;

  watch(socket: Socket): void {
    this.#open.add(socket);
    socket.once('close', () => {
      this.#open.delete(socket);
      this.#received += socket.bytesRead;
      this.#sent += socket.bytesWritten;
    });
  }

  /** The sockets that are open now. */
  get open(): ReadonlySet<Socket> {
    return this.#open;
  }

  bytes(): ByteCount {
    let received = this.#received;
    let sent = this.#sent;
    for (const { bytesRead, bytesWritten } of this.#open) {
      received += bytesRead;
      sent += bytesWritten;
    }
    return { received, sent };
  }
}
