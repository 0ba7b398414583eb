/** What a store removes where its quota leaves no room for another artifact. Pure: what there is comes in, what goes comes out. */

/** An artifact in the store. */
export interface KeptArtifact {
  /** P-1.3 */
  readonly artifact: string;
  /** What it takes: an artifact that is open or growing counts with its whole size, for that is what it will take. */
  readonly bytes: number;
  /** When it was last opened, closed or copied from. Only the order counts. */
  readonly usedAt: number;
  /** As `name version`: those under which it was handed over. */
  readonly names: readonly NamedVersion[];
  /** Those that it was fetched for. */
  readonly wantedAs: readonly NamedVersion[];
  /** Whether any chunk came of it: what it shares with others of its names comes first of all, once it has its index. */
  readonly begun: boolean;
  readonly open: boolean;
}

export interface NamedVersion {
  readonly name: string;
  readonly version: string;
}

/** A rollout in force. */
export interface InForce extends NamedVersion {
  readonly artifact: string;
}

export interface Eviction {
  /** Oldest first; none where they would not do. */
  readonly evicted: readonly KeptArtifact[];
  /** Bytes that lack all the same. */
  readonly short: number;
}

/**
 * The artifacts to remove so that `need` bytes more fit: never one that a rollout in force names or that is open, and of each name whose
 * rollout is not handed over yet not the version before it, for that is what the device runs, and what the new one takes chunks from. What
 * there is of versions of such a name that never were whole goes after all else: the new one takes chunks from it too.
 */
export function whatToEvict(
  need: number,
  quota: number,
  kept: readonly KeptArtifact[],
  inForce: readonly InForce[],
): Eviction {
  let used = kept.reduce((sum, { bytes }) => sum + bytes, 0);
  const evicted: KeptArtifact[] = [];
  for (const one of evictable(kept, inForce)) {
    if (used + need <= quota) break;
    used -= one.bytes;
    evicted.push(one);
  }
  const short = Math.max(0, used + need - quota);
  // What cannot succeed is to cost nothing. Where nothing is needed, less over the quota is better than more.
  return { evicted: short > 0 && need > 0 ? [] : evicted, short };
}

/** Oldest first. */
function evictable(kept: readonly KeptArtifact[], inForce: readonly InForce[]): KeptArtifact[] {
  const wanted = new Set(inForce.map(({ artifact }) => artifact));
  const old = kept.filter((one) => !one.open && !wanted.has(one.artifact)).sort((a, b) => a.usedAt - b.usedAt);
  const pending = inForce.filter((rollout) => !isHandedOver(rollout, kept)).map(({ name }) => name);
  const isKin = ({ names, wantedAs }: KeptArtifact): boolean =>
    names.length === 0 && wantedAs.some(({ name }) => pending.includes(name));
  const before = new Set(pending.map((name) => old.findLast(({ names }) => names.some((one) => one.name === name))));
  const rest = old.filter((one) => !before.has(one));
  return [...rest.filter((one) => !isKin(one)), ...rest.filter(isKin)];
}

/**
 * What never was whole and nobody takes chunks from any more: of each of its names a rollout is in force, and handed over by now, or there is
 * another like it that was used since, which took what both share: one of which nothing came took nothing, and outlives only its like. The last
 * of a name is kept until then: who takes a publication back goes on where that version was.
 */
export function outlived<T extends KeptArtifact>(kept: readonly T[], inForce: readonly InForce[]): T[] {
  const wanted = new Set(inForce.map(({ artifact }) => artifact));
  const parts = kept.filter((one) => one.names.length === 0 && !one.open && !wanted.has(one.artifact));
  const isAfter = (one: T, other: T): boolean => other.usedAt > one.usedAt && (other.begun || !one.begun);
  const isOver = (one: T, name: string): boolean => {
    const ofName = inForce.filter((rollout) => rollout.name === name);
    if (ofName.length === 0) return false;
    return (
      ofName.every((rollout) => isHandedOver(rollout, kept)) ||
      parts.some((other) => isAfter(one, other) && other.wantedAs.some((as) => as.name === name))
    );
  };
  return parts.filter((one) => one.wantedAs.length > 0 && one.wantedAs.every(({ name }) => isOver(one, name)));
}

function isHandedOver({ artifact, name, version }: InForce, kept: readonly KeptArtifact[]): boolean {
  const names = kept.find((one) => one.artifact === artifact)?.names ?? [];
  return names.some((one) => one.name === name && one.version === version);
}
