import { describe, expect, it } from 'vitest';
import { MAX_CHAIN_CERTIFICATES, whyNotTheBroker } from '../../../shared/mqtt/broker_chain.js';
import { Issuer, NOW, x509 } from '../../support/members.js';
import { authorityOf, type Issued, issue, serverOf } from '../../support/own_pki.js';

/** P-12.6, RFC 5280 §6.1: what a device that does not believe its clock makes of the certificates that a broker shows. */

// Loaded with the rest: @peculiar/x509 needs the crypto provider that it sets.
await Issuer.authority();

const FROM = NOW * 1000;
const DAY = 86_400;
const FOREIGN = "is not one that this bundle's fleet made";
const END = FROM + 30 * DAY * 1000;

const root = await issue({ name: 'root', from: FROM, extensions: authorityOf() });
const middle = await issue({ name: 'middle', by: root, from: FROM, extensions: authorityOf(0) });
const broker = await issue({ name: 'broker', by: middle, from: FROM, extensions: serverOf('localhost') });
const stranger = await issue({ name: 'root', from: FROM, extensions: authorityOf() });

const why = (chain: readonly Issued[], ca: readonly Issued[] = [root], now = NOW, host = 'localhost'): string | null =>
  whyNotTheBroker({
    chain: chain.map(({ certificate }) => certificate),
    ca: ca.map(({ pem }) => pem).join(''),
    host,
    now,
  });

/** A broker below CAs, each with the extensions that are asked for, the root first. */
async function below(
  ...extensions: readonly (readonly x509.Extension[])[]
): Promise<{ chain: Issued[]; ca: Issued[] }> {
  const chain: Issued[] = [];
  for (const [i, wanted] of [...extensions, serverOf('localhost')].entries()) {
    const by = chain[0];
    chain.unshift(await issue({ name: `ca ${i}`, ...(by && { by }), from: FROM, extensions: wanted }));
  }
  return { chain, ca: chain.slice(-1) };
}

describe('P-12.6 a chain is believed', () => {
  it('that leads over an intermediate to the root, with the root in it or not', () => {
    expect(why([broker, middle])).toBeNull();
    expect(why([broker, middle, root])).toBeNull();
  });

  it('that leads to any of several certificates, in whatever order', () => {
    expect(why([broker, middle], [stranger, root])).toBeNull();
    expect(why([broker, middle], [root, stranger])).toBeNull();
    expect(why([broker], [stranger, middle])).toBeNull();
  });

  it('of one, as a fleet’s own CA makes it', async () => {
    const own = await issue({ name: 'own', by: root, from: FROM, extensions: serverOf('localhost') });
    expect(why([own])).toBeNull();
  });

  it('before it begins, since that says that this clock is behind', () => {
    expect(why([broker, middle], [root], 0)).toBeNull();
  });

  it('whose path length is as long as it may be, those of the same name not counted', async () => {
    const { chain, ca } = await below(authorityOf(2), authorityOf(1), authorityOf(0));
    expect(why(chain, ca)).toBeNull();
    const rolled = await issue({ name: 'middle', by: middle, from: FROM, extensions: authorityOf(0) });
    const under = await issue({ name: 'broker', by: rolled, from: FROM, extensions: serverOf('localhost') });
    expect(why([under, rolled, middle])).toBeNull();
  });

  it('beside a CA of the same key that has expired', async () => {
    const old = await issue({ name: 'root', keyOf: root, from: FROM - 1000, to: FROM, extensions: authorityOf() });
    expect(why([broker, middle], [old, root], NOW + 1)).toBeNull();
    expect(why([broker, middle], [old], NOW + 1)).toBe('has expired');
  });
});

describe('P-12.6 a chain is refused', () => {
  it.each<[string, readonly Issued[], readonly Issued[]]>([
    ['that is empty of who vouches for it', [broker], [root]],
    ['of another root of the same name', [broker, middle], [stranger]],
    ['out of which one is missing', [broker, root], [root]],
    ['in which one is of another', [broker, stranger], [root]],
  ])('%s', (_, chain, ca) => {
    expect(why(chain, ca)).toBe(FOREIGN);
  });

  it('of nothing, and by a CA that cannot be read', () => {
    expect(why([])).toBe('is missing');
    const chain = [broker.certificate];
    for (const ca of ['', 'nothing', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n']) {
      expect(whyNotTheBroker({ chain, ca, host: 'localhost', now: NOW })).toBe('cannot be read');
    }
  });

  it('whose signature is another’s: the same names, another key', async () => {
    const fake = await issue({ name: 'middle', by: stranger, from: FROM, extensions: authorityOf() });
    const under = await issue({ name: 'broker', by: fake, from: FROM, extensions: serverOf('localhost') });
    expect(why([under, fake])).toBe(FOREIGN);
    expect(why([under, middle])).toBe(FOREIGN);
  });

  it.each<[string, readonly x509.Extension[]]>([
    ['is no CA', [new x509.BasicConstraintsExtension(false, undefined, true)]],
    ['does not say that it is one', []],
    [
      'may not sign certificates',
      [
        new x509.BasicConstraintsExtension(true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      ],
    ],
    ['is for clients', authorityOf(0, new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]))],
    [
      'has a critical extension that is not known',
      authorityOf(0, new x509.Extension('1.2.3.4', true, Buffer.of(5, 0))),
    ],
  ])('in which who signed %s', async (_, extensions) => {
    const { chain, ca } = await below(authorityOf(), extensions);
    expect(why(chain, ca)).toBe(FOREIGN);
  });

  it.each([true, false])('RFC 5280 §4.2.1.10: in which a CA is bound to names, critical %s', async (critical) => {
    // permittedSubtrees [0] { base dNSName "localhost" }
    const value = Buffer.concat([Buffer.of(0x30, 15, 0xa0, 13, 0x30, 11, 0x82, 9), Buffer.from('localhost')]);
    const bound = new x509.Extension('2.5.29.30', critical, value);
    const { chain, ca } = await below(authorityOf(), authorityOf(0, bound));
    expect(why(chain, ca)).toBe(FOREIGN);
    const top = await below(authorityOf(undefined, bound));
    expect(why(top.chain, top.ca)).toBe(FOREIGN);
  });

  it('whose broker has a critical extension that is not known', async () => {
    const extensions = [...serverOf('localhost'), new x509.Extension('1.2.3.4', true, Buffer.of(5, 0))];
    const odd = await issue({ name: 'broker', by: middle, from: FROM, extensions });
    expect(why([odd, middle])).toBe(FOREIGN);
  });

  it('RFC 5280 §4.2.1.9: that is longer than a CA in it allows, or the root', async () => {
    for (const [top, next] of [
      [0, undefined],
      [1, 0],
    ]) {
      const { chain, ca } = await below(authorityOf(top), authorityOf(next), authorityOf());
      expect(why(chain, ca)).toBe(FOREIGN);
    }
  });

  it('that goes round', async () => {
    const [a, b] = [await issue({ name: 'a', from: FROM }), await issue({ name: 'b', from: FROM })];
    const ab = await issue({ name: 'a', keyOf: a, by: b, from: FROM, extensions: authorityOf() });
    const ba = await issue({ name: 'b', keyOf: b, by: a, from: FROM, extensions: authorityOf() });
    const under = await issue({ name: 'broker', by: a, from: FROM, extensions: serverOf('localhost') });
    const round = [under, ...Array.from({ length: 50 }, (_, i) => (i % 2 === 0 ? ab : ba))];
    expect(why(round)).toBe(FOREIGN);
  });

  it(`of more than ${MAX_CHAIN_CERTIFICATES}`, async () => {
    const many = (count: number) => below(...Array.from({ length: count }, () => authorityOf()));
    // The root is not of the chain: it is believed.
    const most = await many(MAX_CHAIN_CERTIFICATES);
    expect(why(most.chain.slice(0, -1), most.ca)).toBeNull();
    const more = await many(MAX_CHAIN_CERTIFICATES + 1);
    expect(why(more.chain.slice(0, -1), more.ca)).toBe(FOREIGN);
  });

  it('once any of it has ended, by what is known of time', async () => {
    expect(why([broker, middle], [root], END / 1000)).toBeNull();
    expect(why([broker, middle], [root], END / 1000 + 1)).toBe('has expired');
    const short = await issue({
      name: 'middle',
      by: root,
      keyOf: middle,
      from: FROM,
      to: FROM + 1000,
      extensions: authorityOf(),
    });
    expect(why([broker, short], [root], NOW + 2)).toBe('has expired');
    const gone = await issue({
      name: 'broker',
      by: middle,
      from: FROM,
      to: FROM + 1000,
      extensions: serverOf('localhost'),
    });
    expect(why([gone, middle], [root], NOW + 2)).toBe('has expired');
    expect(why([broker, middle], [root], Number.NaN)).toBe('has expired');
  });

  it('for another host, a client, or a CA that is shown as a broker', async () => {
    expect(why([broker, middle], [root], NOW, 'elsewhere')).toBe('does not name elsewhere: altname');
    expect(why([broker, middle], [root], NOW, '127.0.0.1')).toBe('does not name 127.0.0.1: altname');
    const client = [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth])];
    const device = await issue({ name: 'localhost', by: middle, from: FROM, extensions: client });
    expect(why([device, middle])).toBe('is not for a server');
    expect(why([middle])).toBe('is not for a server');
  });
});
