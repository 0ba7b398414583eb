import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';

/**
 * TLS to the broker. OpenSSL judges a certificate by the system clock, and a device that boots in 1970 would never reach the broker that could tell
 * it better. Where the clock is known to be behind, dates alone are judged by what is known of time (P-12.6), and all else as always.
 */

/** RFC 5280 §4.2.1.12, id-kp-serverAuth */
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

/** What is known of time, by who has something better than a system clock. */
export interface TimeSource {
  /** Seconds since the epoch. */
  now(): number;
  /** False where the system clock is known to be behind. */
  readonly believed: boolean;
}

export interface TlsStreamOptions extends ConnectionOptions {
  readonly host: string;
  readonly port: number;
  /** PEM: who may vouch for the broker. */
  readonly ca: string;
}

/** Nothing is sent before the broker has proved itself. Errors come as the socket's. */
export function openTlsStream(options: TlsStreamOptions, time: TimeSource | undefined): TLSSocket {
  const { host, ca } = options;
  const byOurTime = time !== undefined && !time.believed;
  const servername = isIP(host) === 0 ? host : undefined;
  const socket = connect({ ...options, ...(servername && { servername }), rejectUnauthorized: !byOurTime });
  if (!byOurTime) return socket;
  socket.cork();
  socket.once('secureConnect', () => {
    const why = whyNotTheBroker(socket, host, ca, time.now());
    if (why === null) socket.uncork();
    else socket.destroy(new Error(`the certificate of the broker ${why}`));
  });
  return socket;
}

/** RFC 5280 §6.1 for a chain of one, which is what a fleet's own CA makes. @param now seconds since the epoch */
function whyNotTheBroker(socket: TLSSocket, host: string, ca: string, now: number): string | null {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return 'is missing';
  const authority = new X509Certificate(ca);
  if (!certificate.checkIssued(authority) || !certificate.verify(authority.publicKey) || !authority.ca) {
    return "is not one that this bundle's fleet made";
  }
  if (certificate.ca || certificate.keyUsage?.includes(SERVER_AUTH) !== true) return 'is not for a server';
  const named = isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host);
  if (named === undefined) return `does not name ${host}: altname`;
  const ends = [certificate, authority].map(({ validTo }) => Date.parse(validTo) / 1000);
  return ends.every((end) => end >= now) ? null : 'has expired';
}
