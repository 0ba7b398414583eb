import nacl from 'tweetnacl';
import { expect, vi } from 'vitest';
import { type Direction, type SessionContext, SessionKey, SessionSecret } from '../../../../shared/crypto/box.js';
import { defaultProvider } from '../../../../shared/crypto/provider.js';

/** Every session key that this process agrees on, what was sealed and opened with it, and all secrets that went into it. */

interface Agreed {
  readonly context: SessionContext;
  /** Whether a malicious device made it in the name of another. */
  readonly byColluder: boolean;
  readonly key: SessionKey;
  /** Datagrams by the direction of who sealed them. */
  readonly sealed: [number, number];
  readonly opened: [number, number];
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const same = ({ artifact, offerer, answerer }: SessionContext): string =>
  [hex(artifact), offerer.device, hex(offerer.session), answerer.device, hex(answerer.session)].join(' ');

export class SessionLedger {
  readonly agreed: Agreed[] = [];
  /** Hex: private keys of sessions, what X25519 made of them, and the keys themselves. */
  readonly secrets = new Set<string>();
  readonly #byKey = new WeakMap<SessionKey, Agreed>();
  #colluding = false;
  /** While the keys themselves are looked at. */
  #quiet = false;

  /** Gone with `vi.restoreAllMocks`. */
  constructor() {
    this.#watchSecrets();
    this.#watchAgreements();
    this.#watchDatagrams();
  }

  /** What a malicious device does in the name of others. */
  asColluder<T>(act: () => T): T {
    const before = this.#colluding;
    this.#colluding = true;
    try {
      return act();
    } finally {
      this.#colluding = before;
    }
  }

  get opened(): Agreed[] {
    return this.agreed.filter(({ opened: [fromOfferer, fromAnswerer] }) => fromOfferer + fromAnswerer > 0);
  }

  /** P-5.3, P-5.5: whatever opened was sealed by the device that its session names, for the same session and artifact. */
  expectSound(): void {
    this.#quiet = true;
    for (const one of this.opened) {
      const direction: Direction = one.opened[0] > 0 ? 0 : 1;
      // Nobody opens what came in its own direction.
      expect(one.opened[1 - direction]).toBe(0);
      const twins = this.agreed.filter(
        (other) => other !== one && same(other.context) === same(one.context) && other.sealed[direction] > 0,
      );
      expect(twins.length, same(one.context)).toBe(1);
      for (const twin of twins) {
        expect([twin.byColluder, twin.sealed[1 - direction]]).toEqual([false, 0]);
        expect(openFor(twin.key, one.key, direction)).toBe(true);
      }
    }
    this.#quiet = false;
  }

  #watchSecrets(): void {
    const keep = (bytes: Uint8Array): number => this.secrets.add(hex(bytes)).size;
    const { keyPair, before } = { keyPair: nacl.box.keyPair, before: nacl.box.before };
    vi.spyOn(nacl.box, 'keyPair').mockImplementation(() => {
      const pair = keyPair();
      keep(pair.secretKey);
      return pair;
    });
    vi.spyOn(nacl.box, 'before').mockImplementation((theirs, ours) => {
      const shared = before(theirs, ours);
      keep(shared);
      return shared;
    });
    const provider = defaultProvider();
    const { seal } = provider;
    vi.spyOn(provider, 'seal').mockImplementation((sealed, plaintext, nonce, key) => {
      if (!this.#quiet) keep(key);
      seal(sealed, plaintext, nonce, key);
    });
  }

  #watchAgreements(): void {
    const { agree } = SessionSecret.prototype;
    const ledger = this;
    vi.spyOn(SessionSecret.prototype, 'agree').mockImplementation(function (this: SessionSecret, theirs, context, by) {
      const key = agree.call(this, theirs, context, by);
      if (key === null) return key;
      const byColluder = ledger.#colluding;
      const agreed: Agreed = { context, byColluder, key, sealed: [0, 0], opened: [0, 0] };
      ledger.agreed.push(agreed);
      ledger.#byKey.set(key, agreed);
      return key;
    });
  }

  #watchDatagrams(): void {
    const { open, seal } = SessionKey.prototype;
    const ledger = this;
    vi.spyOn(SessionKey.prototype, 'open').mockImplementation(function (this: SessionKey, direction, datagram, into) {
      const length = open.call(this, direction, datagram, into);
      const agreed = ledger.#byKey.get(this);
      if (agreed !== undefined && length >= 0 && !ledger.#quiet) agreed.opened[direction]++;
      return length;
    });
    vi.spyOn(SessionKey.prototype, 'seal').mockImplementation(function (this: SessionKey, direction, datagram, bytes) {
      const agreed = ledger.#byKey.get(this);
      if (agreed !== undefined && !ledger.#quiet) agreed.sealed[direction]++;
      return seal.call(this, direction, datagram, bytes);
    });
  }
}

/** Whether what one seals the other opens. */
function openFor(by: SessionKey, to: SessionKey, direction: Direction): boolean {
  const datagram = new Uint8Array(40);
  // No number that the session itself comes to: a header must never be sealed twice.
  datagram.fill(0xff, 0, 15);
  return by.seal(direction, datagram, 9) === 40 && to.open(direction, datagram, new Uint8Array(9)) === 9;
}
