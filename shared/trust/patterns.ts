import { createHash } from 'node:crypto';

/**
 * Which paths a delegation reaches (TUF 4.5). Of the patterns of the specification those of one `*` a segment, and no `?`: the
 * library's are shell patterns, of which a director could write one that takes hours (`{a,b}{a,b}...`), or one that means more than it seems to.
 */

const SEGMENT = /^(?:[A-Za-z0-9_+-][A-Za-z0-9_.+-]*\*?[A-Za-z0-9_.+-]*|\*[A-Za-z0-9_.+-]*)$/;
const MAX_PATTERN_LENGTH = 256;

export function isPattern(pattern: string): boolean {
  return pattern.length <= MAX_PATTERN_LENGTH && pattern.split('/').every((segment) => SEGMENT.test(segment));
}

/** A path that is looked for among many delegations. */
export class SoughtPath {
  readonly #segments: readonly string[];
  readonly #hash: string;

  /** @param path of segments that are not empty, and begin with no dot */
  constructor(path: string) {
    this.#segments = path.split('/');
    this.#hash = createHash('sha256').update(path).digest('hex');
  }

  isReachedBy(role: { readonly paths?: readonly string[]; readonly pathHashPrefixes?: readonly string[] }): boolean {
    return (
      role.paths?.some((pattern) => this.#matches(pattern)) ??
      role.pathHashPrefixes?.some((prefix) => this.#hash.startsWith(prefix)) ??
      false
    );
  }

  #matches(pattern: string): boolean {
    const parts = pattern.split('/');
    return parts.length === this.#segments.length && parts.every((part, i) => fits(this.#segments[i] ?? '', part));
  }
}

function fits(segment: string, part: string): boolean {
  const star = part.indexOf('*');
  if (star < 0) return segment === part;
  const [head, tail] = [part.slice(0, star), part.slice(star + 1)];
  return segment.length >= head.length + tail.length && segment.startsWith(head) && segment.endsWith(tail);
}
