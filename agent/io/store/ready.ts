import { join } from 'node:path';
import { z } from 'zod';
import { isId, isVersion } from '../../../shared/control/ids.js';
import { readIfThere, replaceFile } from './disk.js';
import { badName } from './store_error.js';

/**
 * Where complete artifacts are handed over: `ready/<name>/<version>`. The files belong to whoever installs them. Which of them are
 * an artifact's is noted beside it, so that it is found again under whatever name it is asked for next; the note is a claim, and
 * what is read is verified.
 */

const FILE = 'ready.json';
/** For which rollouts it is fetched: all that is known of one that was never whole. */
const WANTED_FILE = 'wanted.json';
/** Bytes that are published again and again under new versions keep the newest names. */
const MAX_NAMES = 64;

export interface ReadyName {
  /** P-1.1 */
  readonly name: string;
  /** P-1.2 */
  readonly version: string;
}

const nameSchema = z.object({ name: z.string().refine(isId), version: z.string().refine(isVersion) });
const schema = z.object({ size: z.number(), chunks: z.number(), names: z.array(nameSchema) });

/** What was noted of an artifact, under which names it was handed over or is wanted: enough to open its index without its trust message. */
export type ReadyNote = z.infer<typeof schema>;

/** @param root the folder `ready` of a store. @throws ChunkmeshError E_ID */
export function readyPath(root: string, { name, version }: ReadyName): string {
  // The patterns of P-1 leave no name that could lead out of the folder.
  if (!isId(name)) throw badName('name', name);
  if (!isVersion(version)) throw badName('version', version);
  return join(root, name, version);
}

/** @param folder of the artifact. @returns undefined where nothing was noted, or the note rotted. */
export function readNote(folder: string): Promise<ReadyNote | undefined> {
  return read(join(folder, FILE));
}

/** As `readNote`, of what it is fetched for. */
export function readWanted(folder: string): Promise<ReadyNote | undefined> {
  return read(join(folder, WANTED_FILE));
}

async function read(path: string): Promise<ReadyNote | undefined> {
  const bytes = await readIfThere(path);
  if (bytes === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(bytes.toString('utf8')));
  } catch {
    return undefined;
  }
}

/** Notes one more name, durably; call before the file is there. */
export function addToNote(folder: string, of: Of, added: ReadyName): Promise<void> {
  return add(join(folder, FILE), of, added);
}

/** Notes, durably, that it is fetched for that rollout. */
export function addToWanted(folder: string, of: Of, added: ReadyName): Promise<void> {
  return add(join(folder, WANTED_FILE), of, added);
}

type Of = Pick<ReadyNote, 'size' | 'chunks'>;

async function add(path: string, { size, chunks }: Of, added: ReadyName): Promise<void> {
  const names = (await read(path))?.names ?? [];
  if (names.some(({ name, version }) => name === added.name && version === added.version)) return;
  const { name, version } = added;
  const note: ReadyNote = { size, chunks, names: [...names, { name, version }].slice(-MAX_NAMES) };
  await replaceFile(path, `${JSON.stringify(note)}\n`);
}
