import { createPublicKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ForgedFleet, keyIdOf, keyJson } from '../../support/forged_trust.js';

/** One key written in two ways is one key (P-12.5). */

type Json = Record<string, unknown>;

function fleet(): ForgedFleet {
  const made = new ForgedFleet();
  made.publish('firmware', '1');
  return made;
}

/** The root's release role with further ids for its first key, two signatures asked. */
function underOtherNames(write: (key: Json, hex: string) => Json): ReturnType<ForgedFleet['verify']> {
  const made = fleet();
  const [key] = made.keys.release.keys;
  if (key === undefined) throw new Error('no key');
  const hex = Buffer.from(key.publicKey).toString('hex');
  const alias = 'a'.repeat(64);
  const edit = (signed: Json): void => {
    Object.assign(signed.keys as Json, { [alias]: write(keyJson(key), hex) });
    (signed.roles as Record<string, Json>).targets = { keyids: [keyIdOf(key), alias], threshold: 2 };
  };
  made.addRoot(made.keys, { edit });
  made.forge.targets = {
    tamper: (doc) => doc.signatures.push({ ...doc.signatures[0], keyid: alias }),
  };
  return made.verify();
}

describe('one key under two ids', () => {
  const pemOf = (hex: string): string =>
    createPublicKey({
      key: Buffer.from(`302a300506032b6570032100${hex}`, 'hex'),
      format: 'der',
      type: 'spki',
    })
      .export({ type: 'spki', format: 'pem' })
      .toString();
  const as = (text: (hex: string) => string) => (key: Json, hex: string) => ({ ...key, keyval: { public: text(hex) } });
  const ways: [string, (key: Json, hex: string) => Json][] = [
    ['the same text', (key) => key],
    ['capitals', as((hex) => hex.toUpperCase())],
    ['PEM', as(pemOf)],
    ['PEM without its last newline', as((hex) => pemOf(hex).trimEnd())],
    ['PEM with CRLF', as((hex) => pemOf(hex).replaceAll('\n', '\r\n'))],
    ['PEM with text after it', as((hex) => `${pemOf(hex)}and more`)],
    ['PEM twice', as((hex) => `${pemOf(hex)}${pemOf(hex)}`)],
    ['PEM with a header', as((hex) => pemOf(hex).replace('-----\n', '-----\nComment: x\n\n'))],
    ['half a byte more', as((hex) => `${hex}0`)],
    ['256 bytes more, which wrap the length around', as((hex) => `${hex}${'00'.repeat(256)}`)],
    ['a space', as((hex) => ` ${hex}`)],
    ['another key type', (key, hex) => ({ ...key, keytype: 'ecdsa', keyval: { public: pemOf(hex) } })],
    ['another scheme', (key) => ({ ...key, scheme: 'ed25519ph' })],
  ];
  for (const [name, write] of ways) {
    it(`P-12.5: does not count twice: ${name}`, () => {
      const { error, rollouts } = underOtherNames(write);
      expect(error?.code).toBe('E_TRUST_MALFORMED');
      expect(rollouts).toEqual([]);
    });
  }

  it('P-12.5: a key id twice in a role is refused', () => {
    const made = fleet();
    const edit = (signed: Json): void => {
      const [targets] = [(signed.roles as Record<string, Json>).targets as { keyids: string[] }];
      targets.keyids = [...targets.keyids, ...targets.keyids];
    };
    made.addRoot(made.keys, { edit });
    expect(made.verify().error?.code).toBe('E_TRUST_MALFORMED');
  });

  it('P-12.5: PEM alone is a key like any', () => {
    const made = new ForgedFleet();
    made.publish('firmware', '1');
    const edit = (signed: Json): void => {
      for (const key of Object.values(signed.keys as Record<string, { keyval: Json }>)) {
        key.keyval = { public: pemOf(String(key.keyval.public)) };
      }
    };
    made.addRoot(made.keys, { edit });
    expect(made.verify().error).toBeUndefined();
  });
});
