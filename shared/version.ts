import { createRequire } from 'node:module';

/** Of the package, from its own manifest: the same from sources and from the build. */
function readVersion(): string {
  const require = createRequire(import.meta.url);
  for (const manifest of ['../package.json', '../../package.json']) {
    try {
      return String((require(manifest) as { version: unknown }).version);
    } catch {
      // The other depth is the right one.
    }
  }
  return '0.0.0';
}

export const VERSION = readVersion();
