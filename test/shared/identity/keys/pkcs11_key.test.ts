import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { verifySignature } from '../../../../shared/crypto/signature.js';
import { Pin } from '../../../../shared/identity/keys/pin.js';
import { Pkcs11Key } from '../../../../shared/identity/keys/pkcs11_key.js';
import { Pkcs11Library } from '../../../../shared/identity/keys/pkcs11_library.js';
import { type Pkcs11Uri, parsePkcs11Uri } from '../../../../shared/identity/keys/pkcs11_uri.js';
import { CKR, FakeToken, fakeKey, rawPublic } from '../../../support/fake_token.js';
import { codeOf } from '../../../support/members.js';

const MESSAGE = new TextEncoder().encode('who may say what');

interface Stage {
  readonly token: FakeToken;
  readonly library: Pkcs11Library;
  open(uri?: string, pin?: string | null): Pkcs11Key;
}

function stage(): Stage {
  const token = new FakeToken();
  token.keys = [fakeKey('cam-1', 'A'), fakeKey('other', 'B')];
  const library = new Pkcs11Library(token);
  return {
    token,
    library,
    open: (uri = 'pkcs11:token=mesh;object=cam-1', pin = '1234') =>
      new Pkcs11Key(library, uriOf(uri), pin === null ? null : new Pin(pin, 'a test')),
  };
}

const uriOf = (uri: string): Pkcs11Uri => parsePkcs11Uri(`${uri}?module-path=/fake.so`);
const signs = (key: Pkcs11Key): boolean => verifySignature(key.sign(MESSAGE), MESSAGE, key.publicKey);

describe('P-13.3 a key in a token', () => {
  it('signs for the public key beside it, found by label, by id, by both, by serial', () => {
    const { token, open } = stage();
    for (const uri of ['object=cam-1', 'id=A', 'object=cam-1;id=A']) {
      const key = open(`pkcs11:token=mesh;${uri}`);
      expect(Buffer.from(key.publicKey)).toEqual(rawPublic(token.keys[0]?.key ?? expect.fail()));
      expect(signs(key)).toBe(true);
    }
    expect(signs(open('pkcs11:serial=0001;object=other'))).toBe(true);
  });

  it.each(['', '0420', '032100'])('takes a public point behind %j', (head) => {
    const { token, open } = stage();
    token.keys = [fakeKey('cam-1', 'A', { head })];
    expect(signs(open())).toBe(true);
  });

  it('is refused where it is not one, may leave the token, or has another public part; no session stays open', () => {
    const { token, library, open } = stage();
    const refused = (uri?: string): string => codeOf(() => open(uri));
    expect(refused('pkcs11:token=mesh;object=absent')).toBe('E_KEY_REFERENCE');
    expect(refused('pkcs11:token=mesh;object=cam-1;id=B')).toBe('E_KEY_REFERENCE');
    for (const over of [{ extractable: true }, { alone: true }, { wrongPublic: true }, { head: '0421' }]) {
      token.keys = [fakeKey('cam-1', 'A', over)];
      expect(refused(), Object.keys(over).join()).toBe('E_KEY_REFERENCE');
    }
    token.keys = [fakeKey('cam-1', 'A'), fakeKey('cam-1', 'B')];
    expect(refused()).toBe('E_KEY_REFERENCE');
    expect(refused('pkcs11:token=elsewhere;object=cam-1')).toBe('E_KEY_TOKEN');
    expect(refused('pkcs11:token=mesh;serial=0002;object=cam-1')).toBe('E_KEY_TOKEN');
    expect(codeOf(() => new Pkcs11Key(library, uriOf('pkcs11:token=mesh;id=A'), null))).toBe('E_KEY_REFERENCE');
    expect(token.sessions.size).toBe(0);
    expect(token.initialized).toBe(false);
  });

  it('is refused for a wrong PIN, which is tried once', () => {
    const { token, open } = stage();
    expect(codeOf(() => open(undefined, '4321'))).toBe('E_KEY_PIN');
    expect([token.logins, token.sessions.size, token.initialized]).toEqual([1, 0, false]);
  });

  it('opens a session that died anew, once for each signature', () => {
    const { token, open } = stage();
    const key = open();
    const before = key.publicKey;
    for (let i = 0; i < 3; i++) {
      token.killSessions();
      expect(signs(key)).toBe(true);
      expect(token.sessions.size).toBe(1);
    }
    expect(key.publicKey).toBe(before);
    token.signFailures.push(CKR.GENERAL_ERROR);
    expect(signs(key)).toBe(true);
    expect(token.sessions.size).toBe(1);
  });

  it('opens the module anew that somebody finalized', () => {
    const { token, open } = stage();
    const key = open();
    token.C_Finalize();
    expect(signs(key)).toBe(true);
  });

  it('says E_KEY_TOKEN, retryable, while the token is away, and signs when it is back', () => {
    const { token, open } = stage();
    const key = open();
    token.present = false;
    for (let i = 0; i < 3; i++) {
      let error: unknown;
      try {
        key.sign(MESSAGE);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toMatchObject({ code: 'E_KEY_TOKEN', retryable: true });
    }
    token.killSessions();
    token.present = true;
    expect(signs(key)).toBe(true);
    expect(token.sessions.size).toBe(1);
  });

  it('says E_KEY_TOKEN where it fails again in a session that is new, and leaves none behind', () => {
    const { token, open } = stage();
    const key = open();
    token.signFailures.push(CKR.GENERAL_ERROR, CKR.GENERAL_ERROR);
    expect(codeOf(() => key.sign(MESSAGE))).toBe('E_KEY_TOKEN');
    expect(token.sessions.size).toBe(0);
    // The probe is signed, then what was asked for is not.
    const { token: second, open: openSecond } = stage();
    const other = openSecond();
    second.killSessions();
    const sign = second.C_Sign.bind(second);
    let calls = 0;
    second.C_Sign = (session, message) => {
      if (++calls === 2) throw Object.assign(new Error('CKR'), { code: CKR.GENERAL_ERROR });
      return sign(session, message);
    };
    expect(codeOf(() => other.sign(MESSAGE))).toBe('E_KEY_TOKEN');
    expect(second.sessions.size).toBe(0);
  });

  it('does not try a PIN again that the token refused meanwhile: it would lock itself', () => {
    const { token, open } = stage();
    const key = open();
    token.killSessions();
    token.pin = 'changed';
    const tried = token.logins;
    for (let i = 0; i < 5; i++) expect(codeOf(() => key.sign(MESSAGE))).toBe('E_KEY_PIN');
    expect(token.logins).toBe(tried + 1);
    expect(token.sessions.size).toBe(0);
  });

  it('refuses a token with another key in its place', () => {
    const { token, open } = stage();
    const key = open();
    token.killSessions();
    token.keys = [fakeKey('cam-1', 'A')];
    expect(codeOf(() => key.sign(MESSAGE))).toBe('E_KEY_REFERENCE');
    expect(token.sessions.size).toBe(0);
  });

  it('holds one session however often it signs, and none once it is closed; the last closes the module', () => {
    const { token, open } = stage();
    const [one, two] = [open(), open('pkcs11:token=mesh;object=other')];
    for (let i = 0; i < 100; i++) one.sign(MESSAGE);
    expect(token.sessions.size).toBe(2);
    one.close();
    one.close();
    expect([token.sessions.size, token.initialized]).toEqual([1, true]);
    expect(codeOf(() => one.sign(MESSAGE))).toBe('E_ARGUMENT');
    expect(signs(two)).toBe(true);
    two.close();
    expect([token.sessions.size, token.initialized]).toEqual([0, false]);
    const again = open();
    expect(signs(again)).toBe(true);
    token.present = false;
    again.close();
  });

  it('leaves a module open that somebody else had opened', () => {
    const { token, open } = stage();
    token.C_Initialize();
    open().close();
    expect(token.initialized).toBe(true);
  });
});

describe('P-13.2 nothing of a token’s key is shown', () => {
  const key = stage().open();
  const pin = new Pin('s3cret-pin', 'a test');

  it.each([
    ['the key', key],
    ['the PIN', pin],
  ])('%s: String, templates, JSON, inspection, copies', (_what, value) => {
    expect(String(value)).toBe('[redacted]');
    expect(JSON.stringify({ deep: [value] })).toBe('{"deep":["[redacted]"]}');
    for (const one of [value, { value }, [[[[value]]]], { ...value }]) {
      for (const customInspect of [true, false]) {
        const shown = inspect(one, { depth: null, showHidden: true, getters: true, customInspect });
        for (const secret of ['s3cret-pin', '1234']) expect(shown).not.toContain(secret);
      }
    }
    const shown = inspect(structuredClone({ ...value }), { depth: null });
    for (const secret of ['s3cret-pin', '1234']) expect(shown).not.toContain(secret);
  });

  it('a PIN that is none is refused without being quoted', () => {
    for (const text of ['', 'x'.repeat(256)]) {
      expect(() => new Pin(text, 'the place')).toThrow(/^the place holds no PIN of 1 to 255 characters$/);
    }
    expect(codeOf(() => new Pin('x'.repeat(255), 'the place'))).toBe('accepted');
  });

  it('nor in the errors of a token, their causes included', () => {
    const { token, open } = stage();
    for (const make of [
      () => open(undefined, 's3cret-pin'),
      () => open('pkcs11:token=absent;object=x', 's3cret-pin'),
    ]) {
      try {
        make();
        expect.fail();
      } catch (error) {
        expect(inspect(error, { depth: null, showHidden: true, getters: true })).not.toContain('s3cret-pin');
      }
    }
    expect(token.sessions.size).toBe(0);
  });
});
