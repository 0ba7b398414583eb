import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isId } from '../../shared/control/ids.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { writePrivateFile } from '../fleet/private_file.js';
import type { Standing } from './verdict.js';

/** What a guard remembers over restarts: a list of who is out does not say who was let in again, and when. */

const FILE = 'guard.json';
const DAY_SECONDS = 86_400;

const since = z.array(z.tuple([z.string().refine(isId), z.number().min(0)]));
const schema = z.object({ v: z.literal(1), out: z.array(z.string().refine(isId)), restored: since, thrownOut: since });

/** Times in seconds since the epoch. */
export interface Remembered {
  /** Who was out as of the last look. */
  readonly out: readonly string[];
  readonly restored: readonly (readonly [device: string, at: number])[];
  /** By the guard itself, within a day. */
  readonly thrownOut: readonly (readonly [device: string, at: number])[];
}

export const NOTHING: Remembered = { out: [], restored: [], thrownOut: [] };

/** Who is out no more was let in again, by now. What is older than the window makes no difference to any report. */
export function remember(
  before: Remembered,
  { out, restored }: Standing,
  windowSeconds: number,
  now: number,
): Remembered {
  const times = new Map(before.restored);
  for (const device of before.out) if (!out.has(device)) times.set(device, now);
  for (const [device, at] of restored) times.set(device, Math.max(at, times.get(device) ?? at));
  return {
    out: [...out],
    restored: [...times].filter(([, at]) => at >= now - windowSeconds),
    thrownOut: before.thrownOut.filter(([, at]) => at > now - DAY_SECONDS),
  };
}

/** A list may be some time behind what was done to it: who was thrown out and not let in since is out. */
export function standingOf({ out, restored, thrownOut }: Remembered): Standing {
  const times = new Map(restored);
  const mine = thrownOut.filter(([device, at]) => (times.get(device) ?? Number.NEGATIVE_INFINITY) < at);
  return { out: new Set([...out, ...mine.map(([device]) => device)]), restored: times };
}

export interface GuardMemory {
  read(): Promise<Remembered>;
  write(remembered: Remembered): Promise<void>;
}

/** For as long as the process runs. */
export class ShortMemory implements GuardMemory {
  #remembered = NOTHING;

  async read(): Promise<Remembered> {
    return this.#remembered;
  }

  async write(remembered: Remembered): Promise<void> {
    this.#remembered = remembered;
  }
}

/** `guard.json` of a fleet folder. */
export class FolderMemory implements GuardMemory {
  readonly #path: string;
  #written = '';

  constructor(fleetFolder: string) {
    this.#path = join(fleetFolder, FILE);
  }

  /** @throws E_FILE_UNREADABLE where it is there and is not what a guard wrote: going on would judge who was let in by what is over. */
  async read(): Promise<Remembered> {
    try {
      const { out, restored, thrownOut } = schema.parse(JSON.parse(await readFile(this.#path, 'utf8')));
      return { out, restored, thrownOut };
    } catch (cause) {
      if (systemCode(cause) === 'ENOENT') return NOTHING;
      const why = systemCode(cause) ?? 'is not what a guard wrote; remove it to begin anew';
      throw new ChunkmeshError('E_FILE_UNREADABLE', `${this.#path}: ${why}`, { cause });
    }
  }

  /** Durable before it returns. @throws E_STORE_IO */
  async write(remembered: Remembered): Promise<void> {
    const text = `${JSON.stringify({ v: 1, ...remembered })}\n`;
    if (text === this.#written) return;
    try {
      await writePrivateFile(this.#path, text);
    } catch (cause) {
      throw new ChunkmeshError('E_STORE_IO', `${this.#path}: ${systemCode(cause) ?? 'cannot be written'}`, { cause });
    }
    this.#written = text;
  }
}
