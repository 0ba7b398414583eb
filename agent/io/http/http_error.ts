import { ChunkmeshError, type ErrorCode, systemCode } from '../../../shared/errors.js';

/** What Node says of a request that failed, as an error of ours. */

/** Of OpenSSL's verification (X509_V_ERR_*), of Node's own check of the name, and of a handshake that failed. */
const TLS =
  /^(ERR_TLS_|ERR_SSL_|CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH|INVALID_|PATH_LENGTH_|EPROTO)/;
/** Of Node's parser of HTTP. */
const MALFORMED = /^HPE_/;
/** The other side ended the connection. */
const ENDED: readonly string[] = ['ECONNRESET', 'EPIPE', 'ECONNABORTED'];

/** For messages: what of a URL is nobody's secret. A query may be a signature. */
export function shown(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

/** @param connected whether the server had taken the request. */
export function requestError(cause: unknown, url: string, connected: boolean): ChunkmeshError {
  if (cause instanceof ChunkmeshError) return cause;
  const system = systemCode(cause) ?? '';
  return new ChunkmeshError(codeOf(system, connected), `${shown(url)}: ${system || 'no answer'}`, { cause });
}

export function isEnded(cause: unknown): boolean {
  return ENDED.includes(systemCode(cause) ?? '');
}

function codeOf(system: string, connected: boolean): ErrorCode {
  if (MALFORMED.test(system)) return 'E_HTTP_MALFORMED';
  if (TLS.test(system)) return 'E_HTTP_TLS';
  return connected ? 'E_HTTP_SILENT' : 'E_HTTP_UNREACHABLE';
}
