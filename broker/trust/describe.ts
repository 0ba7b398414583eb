import type { Metadata } from '@tufjs/models';
import { Root, Snapshot, Targets, Timestamp } from '@tufjs/models';
import { BINS, binRole, DIRECTOR } from '../../shared/trust/names.js';
import { artifactCustomSchema } from '../../shared/trust/verify.js';
import { binKeysOf, directorKeysOf, type KeysOfRole, keysOfRoot, type SignedRole } from './metadata_edits.js';

/** What a metadata file says, for whoever is about to sign it, or wants to see. */

export interface KeyLine {
  readonly role: string;
  readonly keys: readonly string[];
  readonly threshold: number;
}

export interface Description {
  readonly role: string;
  readonly version: number;
  /** RFC 3339. */
  readonly expires: string;
  /** Key ids that signed. Whether these count is for the role above it to say. */
  readonly signedBy: readonly string[];
  /** Whose keys it names. */
  readonly keys: readonly KeyLine[];
  /** What it lists: artifacts, rollouts, files. */
  readonly lists: readonly string[];
}

export function describe(role: string, { signed, signatures }: Metadata<SignedRole>): Description {
  const { version, expires } = signed;
  const shown = { role, version, expires, signedBy: Object.keys(signatures) };
  if (signed instanceof Root) return { ...shown, keys: rootLines(signed), lists: [] };
  if (signed instanceof Targets) {
    return { ...shown, keys: delegationLines(signed), lists: targetLines(signed) };
  }
  const files = signed instanceof Snapshot ? Object.entries(signed.meta) : [];
  if (signed instanceof Timestamp) files.push(['snapshot.json', signed.snapshotMeta]);
  return { ...shown, keys: [], lists: files.map(([file, meta]) => `${file} ${meta.version}`) };
}

const line = (role: string, { keys, threshold }: KeysOfRole): KeyLine => ({
  role,
  keys: keys.map(({ keyID }) => keyID),
  threshold,
});

function rootLines(signed: Root): KeyLine[] {
  return Object.entries(keysOfRoot({ signed })).map(([role, keys]) => line(role, keys));
}

/** The bins all have the same keys, which is one line. */
function delegationLines(signed: Targets): KeyLine[] {
  const roles = Object.values(signed.delegations?.roles ?? {});
  const bins = new Set(BINS.map(binRole));
  const others = roles.filter(({ name }) => !bins.has(name) && name !== DIRECTOR);
  const known = signed.delegations?.keys ?? {};
  return [
    ...(roles.some(({ name }) => name === DIRECTOR) ? [line(DIRECTOR, directorKeysOf({ signed }))] : []),
    ...(roles.some(({ name }) => bins.has(name)) ? [line('release-00 to release-ff', binKeysOf({ signed }))] : []),
    ...others.map(({ name, keyIDs, threshold }) =>
      line(name, { keys: keyIDs.flatMap((id) => known[id] ?? []), threshold }),
    ),
  ];
}

function targetLines({ targets }: Targets): string[] {
  return Object.values(targets).map(({ path, length, hashes, custom }) => {
    const { artifact, groups, sites } = artifactCustomSchema.safeParse(custom.chunkmesh).data ?? {};
    const parts = [
      path,
      `${length} bytes`,
      `sha256 ${hashes.sha256 ?? 'none'}`,
      ...(artifact === undefined ? [] : [`artifact ${artifact}`]),
      ...(groups === undefined ? [] : [`for groups ${groups.join(' ')} alone`]),
      ...(sites === undefined ? [] : [`for sites ${sites.join(' ')} alone`]),
    ];
    return parts.join(', ');
  });
}
