import { isVersion } from '../shared/control/ids.js';
import { ChunkmeshError } from '../shared/errors.js';
import { MAX_RATE, MIN_RATE, parseRate, RATE_WANTED } from './config/rate.js';

/** Parsers of what is typed: each names the option in what it refuses. */

const PORT_LIMIT = 65_535;

/** A whole number from `least` to `most`. @throws E_ARGUMENT */
export function integer(what: string, least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d{1,15}$/.test(text) || value < least || value > most) {
      throw new ChunkmeshError(
        'E_ARGUMENT',
        `${what} ${JSON.stringify(text)} is not a whole number from ${least} to ${most}`,
      );
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

/** 0 asks the system for a free port. */
export const port = (what: string): ((text: string) => number) => integer(what, 0, PORT_LIMIT);

/** For an option that may be given more than once. */
export function collect(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text];
}

/** P-1.2. @throws E_ARGUMENT */
export function version(text: string): string {
  if (isVersion(text)) return text;
  throw new ChunkmeshError(
    'E_ARGUMENT',
    `version ${JSON.stringify(text.slice(0, 80))} breaks the pattern: 1 to 64 of A-Z, a-z, 0-9, . _ + and -, no leading dot`,
  );
}

/** One of `choices`. @throws E_ARGUMENT */
export function choice<T extends string>(what: string, choices: readonly T[]): (text: string) => T {
  return (text) => {
    const found = choices.find((one) => one === text);
    if (found === undefined) {
      throw new ChunkmeshError('E_ARGUMENT', `${what} ${JSON.stringify(text)} is not one of ${choices.join(', ')}`);
    }
    return found;
  };
}

/** `mqtts://host:port`. @throws E_ARGUMENT */
export function brokerAddress(text: string): string {
  if (URL.canParse(text)) {
    const { protocol, hostname } = new URL(text);
    if ((protocol === 'mqtts:' || protocol === 'mqtt:') && hostname !== '') return text;
  }
  throw new ChunkmeshError('E_ARGUMENT', `broker ${JSON.stringify(text)} is not of the form mqtts://host:port`);
}

/** `host:port`, `[v6]:port`, `host` or `:port`. @throws E_ARGUMENT */
export function listenAddress(text: string): { host?: string; port?: number } {
  const [, bracketed, plain, digits] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^[\]:]*))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const number = digits === undefined ? undefined : Number(digits);
  if (host === undefined || (host === '' && number === undefined) || (number ?? 0) > PORT_LIMIT) {
    throw new ChunkmeshError('E_ARGUMENT', `address ${JSON.stringify(text)} is not of the form host:port`);
  }
  return { ...(host !== '' && { host }), ...(number !== undefined && { port: number }) };
}
