import type { IncomingHttpHeaders } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { ChunkmeshError, type ErrorCode } from '../../../shared/errors.js';
import { shown } from './http_error.js';
import type { HttpWanted } from './http_source.js';

/** What the head of an answer says, against what was asked (P-11.2). */

export interface Head {
  readonly statusCode?: number | undefined;
  readonly headers: IncomingHttpHeaders;
}

const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
const GONE: readonly number[] = [404, 410];
/** Addresses that mean another host to whoever asks: itself, its link, or what its cloud tells it alone. IPv4 in IPv6 counts as IPv4. */
const LOCAL = new BlockList();
LOCAL.addSubnet('0.0.0.0', 8);
LOCAL.addSubnet('127.0.0.0', 8);
LOCAL.addSubnet('169.254.0.0', 16);
// :: and ::1, and the IPv4-compatible addresses of RFC 4291 §2.5.5.1.
LOCAL.addSubnet('::', 96, 'ipv6');
LOCAL.addSubnet('fe80::', 10, 'ipv6');
const LOCAL_NAME = /^(.*\.)?localhost\.?$/;
const CONTENT_RANGE = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/;

/** Whether the whole file is wanted: then no range is asked for, and none is needed of the server. */
export const isWhole = ({ first, length, size }: HttpWanted): boolean => first === 0 && length === size;

/** RFC 9110 §14.1.2 */
export function rangeHeader({ first, length }: HttpWanted): string {
  return `bytes=${first}-${first + length - 1}`;
}

/**
 * Where the answer leads; null where it is none that leads.
 * @param published what the rollout names, from which `from` may be some steps away
 * @throws E_HTTP_REDIRECT
 */
export function redirectTarget({ statusCode = 0, headers }: Head, from: URL, published = from): URL | null {
  if (!REDIRECTS.includes(statusCode)) return null;
  const { location = '' } = headers;
  if (!URL.canParse(location, from.href)) throw redirected(from, 'nowhere');
  const to = new URL(location, from);
  to.hash = '';
  // What TLS vouched for would not be what is read.
  if (from.protocol === 'https:' && to.protocol !== 'https:') throw redirected(from, 'from https to what is not');
  if (!/^https?:$/.test(to.protocol) || to.username !== '' || to.password !== '') throw redirected(from, 'elsewhere');
  // Whoever is on the path of a plain request could have every device ask its own services.
  if (isLocal(to) && !isLocal(published)) throw redirected(from, 'to the device itself or its link');
  return to;
}

/**
 * Whether the body that follows is what was asked for, as far as the head can tell.
 * @throws E_HTTP_NOT_FOUND, E_HTTP_RANGE, E_HTTP_STATUS, E_HTTP_NO_RANGE, E_HTTP_CONTENT_RANGE, E_HTTP_MALFORMED, E_HTTP_TRUNCATED,
 *   E_HTTP_TOO_LONG
 */
export function checkHead({ statusCode = 0, headers }: Head, wanted: HttpWanted): void {
  const refuse = (code: ErrorCode, what: string): never => {
    throw new ChunkmeshError(code, `${shown(wanted.url)}: ${what}`);
  };
  if (GONE.includes(statusCode)) refuse('E_HTTP_NOT_FOUND', `status ${statusCode}`);
  if (statusCode === 416) refuse('E_HTTP_RANGE', `no ${rangeHeader(wanted)} there`);
  if (statusCode !== 200 && statusCode !== 206) refuse('E_HTTP_STATUS', `status ${statusCode}`);
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') refuse('E_HTTP_MALFORMED', `encoded as ${JSON.stringify(encoding.slice(0, 40))}`);
  const announced = announcedLength(headers);
  if (statusCode === 200) {
    if (!isWhole(wanted)) refuse('E_HTTP_NO_RANGE', 'the whole file for a range');
    if (announced !== undefined && announced !== wanted.size) {
      refuse('E_HTTP_CONTENT_RANGE', `${announced} bytes, not ${wanted.size}`);
    }
    return;
  }
  checkRange(headers['content-range'], wanted, refuse);
  if (announced === undefined || announced === wanted.length) return;
  refuse(announced < wanted.length ? 'E_HTTP_TRUNCATED' : 'E_HTTP_TOO_LONG', `${announced} bytes for ${wanted.length}`);
}

/** RFC 9110 §14.4. A part of what was asked for would be allowed there; no server has use for that, and it is not taken here. */
function checkRange(
  given: string | undefined,
  wanted: HttpWanted,
  refuse: (code: ErrorCode, what: string) => never,
): void {
  const [, first, last, size] = CONTENT_RANGE.exec(given ?? '') ?? [];
  const isRight = Number(first) === wanted.first && Number(last) === wanted.first + wanted.length - 1;
  const isOfFile = size === '*' || Number(size) === wanted.size;
  if (isRight && isOfFile) return;
  const said = given === undefined ? 'no range' : JSON.stringify(given.slice(0, 80));
  refuse('E_HTTP_CONTENT_RANGE', `${said} for ${rangeHeader(wanted)} of ${wanted.size}`);
}

/** Undefined where the body has no length of its own: Node refuses what is no number. */
function announcedLength(headers: IncomingHttpHeaders): number | undefined {
  const text = headers['content-length'];
  return text === undefined ? undefined : Number(text);
}

function isLocal({ hostname }: URL): boolean {
  const host = hostname.replace(/^\[|\]$/g, '');
  const family = isIP(host);
  return family === 0 ? LOCAL_NAME.test(host) : LOCAL.check(host, family === 6 ? 'ipv6' : 'ipv4');
}

function redirected(from: URL, where: string): ChunkmeshError {
  return new ChunkmeshError('E_HTTP_REDIRECT', `${shown(from.href)} leads ${where}`);
}
