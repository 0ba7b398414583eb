import { createPrivateKey } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The ways in which a private key shows in what a program prints or writes. */

/** Of 32 bytes: so many are no accident. */
const ENOUGH_BYTES = 12;

export interface Secret {
  readonly name: string;
  /** What may be found nowhere. */
  readonly traces: readonly Buffer[];
}

function tracesOfBytes(bytes: Buffer): Buffer[] {
  const part = bytes.subarray(0, ENOUGH_BYTES);
  const hex = part.toString('hex');
  const shown = [
    ...[hex, hex.toUpperCase(), hex.replace(/(..)(?=.)/g, '$1 '), hex.replace(/(..)(?=.)/g, '$1:')],
    ...[part.toString('base64'), part.toString('base64url'), [...part].join(','), [...part].join(', ')],
  ];
  return [part, ...shown.map((text) => Buffer.from(text))];
}

/** @param pem PKCS #8, Ed25519 or another kind */
export function secretOfPem(name: string, pem: string): Secret {
  const key = createPrivateKey(pem);
  const { d } = key.export({ format: 'jwk' });
  const der = key.export({ type: 'pkcs8', format: 'der' });
  // The last lines of the body: the first is the same for every key of a kind.
  const body = pem.split('\n').filter((line) => line !== '' && !line.includes('-----'));
  const lines = body.flatMap((line) => [line.slice(-24), line.slice(24, 48)]).filter((line) => line.length >= 16);
  const raw = Buffer.from(String(d), 'base64url');
  return {
    name,
    traces: [...tracesOfBytes(raw), ...tracesOfBytes(der.subarray(-32)), ...lines.map((line) => Buffer.from(line))],
  };
}

export function secretOfText(name: string, text: string): Secret {
  const bytes = Buffer.from(text);
  const shown = [text, bytes.toString('base64'), bytes.toString('base64url'), bytes.toString('hex')];
  return { name, traces: shown.map((one) => Buffer.from(one)) };
}

/** The names of those that show in it. */
export function shownIn(secrets: readonly Secret[], content: Buffer | string): string[] {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  return secrets.filter(({ traces }) => traces.some((trace) => bytes.includes(trace))).map(({ name }) => name);
}

/** Every file below `folder` in which one shows, as `path: name`. */
export async function filesThatShow(
  secrets: readonly Secret[],
  folder: string,
  mayHold: (path: string) => boolean,
): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || mayHold(path)) continue;
    found.push(...shownIn(secrets, await readFile(path)).map((name) => `${path}: ${name}`));
  }
  return found;
}
