import { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { ChunkmeshError } from '../../shared/errors.js';
import { PacketGuard } from '../../shared/mqtt/packet_guard.js';
import { MAX_PACKET_BYTES } from '../../shared/mqtt/packet_limit.js';

/** A client's decrypted stream, ended before a packet that is too large is buffered (P-2.7). */
export class GuardedStream extends Duplex {
  readonly #socket: TLSSocket;
  readonly #guard = new PacketGuard(MAX_PACKET_BYTES);

  constructor(socket: TLSSocket) {
    super();
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('end', () => this.push(null));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
    socket.pause();
  }

  /** Bytes that wait to be sent. */
  get backlogBytes(): number {
    return this.writableLength + this.#socket.writableLength;
  }

  #onData(chunk: Buffer): void {
    const verdict = this.#guard.check(chunk);
    if (verdict === 'pass') {
      if (!this.push(chunk)) this.#socket.pause();
    } else if (verdict === 'too large') {
      this.destroy(new ChunkmeshError('E_MESSAGE_TOO_LARGE', `a packet above ${MAX_PACKET_BYTES} bytes`));
    } else {
      this.destroy(new ChunkmeshError('E_MESSAGE_MALFORMED', 'not an MQTT packet'));
    }
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done);
  }

  /** The fields of a packet are written one by one; they leave as one TLS record. */
  override _writev(parts: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#socket.write(Buffer.concat(parts.map(({ chunk }) => chunk)), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}
