import type { TLSSocket } from 'node:tls';
import type { Client } from 'aedes';
import { ChunkmeshError } from '../../shared/errors.js';

/** Refusing a client in words that it can show: CONNACK, then the end (MQTT 3.1.1 §3.2.2.3). */

export const CONNACK = { identifierRejected: 2, notAuthorized: 5 } as const;

/** For one that does not even read its refusal. */
const REFUSAL_TIMEOUT_MS = 5000;

const packet = (code: number): Buffer => Buffer.from([0x20, 2, 0, code]);

/** For a client that is no member. What it says is not parsed; a socket ended before it was read would lose the answer. */
export function turnAway(socket: TLSSocket): void {
  const timer = setTimeout(() => socket.destroy(), REFUSAL_TIMEOUT_MS);
  socket.once('close', () => clearTimeout(timer));
  socket.on('error', () => socket.destroy());
  socket.once('data', () => socket.end(packet(CONNACK.notAuthorized)));
  socket.resume();
}

/** For a member that says the wrong thing in its CONNECT; aedes itself would end the connection without a word. */
export function refuseConnect(client: Client, code: number, done: (error: Error | null, ok: boolean) => void): void {
  const timer = setTimeout(() => client.conn.destroy(), REFUSAL_TIMEOUT_MS);
  client.conn.write(packet(code), () => {
    clearTimeout(timer);
    done(new ChunkmeshError('E_BROKER_REFUSED', `CONNACK ${code}`), false);
  });
}
