const PEM = /^-----BEGIN PUBLIC KEY-----\r?\n([A-Za-z0-9+/]{59}=)\r?\n-----END PUBLIC KEY-----\r?\n?$/;
/** RFC 8410: what is before the 32 bytes. */
const SPKI_HEX = '302a300506032b6570032100';

/**
 * An Ed25519 key as 64 digits, of that or of PEM. Null for any other text, also such as the library would read: it takes a digit too
 * many, and bytes after the end, so that one key could be written in many ways.
 */
export function plainKey(text: string): string | null {
  if (/^[0-9a-fA-F]{64}$/.test(text)) return text.toLowerCase();
  const der = Buffer.from(PEM.exec(text)?.[1] ?? '', 'base64').toString('hex');
  return der.startsWith(SPKI_HEX) ? der.slice(SPKI_HEX.length) : null;
}
