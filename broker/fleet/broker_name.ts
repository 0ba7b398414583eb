import { ChunkmeshError } from '../../shared/errors.js';

/** How a fleet's broker is called, in its certificate and in bundles. */

/** A DNS name or an IP address, as a certificate names it. @throws E_ARGUMENT */
export function checkHost(host: string): string {
  if (/^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(host) || /^[0-9A-Fa-f:]{2,39}$/.test(host)) return host;
  throw new ChunkmeshError('E_ARGUMENT', `${JSON.stringify(host.slice(0, 80))} is not a host name or address`);
}

/** `mqtts://host:port`. @throws E_ARGUMENT */
export function brokerAddress(host: string, port: number): string {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new ChunkmeshError('E_ARGUMENT', `port ${port} is not from 1 to 65535`);
  }
  return `mqtts://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
