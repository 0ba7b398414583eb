import type { Socket } from 'node:dgram';
import type { Candidate } from '../../../shared/control/messages.js';

/** What the endpoint asks of a UDP socket. Two are there: Node's own, and one that moves many datagrams in one system call. */

/** One object an address, kept as long as it is in use: sockets remember things by it. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** `bytes` is good until the call returns. `from` is the same object as long as datagrams come from the same address. */
export type DatagramListener = (bytes: Buffer, from: Address) => void;

export interface UdpSocket {
  readonly kind: 'dgram' | 'batch';
  readonly bound: { readonly address: string; readonly port: number };
  /** What the kernel granted of SOCKET_BUFFER_BYTES. */
  readonly grantedReceiveBytes: number;
  /** As SessionOptions.fragmentsAreSeen. */
  readonly seesFragments: boolean;
  readonly sendErrors: number;
  /** The kernel takes no more for now, and `slot` must not be asked for. */
  readonly isBlocked: boolean;
  /** Where the next datagram is to be written: room for the largest. */
  slot(): Buffer;
  /** Sends what was written to the slot, now or at `flush`. */
  send(length: number, to: Address): void;
  /** As `send`, at once. @returns false where the path, or the interface, is known to take less in one piece (P-6.7). */
  sendWhole(length: number, to: Address): boolean;
  flush(): void;
  /** Hands on what is known to have arrived and would be handed on later in this turn of the event loop. */
  readPending(): void;
  close(): Promise<void>;
}

/** Asked of the kernel; what it grants is logged. A burst of a few milliseconds must fit. */
export const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024;

export const addressOf = ([host, port]: Candidate): Address => ({ host, port });

/** @returns what the kernel grants for receiving, in bytes */
export function askBuffers(socket: Socket): number {
  try {
    socket.setRecvBufferSize(SOCKET_BUFFER_BYTES);
    socket.setSendBufferSize(SOCKET_BUFFER_BYTES);
  } catch {
    // Kept as the kernel gave them.
  }
  return socket.getRecvBufferSize();
}
