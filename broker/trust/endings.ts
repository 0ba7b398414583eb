import { MetadataKind } from '@tufjs/models';
import { ChunkmeshError } from '../../shared/errors.js';
import { BINS, binRole } from '../../shared/trust/names.js';
import { TrustRepository } from './repository.js';

/** What of a fleet's metadata ends soon, while there is time to sign it anew. */

const DAY_SECONDS = 86_400;
/** People who hold keys are to be brought together. */
const OFFLINE_DAYS = 60;
/** A timer that refreshes each day failed some times. */
const ONLINE_DAYS = 3;
const RELEASE: readonly string[] = [MetadataKind.Targets, ...BINS.map(binRole)];

export type Signers = 'root' | 'release' | 'online';

export interface Ending {
  readonly signers: Signers;
  /** Of what ends first, seconds since the epoch. */
  readonly expires: number;
}

export function signersOf(role: string): Signers {
  if (role === MetadataKind.Root) return 'root';
  return RELEASE.includes(role) ? 'release' : 'online';
}

/** @param roles with the end of each, seconds since the epoch @param now the same */
export function endingsOf(roles: Iterable<readonly [role: string, expires: number]>, now: number): Ending[] {
  const first = new Map<Signers, number>();
  for (const [role, expires] of roles) {
    const signers = signersOf(role);
    const days = signers === 'online' ? ONLINE_DAYS : OFFLINE_DAYS;
    if (expires >= now + days * DAY_SECONDS) continue;
    first.set(signers, Math.min(expires, first.get(signers) ?? Number.POSITIVE_INFINITY));
  }
  return [...first].map(([signers, expires]) => ({ signers, expires }));
}

/** Nothing of a folder without metadata. @throws E_TRUST_MALFORMED, E_FILE_UNREADABLE @param now seconds since the epoch */
export async function endingsOfFolder(fleetFolder: string, now: number): Promise<Ending[]> {
  const repository = await TrustRepository.open(fleetFolder);
  if ((await repository.metadata.list()).length === 0) return [];
  const { root, meta, snapshotVersion } = await repository.current();
  const roles: [string, string][] = [[MetadataKind.Root, root.metadata.signed.expires]];
  if (snapshotVersion > 0) {
    const timestamp = await repository.metadata.read(MetadataKind.Timestamp, undefined);
    const snapshot = await repository.metadata.read(MetadataKind.Snapshot, snapshotVersion);
    for (const { metadata } of [timestamp, snapshot]) roles.push([metadata.signed.type, metadata.signed.expires]);
  }
  for (const [role, { version }] of Object.entries(meta)) {
    const { metadata } = await repository.metadata.read(role as 'targets', version);
    roles.push([role, metadata.signed.expires]);
  }
  return endingsOf(
    roles.map(([role, expires]) => [role, Date.parse(expires) / 1000] as const),
    now,
  );
}

const REMEDIES = {
  root: 'chunkmesh trust renew --role root',
  release: 'chunkmesh trust renew --role release',
  online: 'chunkmesh trust refresh',
} as const;

/** One line. @param now seconds since the epoch */
export function endingLine({ signers, expires }: Ending, now: number): string {
  const what = signers === 'online' ? 'what is signed online' : `what ${signers} signed`;
  const days = Math.floor((expires - now) / DAY_SECONDS);
  const when = expires <= now ? 'has expired, and devices take nothing new' : `expires in ${days} d`;
  return `trust: ${what} ${when}: ${REMEDIES[signers]}`;
}

/** As notes for who looks at the fleet; a folder whose metadata cannot be read is told as that. @param now seconds since the epoch */
export async function endingNotes(fleetFolder: string, now: number): Promise<string[]> {
  try {
    return (await endingsOfFolder(fleetFolder, now)).map((ending) => endingLine(ending, now));
  } catch (error) {
    if (error instanceof ChunkmeshError) return [`trust: ${error.message}`];
    throw error;
  }
}
