import { readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { withFleetLock } from '../../broker/fleet/fleet_lock.js';
import { ONLINE_DAYS, promote, signStaged } from '../../broker/trust/ceremony.js';
import { type Description, describe } from '../../broker/trust/describe.js';
import { openSigningKey } from '../../broker/trust/key_files.js';
import { metadataBytes, type SigningKeyLike, sign } from '../../broker/trust/metadata_edits.js';
import { TrustRepository } from '../../broker/trust/repository.js';
import { parseFileName, parseMetadata } from '../../broker/trust/trust_folder.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import type { IdentityKey } from '../../shared/identity/keys/identity_key.js';
import type { SignFlags } from '../commands/trust.js';
import { output } from '../output.js';
import { tellWaiting } from './trust_keys.js';
import { descriptionLines } from './trust_show.js';

/** Signing by hand: what is signed is shown, in the place where the key is. */

export async function signFiles(files: readonly string[], flags: SignFlags): Promise<void> {
  const keys: IdentityKey[] = [];
  try {
    for (const word of flags.key) keys.push(openSigningKey(word));
    await signBy(keys, files, flags);
  } finally {
    for (const key of keys) key.close();
  }
}

async function signBy(
  keys: readonly SigningKeyLike[],
  files: readonly string[],
  { fleet, json }: SignFlags,
): Promise<void> {
  if (files.length === 0 && fleet === undefined) throw new ChunkmeshError('E_ARGUMENT', 'name the files, or a --fleet');
  const signed: Description[] = [];
  for (const path of files) signed.push(await signFile(path, keys));
  if (fleet !== undefined) {
    const { waiting, folder } = await withFleetLock(fleet, async () => {
      const repository = await TrustRepository.open(fleet);
      if (files.length === 0)
        for (const { role, metadata } of await signStaged(repository, keys)) signed.push(describe(role, metadata));
      const left = await promote(repository, Math.floor(Date.now() / 1000), ONLINE_DAYS);
      return { waiting: left, folder: repository.staged.path };
    });
    if (json) output.json({ signed, staged: folder, waiting });
    else {
      print(signed);
      tellWaiting(waiting, folder, undefined);
    }
    return;
  }
  if (json) output.json({ signed });
  else print(signed);
}

function print(signed: readonly Description[]): void {
  for (const one of signed) for (const line of descriptionLines(one)) output.line(line);
}

async function signFile(path: string, keys: readonly SigningKeyLike[]): Promise<Description> {
  const named = parseFileName(basename(path));
  if (named === null) throw new ChunkmeshError('E_ARGUMENT', `${path} is not called as metadata is, as 2.root.json`);
  try {
    const { metadata } = parseMetadata(named.role, await readFile(path), path);
    for (const key of keys) sign(metadata, key);
    await writeFile(path, metadataBytes(metadata));
    return describe(named.role, metadata);
  } catch (cause) {
    if (cause instanceof ChunkmeshError) throw cause;
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${path}: ${systemCode(cause) ?? 'cannot be read'}`, { cause });
  }
}
