import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { requirement } from './requirement.js';

/** A process whose system clock says something else, by the library of faketime(1). Monotonic time goes on as it is. */

const LIBRARIES = '/usr/lib';
const NAME = 'faketime/libfaketime.so.1';

function findLibrary(): string | null {
  if (!existsSync(LIBRARIES)) return null;
  const candidates = ['', ...readdirSync(LIBRARIES)].map((folder) => join(LIBRARIES, folder, NAME));
  return candidates.find((path) => existsSync(path)) ?? null;
}

const library = findLibrary();

export const withFaketime = requirement('faketime', library !== null, 'apt-get install faketime');

/** @param clock as faketime(1) has it: `@1970-01-01 00:01:00` begins there, `+40d` is ahead by that */
export function clockEnvironment(clock: string): Record<string, string> {
  return { LD_PRELOAD: library ?? '', FAKETIME: clock, FAKETIME_DONT_FAKE_MONOTONIC: '1', TZ: 'UTC' };
}
