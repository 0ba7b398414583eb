import { generateKeyPairSync, type KeyObject, randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import { x509 } from './members.js';

/** Certificates of a PKI that is not the fleet's, right or wrong: whatever a test asks for. */

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 86_400_000;

export interface Issued {
  readonly name: string;
  readonly privateKey: KeyObject;
  readonly pem: string;
  readonly certificate: X509Certificate;
}

export interface Wish {
  readonly name: string;
  /** Left out, it is signed by itself. */
  readonly by?: Issued;
  /** Another certificate of the same key. */
  readonly keyOf?: Issued;
  /** Ms since the epoch. */
  readonly from: number;
  readonly to?: number;
  readonly extensions?: readonly x509.Extension[];
}

export const authorityOf = (pathLength?: number, ...more: readonly x509.Extension[]): x509.Extension[] => [
  new x509.BasicConstraintsExtension(true, pathLength, true),
  new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
  ...more,
];

export const serverOf = (...hosts: readonly string[]): x509.Extension[] => [
  new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
  new x509.SubjectAlternativeNameExtension(hosts.map((value) => ({ type: 'dns', value }))),
];

export async function issue({
  name,
  by,
  keyOf,
  from,
  to = from + 30 * DAY_MS,
  extensions = [],
}: Wish): Promise<Issued> {
  const privateKey = keyOf?.privateKey ?? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const made = await x509.X509CertificateGenerator.create({
    ...{
      serialNumber: `4${randomBytes(7).toString('hex')}0`,
      subject: `CN=${name}`,
    },
    ...{
      issuer: `CN=${by?.name ?? name}`,
      notBefore: new Date(from),
      notAfter: new Date(to),
      signingAlgorithm: ALGORITHM,
    },
    publicKey: await publicKey(privateKey),
    signingKey: await signingKey(by?.privateKey ?? privateKey),
    extensions: [...extensions],
  });
  const pem = `${made.toString('pem')}\n`;
  return { name, privateKey, pem, certificate: new X509Certificate(pem) };
}

const signingKey = (key: KeyObject): Promise<webcrypto.CryptoKey> =>
  webcrypto.subtle.importKey('pkcs8', key.export({ type: 'pkcs8', format: 'der' }), ALGORITHM, false, ['sign']);

const publicKey = (key: KeyObject): Promise<webcrypto.CryptoKey> => {
  const { x, y, kty, crv } = key.export({ format: 'jwk' });
  return webcrypto.subtle.importKey('jwk', { ...{ kty, crv, x, y } } as webcrypto.JsonWebKey, ALGORITHM, true, [
    'verify',
  ]);
};
