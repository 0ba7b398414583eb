import { connect as connectTls, type TLSSocket } from 'node:tls';
import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import type { Credential } from '../../shared/identity/bundle.js';
import { TlsIdentity, type TlsParts } from '../../shared/identity/tls_identity.js';

/** Clients for tests of a broker: one that speaks MQTT properly, one that writes what it likes. */

type Secrets = Pick<Credential, 'tls'>;

export function tlsOptions({ tls }: Secrets): { ca: string; cert: string; key: string } {
  return { ca: tls.ca, cert: tls.certificate, key: tls.exportKey() };
}

/** The same member, who comes with something else. */
export function withTls(credential: Credential, over: Partial<TlsParts>): Credential {
  const { ca, certificate } = credential.tls;
  return { ...credential, tls: new TlsIdentity({ ca, certificate, key: credential.tls.exportKey(), ...over }) };
}

/** Rejects where the broker refuses, by CONNACK, by a TLS alert or without a word. */
export function connectMember(
  credential: Credential,
  port: number,
  options: Partial<IClientOptions> = {},
): Promise<MqttClient> {
  const client = connect(`mqtts://localhost:${port}`, {
    ...tlsOptions(credential),
    protocolVersion: 4,
    clientId: credential.identity.id,
    clean: true,
    reconnectPeriod: 0,
    connectTimeout: 8000,
    ...options,
  });
  return new Promise((resolve, reject) => {
    let reason = new Error('the connection was closed');
    client.stream.on('error', (error) => {
      reason = error;
    });
    // A connection that a broker resets is what many tests are about.
    client.on('error', reject);
    client.once('close', () => reject(reason));
    client.once('connect', () => resolve(client));
  });
}

/** A TLS connection that has not said anything yet. */
export function connectRaw(credential: Secrets | null, port: number): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      host: 'localhost',
      port,
      ...(credential ? tlsOptions(credential) : { rejectUnauthorized: false }),
    });
    socket.once('secureConnect', () => {
      socket.off('error', reject);
      socket.on('error', () => {});
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

/** Everything that arrives until the other side ends the connection. */
export function untilClosed(socket: TLSSocket): Promise<Buffer> {
  const parts: Buffer[] = [];
  socket.on('data', (part) => parts.push(part));
  return new Promise((resolve) => {
    if (socket.destroyed) resolve(Buffer.concat(parts));
    else socket.once('close', () => resolve(Buffer.concat(parts)));
  });
}
