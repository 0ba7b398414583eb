import { inspect } from 'node:util';
import { ChunkmeshError } from '../../errors.js';
import type { PinSource } from './pkcs11_uri.js';
import { readCredentialText, readPrivateText } from './private_file.js';
import { credentialPath } from './systemd_credential.js';

/** PKCS#11 v3.0 leaves it to the token; SoftHSM takes 255. */
const MAX_PIN_CHARACTERS = 255;
const REDACTED = '[redacted]';

/** What opens a token. Kept, for a session that died is opened anew; it prints as redacted. */
export class Pin {
  readonly #text: string;

  /** @throws E_KEY_REFERENCE where it is empty or too long */
  constructor(text: string, whence: string) {
    if (text === '' || text.length > MAX_PIN_CHARACTERS) {
      throw new ChunkmeshError('E_KEY_REFERENCE', `${whence} holds no PIN of 1 to ${MAX_PIN_CHARACTERS} characters`);
    }
    this.#text = text;
  }

  /** Tells it to `act` alone. */
  use(act: (text: string) => void): void {
    act(this.#text);
  }

  toJSON(): string {
    return REDACTED;
  }

  toString(): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return `Pin ${REDACTED}`;
  }
}

/** @throws E_KEY_REFERENCE, E_FILE_UNREADABLE, E_KEY_FILE_MODE */
export function readPin(source: PinSource): Pin {
  if ('file' in source) return new Pin(line(readPrivateText(source.file)), source.file);
  if ('credential' in source) {
    const path = credentialPath(source.credential);
    return new Pin(line(readCredentialText(path)), path);
  }
  return new Pin(process.env[source.environment] ?? '', `the variable ${source.environment}`);
}

/** An editor ends a file with a line's end. */
const line = (text: string): string => text.replace(/\r?\n$/, '');
