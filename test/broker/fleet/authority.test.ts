import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Authority, validFor } from '../../../broker/fleet/authority.js';
import type { Identity } from '../../../shared/control/topics.js';
import { SigningKey } from '../../../shared/crypto/signature.js';
import { CertificateVerifier } from '../../../shared/identity/certificate.js';

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const now = Date.UTC(2030, 0, 1);
const identity: Identity = { fleet: 'acme', id: 'cam-1', role: 'device', site: 'north', groups: ['a', 'b'] };

async function authority(): Promise<{ ca: Authority; key: SigningKey }> {
  const key = SigningKey.generate();
  return { ca: await Authority.create('acme', key, validFor(now, 3650)), key };
}

describe('P-14.10 the dates of who was revoked before', () => {
  const seconds = now / 1000;

  it('begin after that, and where it was long ago five minutes before now', () => {
    expect(validFor(now, 1, seconds - 1).notBefore.getTime()).toBe(now);
    expect(validFor(now, 1, seconds - 86_400).notBefore.getTime()).toBe(now - 300_000);
    expect(validFor(now, 1, seconds + 299).notBefore.getTime()).toBe(now + 300_000);
  });

  it('P-12.6: are refused where they would begin further ahead than clocks differ', () => {
    for (const since of [seconds + 300, seconds + 364 * 86_400, 0xffff_ffff]) {
      expect(() => validFor(now, 400, since)).toThrowError(
        expect.objectContaining({ code: 'E_ARGUMENT', message: expect.stringContaining('chunkmesh restore') }),
      );
    }
  });
});

describe('Authority', () => {
  it('signs itself as a CA', async () => {
    const { ca } = await authority();
    const certificate = new X509Certificate(ca.certificate);
    expect(certificate.ca).toBe(true);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.publicKey.asymmetricKeyType).toBe('ed25519');
  });

  it('names a member as P-3.5 says, for a client only, and no CA', async () => {
    const { ca } = await authority();
    const key = SigningKey.generate();
    const pem = await ca.issueMember(identity, key.publicKey, validFor(now, 365));
    const certificate = new X509Certificate(pem);
    expect(certificate.subject.split('\n')).toEqual(['CN=cam-1', 'O=acme']);
    expect(certificate.keyUsage).toEqual([CLIENT_AUTH]);
    expect(certificate.ca).toBe(false);
    expect(certificate.checkIssued(new X509Certificate(ca.certificate))).toBe(true);
    expect(certificate.serialNumber).toMatch(/^[4-7][0-9A-F]{31}$/);
    const holder = new CertificateVerifier(ca.certificate, 'acme').verify(certificate.raw, now / 1000);
    expect(holder.identity).toEqual(identity);
    expect(Buffer.from(holder.publicKey)).toEqual(Buffer.from(key.publicKey));
    expect(holder.notBefore).toBe(now / 1000 - 300);
    expect(holder.notAfter).toBe(now / 1000 + 365 * 86_400);
  });

  it('names the broker by loopback and by its hosts, for a server only', async () => {
    const { ca } = await authority();
    const { publicKey } = SigningKey.generate();
    const hosts = ['broker.example', '192.0.2.7', '2001:db8::7', 'localhost'];
    const certificate = new X509Certificate(await ca.issueServer('acme', hosts, publicKey, validFor(now, 30)));
    for (const name of ['localhost', 'broker.example']) expect(certificate.checkHost(name)).toBe(name);
    for (const address of ['127.0.0.1', '::1', '192.0.2.7', '2001:db8::7']) {
      expect(certificate.checkIP(address)).toBe(address);
    }
    expect(certificate.checkHost('other.example')).toBeUndefined();
    expect(certificate.keyUsage).toEqual([SERVER_AUTH]);
    expect(() => new CertificateVerifier(ca.certificate, 'acme').verify(certificate.raw, now / 1000)).toThrow(
      /not for a client/,
    );
  });

  it('lets no certificate outlive the CA', async () => {
    const { ca } = await authority();
    const pem = await ca.issueMember(identity, SigningKey.generate().publicKey, validFor(now, 9999));
    expect(new X509Certificate(pem).validTo).toBe(new X509Certificate(ca.certificate).validTo);
  });

  it('comes back from its files, and refuses a key that is not its own', async () => {
    const { ca, key } = await authority();
    const back = await Authority.fromPem(key.exportPem(), ca.certificate);
    expect(back.certificate).toBe(ca.certificate);
    await expect(Authority.fromPem(SigningKey.generate().exportPem(), ca.certificate)).rejects.toMatchObject({
      code: 'E_CERT_INVALID',
    });
    await expect(Authority.fromPem(key.exportPem(), 'nonsense')).rejects.toMatchObject({ code: 'E_CERT_INVALID' });
  });
});
