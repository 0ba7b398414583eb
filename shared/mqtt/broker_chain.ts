import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { extensionsOf, pathLengthOf } from '../identity/x509_extensions.js';

/** Whether a chain of certificates proves a broker, by a time that is not the system's (RFC 5280 §6.1, P-12.6). Pure. */

/** Certificates of one chain, the broker's own among them: four are many. What a peer sends past it is not looked at. */
export const MAX_CHAIN_CERTIFICATES = 8;

/** RFC 5280 §4.2.1.12: id-kp-serverAuth, anyExtendedKeyUsage */
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const ANY_USAGE = '2.5.29.37.0';
/** What may be critical: basic constraints, key usage, alternative names, extended key usage; and policies, of which none is asked for. */
const KNOWN_EXTENSIONS: ReadonlySet<string> = new Set([
  ...['551d13', '551d0f', '551d11', '551d25'],
  ...['551d20', '551d21', '551d24', '551d36'],
]);
/** RFC 5280 §4.2.1.10. Who is bound to names is believed for none here, rather than for all where a name is misread. */
const NAME_CONSTRAINTS = '551d1e';
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

export interface Claim {
  /** The broker's certificate, and those of who vouches for it, each for the one before. */
  readonly chain: readonly X509Certificate[];
  /** PEM, of one or several: who is believed. */
  readonly ca: string;
  /** What the certificate has to name. */
  readonly host: string;
  /** Seconds since the epoch. When a certificate begins is not looked at: it says that this clock is behind. */
  readonly now: number;
}

/** @returns null where it is the broker. Never throws. */
export function whyNotTheBroker(claim: Claim): string | null {
  try {
    return judge(claim);
  } catch {
    return 'cannot be read';
  }
}

function judge({ chain, ca, host, now }: Claim): string | null {
  const [broker] = chain;
  if (broker === undefined) return 'is missing';
  const authorities = (ca.match(PEM_CERTIFICATE) ?? [ca]).map((pem) => new X509Certificate(pem));
  const path = pathOf(chain.slice(0, MAX_CHAIN_CERTIFICATES), authorities, now);
  if (path === 'foreign') return "is not one that this bundle's fleet made";
  if (broker.ca || broker.keyUsage?.includes(SERVER_AUTH) !== true) return 'is not for a server';
  const named = isIP(host) === 0 ? broker.checkHost(host) : broker.checkIP(host);
  if (named === undefined) return `does not name ${host}: altname`;
  return path === 'expired' ? 'has expired' : null;
}

/** Up to the first that is believed. A chain that goes round comes to its end without. */
function pathOf(
  chain: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
  now: number,
): 'good' | 'expired' | 'foreign' {
  const isOver = ({ validTo }: X509Certificate): boolean => !(Date.parse(validTo) / 1000 >= now);
  let isExpired = false;
  let wasBelieved = false;
  /** CAs below who would have issued the next one. */
  let below = 0;
  for (const [i, certificate] of chain.entries()) {
    if (!isUnderstood(certificate)) break;
    isExpired ||= isOver(certificate);
    const believed = authorities.filter((authority) => hasIssued(authority, certificate, below));
    if (believed.some((authority) => !isOver(authority))) return isExpired ? 'expired' : 'good';
    wasBelieved ||= believed.length > 0;
    const issuer = chain[i + 1];
    if (issuer === undefined || !hasIssued(issuer, certificate, below)) break;
    // RFC 5280 §6.1.4 (l): one that is issued by its own name is none more.
    if (issuer.subject !== issuer.issuer) below++;
  }
  return wasBelieved ? 'expired' : 'foreign';
}

/** All but the dates. The names first: a signature costs most. */
function hasIssued(issuer: X509Certificate, certificate: X509Certificate, below: number): boolean {
  const usages = issuer.keyUsage;
  return (
    issuer.ca &&
    certificate.checkIssued(issuer) &&
    (usages === undefined || usages.includes(SERVER_AUTH) || usages.includes(ANY_USAGE)) &&
    isUnderstood(issuer) &&
    pathLengthOf(extensionsOf(issuer.raw)) >= below &&
    certificate.verify(issuer.publicKey)
  );
}

/** RFC 5280 §4.2: what is critical and unknown is refused, and constraints to names whether they are critical or not. */
function isUnderstood({ raw }: X509Certificate): boolean {
  return extensionsOf(raw).every(
    ({ oid, isCritical }) => oid !== NAME_CONSTRAINTS && (!isCritical || KNOWN_EXTENSIONS.has(oid)),
  );
}
