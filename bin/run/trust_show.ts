import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Description, describe } from '../../broker/trust/describe.js';
import { TrustRepository } from '../../broker/trust/repository.js';
import { groupsOf } from '../../broker/trust/schedule.js';
import { MetadataFolder, parseFileName, parseMetadata } from '../../broker/trust/trust_folder.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { fileName } from '../../shared/trust/names.js';
import { type Verdict, verifyBundle } from '../../shared/trust/verify.js';
import type { ShowFlags, VerifyFlags } from '../commands/trust.js';
import { output } from '../output.js';

/** What metadata says, and what a device would make of it. */

const seconds = (): number => Math.floor(Date.now() / 1000);
/** Enough of a key's id to tell it from others. */
const SHOWN_ID = 16;

export function descriptionLines({ role, version, expires, signedBy, keys, lists }: Description): string[] {
  const short = (ids: readonly string[]): string => ids.map((id) => id.slice(0, SHOWN_ID)).join(' ') || 'nobody';
  return [
    `${role} ${version}, expires ${expires}, signed by ${short(signedBy)}`,
    ...keys.map((line) => `  ${line.role}: ${line.threshold} of ${line.keys.length} keys: ${short(line.keys)}`),
    ...lists.map((line) => `  ${line}`),
  ];
}

export async function show(files: readonly string[], { fleet, json }: ShowFlags): Promise<void> {
  const shown: Description[] = [];
  for (const path of files) shown.push(await describeFile(path));
  if (files.length === 0) {
    if (fleet === undefined) throw new ChunkmeshError('E_ARGUMENT', 'name the files, or a --fleet');
    const { current, staged } = await ofFleet(fleet);
    if (json) output.json({ current, staged });
    else {
      print(current);
      if (staged.length > 0) output.line('waits for signatures:');
      print(staged);
    }
    return;
  }
  if (json) output.json({ files: shown });
  else print(shown);
}

function print(shown: readonly Description[]): void {
  for (const one of shown) for (const line of descriptionLines(one)) output.line(line);
}

async function describeFile(path: string): Promise<Description> {
  const named = parseFileName(basename(path));
  if (named === null) throw new ChunkmeshError('E_ARGUMENT', `${path} is not called as metadata is, as 2.root.json`);
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${path}: ${systemCode(cause) ?? 'cannot be read'}`, { cause });
  }
  return describe(named.role, parseMetadata(named.role, bytes, path).metadata);
}

async function ofFleet(fleet: string): Promise<{ current: Description[]; staged: Description[] }> {
  const repository = await TrustRepository.open(fleet);
  const { root, meta, snapshotVersion } = await repository.current();
  const current = [describe('root', root.metadata)];
  if (snapshotVersion > 0) {
    current.push(describe('timestamp', (await repository.metadata.read('timestamp', undefined)).metadata));
    current.push(describe('snapshot', (await repository.metadata.read('snapshot', snapshotVersion)).metadata));
  }
  for (const [role, { version }] of Object.entries(meta)) {
    current.push(describe(role, (await repository.metadata.read(role as 'targets', version)).metadata));
  }
  const staged: Description[] = [];
  for (const { role, version } of await repository.staged.list()) {
    staged.push(describe(role, (await repository.staged.read(role, version)).metadata));
  }
  return { current, staged };
}

export async function verify(flags: VerifyFlags): Promise<void> {
  const verdicts = flags.metadata === undefined ? await verifyFleet(flags) : await verifyFolder(flags.metadata, flags);
  if (flags.json) output.json({ groups: Object.fromEntries([...verdicts].map(([group, one]) => [group, plain(one)])) });
  else for (const [group, verdict] of verdicts) for (const line of verdictLines(group, verdict)) output.line(line);
  for (const { error, refused } of verdicts.values()) {
    const [first] = error === undefined ? refused : [error];
    if (first !== undefined) throw first;
  }
}

async function verifyFleet({ fleet, group }: VerifyFlags): Promise<Map<string, Verdict>> {
  if (fleet === undefined) throw new ChunkmeshError('E_ARGUMENT', 'name a --fleet, or a folder of --metadata');
  const repository = await TrustRepository.open(fleet);
  const current = await repository.current();
  const verdicts = new Map<string, Verdict>();
  const groups = group === undefined ? groupsOf(current) : [group];
  // Of a fleet that never published, the roles that all groups share.
  for (const one of groups.length === 0 ? ['default'] : groups) {
    verdicts.set(one, await repository.verify(current, one, seconds()));
  }
  return verdicts;
}

async function verifyFolder(path: string, { root, group }: VerifyFlags): Promise<Map<string, Verdict>> {
  if (root === undefined || group === undefined) {
    throw new ChunkmeshError('E_ARGUMENT', '--metadata needs --root, which is believed first, and --group');
  }
  const files = await readFolder(path);
  const trusted = await readFile(root, 'utf8').catch((cause: unknown) => {
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${root}: ${systemCode(cause) ?? 'cannot be read'}`, { cause });
  });
  return new Map([[group, verifyBundle({ root: trusted }, files, group, seconds)]]);
}

/** @throws E_FILE_UNREADABLE */
export async function readFolder(path: string): Promise<Map<string, Uint8Array>> {
  const folder = new MetadataFolder(path);
  const files = new Map<string, Uint8Array>();
  for (const { file } of await folder.list()) files.set(file, await folder.bytes(file));
  if (files.size === 0)
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${path} has no metadata, as ${fileName('root', 1)}`);
  return files;
}

function verdictLines(group: string, { error, rollouts, refused, expires, timestampVersion }: Verdict): string[] {
  if (error !== undefined) return [`group ${group}: refused: ${error.message}`];
  const until = Number.isFinite(expires) ? new Date(expires * 1000).toISOString() : 'never';
  return [
    `group ${group}: good until ${until}, timestamp ${timestampVersion}, ${rollouts.length} rollouts`,
    ...rollouts.map(
      ({ name, version, size, artifact }) => `  ${name} ${version}: ${size} bytes, artifact ${hex(artifact)}`,
    ),
    ...refused.map(({ message }) => `  refused: ${message}`),
  ];
}

function plain({ error, rollouts, refused, expires, timestampVersion, rootVersion }: Verdict): object {
  return {
    ...(error !== undefined && { error: { code: error.code, message: error.message } }),
    ...{ rollouts: rollouts.map((one) => ({ ...one, artifact: hex(one.artifact) })) },
    ...{ refused: refused.map(({ code, message }) => ({ code, message })), expires, timestampVersion, rootVersion },
  };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
