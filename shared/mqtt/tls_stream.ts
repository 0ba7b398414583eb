import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { type ConnectionOptions, connect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import { MAX_CHAIN_CERTIFICATES, whyNotTheBroker } from './broker_chain.js';

/**
 * TLS to the broker. OpenSSL judges a certificate by the system clock, and a device that boots in 1970 would never reach the broker that could tell
 * it better. Where the clock is known to be behind, dates alone are judged by what is known of time (P-12.6), and all else as always.
 */

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
  /** PEM, of one certificate or several: who may vouch for the broker. */
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
    const why = whyNot(socket, host, ca, time.now());
    if (why === null) socket.uncork();
    else socket.destroy(new Error(`the certificate of the broker ${why}`));
  });
  return socket;
}

/** As the peer sent them, each followed by who issued it; what goes round is cut where it begins anew. */
function chainOf(socket: TLSSocket): X509Certificate[] {
  const seen = new Set<string>();
  const chain: X509Certificate[] = [];
  let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (next?.raw !== undefined && !seen.has(next.fingerprint256) && chain.length < MAX_CHAIN_CERTIFICATES) {
    seen.add(next.fingerprint256);
    chain.push(new X509Certificate(next.raw));
    next = next.issuerCertificate;
  }
  return chain;
}

/** @param now seconds since the epoch */
function whyNot(socket: TLSSocket, host: string, ca: string, now: number): string | null {
  let chain: X509Certificate[];
  try {
    chain = chainOf(socket);
  } catch {
    return 'cannot be read';
  }
  return whyNotTheBroker({ chain, ca, host, now });
}
