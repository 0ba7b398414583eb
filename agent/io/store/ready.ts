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

/** What was noted of an artifact: enough to open its index without its trust message. */
export type ReadyNote = z.infer<typeof schema>;

/** @param root the folder `ready` of a store. @throws ChunkmeshError E_ID */
export function readyPath(root: string, { name, version }: ReadyName): string {
  // The patterns of P-1 leave no name that could lead out of the folder.
  if (!isId(name)) throw badName('name', name);
  if (!isVersion(version)) throw badName('version', version);
  return join(root, name, version);
}

/** @param folder of the artifact. @returns undefined where nothing was noted, or the note rotted. */
export async function readNote(folder: string): Promise<ReadyNote | undefined> {
  const bytes = await readIfThere(join(folder, FILE));
  if (bytes === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(bytes.toString('utf8')));
  } catch {
    return undefined;
  }
}

/** Notes one more name, durably; call before the file is there. */
export async function addToNote(
  folder: string,
  of: Pick<ReadyNote, 'size' | 'chunks'>,
  added: ReadyName,
): Promise<void> {
  const names = (await readNote(folder))?.names ?? [];
  if (names.some(({ name, version }) => name === added.name && version === added.version)) return;
  const { name, version } = added;
  const note: ReadyNote = { ...of, names: [...names, { name, version }].slice(-MAX_NAMES) };
  await replaceFile(join(folder, FILE), `${JSON.stringify(note)}\n`);
}
