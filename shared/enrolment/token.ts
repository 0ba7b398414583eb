import { z } from 'zod';
import { isId, isPrefix } from '../control/ids.js';
import { decodeMap, encodeMap } from '../control/message_pack.js';
import { SigningKey } from '../crypto/signature.js';
import { ChunkmeshError } from '../errors.js';
import { type BundleFile, type Credential, parseCredential } from '../identity/bundle.js';
import { toPem } from '../identity/request.js';
import { MAX_CERTIFICATE_BYTES } from '../limits.js';

/**
 * A one-time token (P-13.8): all that a device needs to ask for its certificate, as one line of text. Base64url of the map
 *
 *     {v: 1, fleet, prefix, broker, ca: bin, certificate: bin, seed: bin(32), root: bin}
 *
 * with the fleet's CA, the bootstrap certificate of a newcomer and the seed of its key, and the root metadata that is believed first (P-12.1).
 */

/** A token of a new fleet has some 3,500; one with all its fields at their longest, 44,500. */
export const MAX_TOKEN_CHARACTERS = 49_152;
/** Fifty keys and signatures. */
const MAX_ROOT_BYTES = 24_576;
const MAX_ADDRESS_CHARACTERS = 300;
const KEY_BYTES = 32;

const bin = (least: number, most: number) =>
  z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length >= least && value.length <= most,
    `not ${least} to ${most} bytes`,
  );

const schema = z.object({
  v: z.literal(1),
  fleet: z.string().refine(isId, 'breaks P-1.1'),
  prefix: z.string().refine(isPrefix, 'breaks P-1.4'),
  broker: z
    .string()
    .max(MAX_ADDRESS_CHARACTERS)
    .regex(/^mqtts:\/\/[^\s/?#@]+$/, 'not mqtts://host:port'),
  ca: bin(1, MAX_CERTIFICATE_BYTES),
  certificate: bin(1, MAX_CERTIFICATE_BYTES),
  seed: bin(KEY_BYTES, KEY_BYTES),
  root: bin(1, MAX_ROOT_BYTES),
});

export type TokenFields = Omit<z.infer<typeof schema>, 'v'>;

export interface Token {
  /** Of the newcomer: it opens the connection over which the device asks, and nothing else. */
  readonly credential: Credential;
  /** What the bundle of the device has of the fleet: all but its own certificate and key. */
  readonly bundle: Omit<BundleFile, 'certificate' | 'key'>;
}

export function writeToken(fields: TokenFields): string {
  return Buffer.from(encodeMap({ v: 1, ...fields })).toString('base64url');
}

/**
 * No message says more of a token than which field is wrong: it holds a key.
 * @param now seconds since the epoch
 * @throws E_TOKEN_INVALID, E_TOKEN_EXPIRED
 */
export function readToken(text: string, now: number): Token {
  const line = text.trim();
  if (line.length > MAX_TOKEN_CHARACTERS || !/^[A-Za-z0-9_-]+$/.test(line)) throw invalid('not one line of base64url');
  const fields = parse(new Uint8Array(Buffer.from(line, 'base64url')));
  const { fleet, prefix, broker, root } = fields;
  const bundle = {
    ...{ v: 2 as const, fleet, prefix, broker },
    ca: toPem('CERTIFICATE', fields.ca),
    root: Buffer.from(root).toString('utf8'),
  };
  const credential = bootstrap(fields, bundle, now);
  if (credential.identity.role !== 'newcomer') throw invalid('its certificate is not a newcomer’s');
  return { credential, bundle };
}

const invalid = (why: string): ChunkmeshError => new ChunkmeshError('E_TOKEN_INVALID', `the token is ${why}`);

function parse(bytes: Uint8Array): z.infer<typeof schema> {
  let map: unknown;
  try {
    map = decodeMap(bytes);
  } catch {
    throw invalid('not whole');
  }
  const parsed = schema.safeParse(map);
  if (parsed.success) return parsed.data;
  throw invalid(`not one of P-13.8: ${parsed.error.issues[0]?.path.join('.') ?? ''}`);
}

function bootstrap({ certificate, seed }: TokenFields, bundle: Token['bundle'], now: number): Credential {
  const key = SigningKey.fromSeed(seed).exportPem();
  try {
    return parseCredential(
      JSON.stringify({ ...bundle, certificate: toPem('CERTIFICATE', certificate), key }),
      'token',
      now,
    );
  } catch (error) {
    if (error instanceof ChunkmeshError && error.code === 'E_CERT_EXPIRED') {
      throw new ChunkmeshError('E_TOKEN_EXPIRED', `the token is not valid now: ${error.message}`);
    }
    throw invalid('of parts that do not belong together');
  }
}
