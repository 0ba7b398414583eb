import { MAX_URL_BYTES } from '../limits.js';

/** URLs of an artifact on ordinary HTTP servers (P-12.3, P-11.1). */

/** What RFC 3986 §2 has in a URL, from the first letter of a host on, and no `#`: programs agree on little else. */
const SHAPE = /^https?:\/\/[A-Za-z0-9[][A-Za-z0-9\-._~:/?[\]@!$&'()*+,;=%]*$/;
/** What is added to the path for the index. */
const INDEX_SUFFIX = '.cmix';

/** P-12.3: http or https, at most 512 bytes, no user or password, which every device and every log would show, no fragment. */
export function isSourceUrl(value: string): boolean {
  if (value.length > MAX_URL_BYTES || !SHAPE.test(value) || !URL.canParse(value)) return false;
  const { hostname, username, password } = new URL(value);
  return hostname !== '' && username === '' && password === '';
}

/** P-11.1: where the index of what lies at `url` is: the same with `.cmix` after its path, before its query. */
export function indexUrl(url: string): string {
  const beside = new URL(url);
  beside.pathname += INDEX_SUFFIX;
  return beside.href;
}
