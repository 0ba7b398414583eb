import { webcrypto } from 'node:crypto';
import { x509 } from './members.js';

/** A CA of the test's own, and a server's certificate from it. PEM, all of them. */
export interface TlsIdentity {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 86_400_000;

const pem = (der: ArrayBuffer): string =>
  `-----BEGIN PRIVATE KEY-----\n${Buffer.from(der).toString('base64').replace(/.{64}/g, '$&\n')}\n-----END PRIVATE KEY-----\n`;

/** @param names of the server; addresses are IPv4. @param daysLeft below 0 for one that has expired */
export async function tlsIdentity(names: readonly string[], daysLeft = 30): Promise<TlsIdentity> {
  const [caKeys, keys] = await Promise.all(
    [0, 1].map(() => webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])),
  );
  if (caKeys === undefined || keys === undefined) throw new Error('no keys');
  const notBefore = new Date(Date.now() - 60 * DAY_MS);
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    ...{ serialNumber: '01', name: 'CN=test CA', notBefore, notAfter: new Date(Date.now() + 365 * DAY_MS) },
    ...{ keys: caKeys, signingAlgorithm: ALGORITHM },
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  const certificate = await x509.X509CertificateGenerator.create({
    ...{ serialNumber: '02', subject: `CN=${names[0]}`, issuer: ca.subject, notBefore },
    ...{ notAfter: new Date(Date.now() + daysLeft * DAY_MS), signingAlgorithm: ALGORITHM },
    ...{ publicKey: keys.publicKey, signingKey: caKeys.privateKey },
    extensions: [
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: /^[0-9.]+$/.test(value) ? 'ip' : 'dns', value })),
      ),
    ],
  });
  return {
    ca: ca.toString('pem'),
    certificate: certificate.toString('pem'),
    key: pem(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)),
  };
}
