import { systemCode } from '../../../shared/errors.js';
import { BatchSocket } from './batch_socket.js';
import { DgramSocket } from './dgram_socket.js';
import { loadLibc } from './libc.js';
import type { DatagramListener, UdpSocket } from './udp_socket.js';

/** The environment variable CHUNKMESH_SOCKET: `dgram` has Node's own socket used everywhere. */
export function isBatchUnwanted(choice: string | undefined): boolean {
  return choice === 'dgram';
}

/** The fastest socket that this machine has. @throws an error with the system's `code`. */
export async function openSocket(host: string, port: number, onDatagram: DatagramListener): Promise<UdpSocket> {
  const libc = isBatchUnwanted(process.env.CHUNKMESH_SOCKET) ? null : loadLibc();
  if (libc === null) return DgramSocket.open(host, port, onDatagram);
  try {
    return await BatchSocket.open(libc, host, port, onDatagram);
  } catch (error) {
    // What the system says holds for any socket. Without its code it is the package that did not do here what it does elsewhere.
    if (systemCode(error) !== undefined) throw error;
    return DgramSocket.open(host, port, onDatagram);
  }
}
