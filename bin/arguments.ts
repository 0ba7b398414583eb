import { isIPv4, isIPv6 } from 'node:net';
import { MAX_RATE, MIN_RATE } from '../agent/rates.js';
import { MAX_RECHECK_DAYS, MAX_STORE_QUOTA, MIN_STORE_QUOTA } from '../agent/store_limits.js';
import { isVersion } from '../shared/control/ids.js';
import { isSourceUrl } from '../shared/control/source_url.js';
import { ChunkmeshError } from '../shared/errors.js';
import { MAX_URL_BYTES, MAX_URLS } from '../shared/limits.js';
import { DAYS, parseBytes, parseRate, RATE_WANTED, SIZE_WANTED } from './config/rate.js';

/** Parsers of what is typed: each names the option in what it refuses. */

const PORT_LIMIT = 65_535;
const LOOPBACK = '127.0.0.1';
/** Of what was typed, in a refusal. */
const MOST_QUOTED = 80;

const quoted = (text: string): string => JSON.stringify(text.slice(0, MOST_QUOTED));

/** A whole number from `least` to `most`. @throws E_ARGUMENT */
export function integer(what: string, least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d{1,15}$/.test(text) || value < least || value > most) {
      throw new ChunkmeshError('E_ARGUMENT', `${what} ${quoted(text)} is not a whole number from ${least} to ${most}`);
    }
    return value;
  };
}

/** A number from 0 to `most`, with a decimal point where one is wanted. @throws E_ARGUMENT */
export function decimal(what: string, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d{1,15}(\.\d{1,6})?$/.test(text) || value > most) {
      throw new ChunkmeshError('E_ARGUMENT', `${what} ${quoted(text)} is not a number from 0 to ${most}`);
    }
    return value;
  };
}

/** Bytes a second. @throws E_ARGUMENT */
export function rateArgument(what: string): (text: string) => number {
  return (text) => {
    const value = parseRate(text);
    if (value === undefined || value < MIN_RATE || value > MAX_RATE) {
      throw new ChunkmeshError(
        'E_ARGUMENT',
        `${what} ${JSON.stringify(text.slice(0, 40))} is not a rate from 1k to 4G: ${RATE_WANTED}`,
      );
    }
    return value;
  };
}

/** Bytes of a store. @throws E_ARGUMENT */
export function sizeArgument(what: string): (text: string) => number {
  return (text) => {
    const value = parseBytes(text);
    if (value === undefined || value < MIN_STORE_QUOTA || value > MAX_STORE_QUOTA) {
      throw new ChunkmeshError('E_ARGUMENT', `${what} ${quoted(text)} is not a size of 1M or more: ${SIZE_WANTED}`);
    }
    return value;
  };
}

/** @throws E_ARGUMENT */
export function daysArgument(what: string): (text: string) => number {
  return (text) => {
    if (DAYS.test(text) && Number(text) <= MAX_RECHECK_DAYS) return Number(text);
    throw new ChunkmeshError('E_ARGUMENT', `${what} ${quoted(text)} is not a number from 0 to ${MAX_RECHECK_DAYS}`);
  };
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds, of `30m`, `12h` or `7d`. @throws E_ARGUMENT */
export function duration(what: string): (text: string) => number {
  return (text) => {
    const [, digits, unit = ''] = /^([1-9][0-9]{0,6})([smhd])$/.exec(text) ?? [];
    if (digits !== undefined) return Number(digits) * (SECONDS[unit] ?? 1);
    throw new ChunkmeshError('E_ARGUMENT', `${what} ${quoted(text)} is not a time, as 30m, 12h or 7d`);
  };
}

/** @throws E_ARGUMENT */
export function bytesArgument(what: string): (text: string) => number {
  return (text) => {
    const value = parseBytes(text);
    if (value !== undefined) return value;
    throw new ChunkmeshError('E_ARGUMENT', `${what} ${quoted(text)} is not a number of bytes, as 500k or 2.5G`);
  };
}

/** P-12.3, for an option that may be given more than once. @throws E_ARGUMENT */
export function collectUrls(text: string, before: readonly string[] = []): readonly string[] {
  if (!isSourceUrl(text)) {
    const shown = quoted(text.replace(/\/\/.*@/s, '//***@'));
    throw new ChunkmeshError(
      'E_ARGUMENT',
      `--url ${shown} is not of the form http://host/path or https://host/path, without user and password, of at most ${MAX_URL_BYTES} bytes`,
    );
  }
  if (before.length >= MAX_URLS)
    throw new ChunkmeshError('E_ARGUMENT', `--url: a rollout has at most ${MAX_URLS} URLs`);
  return [...before, text];
}

/** 0 asks the system for a free port. */
export const port = (what: string): ((text: string) => number) => integer(what, 0, PORT_LIMIT);

/** For an option that may be given more than once. */
export function collect(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text];
}

/** P-13.5, with colons or without. @throws E_ARGUMENT */
export function hexFingerprint(text: string): string {
  const hex = text.replaceAll(':', '').toLowerCase();
  if (/^[0-9a-f]{64}$/.test(hex)) return hex;
  throw new ChunkmeshError('E_ARGUMENT', `--fingerprint ${quoted(text)} is not 64 hex digits`);
}

/** P-1.2. @throws E_ARGUMENT */
export function version(text: string): string {
  if (isVersion(text)) return text;
  throw new ChunkmeshError(
    'E_ARGUMENT',
    `version ${quoted(text)} breaks the pattern: 1 to 64 of A-Z, a-z, 0-9, . _ + and -, no leading dot`,
  );
}

/** One of `choices`. @throws E_ARGUMENT */
export function choice<T extends string>(what: string, choices: readonly T[]): (text: string) => T {
  return (text) => {
    const found = choices.find((one) => one === text);
    if (found === undefined) {
      throw new ChunkmeshError('E_ARGUMENT', `${what} ${quoted(text)} is not one of ${choices.join(', ')}`);
    }
    return found;
  };
}

/** A path that is given: the unset variable of a script is no wish for the folder at hand. @throws E_ARGUMENT */
export function path(what: string): (text: string) => string {
  return (text) => {
    if (text === '') throw new ChunkmeshError('E_ARGUMENT', `${what} is empty`);
    return text;
  };
}

/** `mqtts://host:port`, and nothing more: a password in it would be shown in every error. @throws E_ARGUMENT */
export function brokerAddress(text: string): string {
  if (/^mqtts?:\/\/[^\s/?#@]+\/?$/.test(text) && URL.canParse(text)) {
    const { hostname, port: digits } = new URL(text);
    if (hostname !== '' && digits !== '0') return text;
  }
  const shown = quoted(text.replace(/\/\/.*@/s, '//***@'));
  throw new ChunkmeshError('E_ARGUMENT', `broker ${shown} is not of the form mqtts://host:port`);
}

/** `address:port`, `[v6]:port`, `address` or `:port`. @throws E_ARGUMENT */
export function listenAddress(text: string): { host?: string; port?: number } {
  const address = socketAddress(text);
  if (address !== null) return address;
  throw new ChunkmeshError(
    'E_ARGUMENT',
    `--listen, or the setting "listen": ${quoted(text)} is not an address and port, as 0.0.0.0:51554 or [::]:51554; names are not looked up`,
  );
}

/** `address:port`, `[v6]:port` or `:port`, which is of loopback. @throws E_ARGUMENT */
export function metricsAddress(text: string): { host: string; port: number } {
  const { host = LOOPBACK, port } = socketAddress(text) ?? {};
  if (port !== undefined) return { host, port };
  throw new ChunkmeshError(
    'E_ARGUMENT',
    `--metrics, or the setting "metrics": ${quoted(text)} is not an address and port, as 127.0.0.1:9464, or :9464 for this host alone; names are not looked up`,
  );
}

function socketAddress(text: string): { host?: string; port?: number } | null {
  const [, v6, v4 = '', digits] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^[\]:]*))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const number = digits === undefined ? undefined : Number(digits);
  const isHost = v6 === undefined ? isIPv4(v4) || (v4 === '' && number !== undefined) : isIPv6(v6);
  if (!isHost || (number ?? 0) > PORT_LIMIT) return null;
  const host = v6 ?? v4;
  return { ...(host !== '' && { host }), ...(number !== undefined && { port: number }) };
}
