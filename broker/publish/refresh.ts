import type { Credential } from '../../shared/identity/bundle.js';
import { directorRole } from '../../shared/trust/names.js';
import { withFleetLock } from '../fleet/fleet_lock.js';
import { connectMember } from '../member_link.js';
import { promote, type Waiting } from '../trust/ceremony.js';
import { TrustRepository } from '../trust/repository.js';
import { groupsOf, signOnline } from '../trust/schedule.js';
import { Publication } from './publication.js';

/** The online roles signed anew, for every group: a fleet that nobody publishes to is refused by its devices after a while. */

export interface RefreshOptions {
  /** Of a publisher. */
  readonly credential: Credential;
  readonly fleetFolder: string;
  /** How long they are good. */
  readonly days: number;
  readonly broker?: string;
  /** Seconds since the epoch. */
  readonly now?: () => number;
}

export interface Refreshed {
  readonly groups: readonly string[];
  readonly timestamp: number;
  /** What was staged and has too few signatures still. */
  readonly waiting: readonly Waiting[];
}

/** @throws E_TRUST_SIGNATURE where an online key is not in the folder; E_BROKER_*; E_TIMEOUT */
export async function refreshAll(options: RefreshOptions): Promise<Refreshed> {
  const { credential, fleetFolder, days, broker, now = () => Date.now() / 1000 } = options;
  const groups = await withFleetLock(fleetFolder, async () => {
    return groupsOf(await (await TrustRepository.open(fleetFolder)).current());
  });
  const link = await connectMember(credential, broker);
  let waiting: readonly Waiting[] = [];
  let timestamp = 0;
  try {
    for (const group of groups) {
      const publication = new Publication(link, { credential, fleetFolder, group, days, now });
      ({ timestamp } = await publication.run(async (repository, at) => {
        waiting = await promote(repository, at, days);
        const current = await repository.current();
        const targets = await repository.targets(current, directorRole(group));
        const signed = await signOnline(repository, current, [{ group, targets }], { now: at, days });
        await repository.seal(current, signed, at, days);
        return undefined;
      }));
    }
  } finally {
    await link.close();
  }
  if (groups.length > 0) return { groups, timestamp, waiting };
  return withFleetLock(fleetFolder, async () => {
    const repository = await TrustRepository.open(fleetFolder);
    const left = await promote(repository, Math.floor(now()), days);
    const current = await repository.current();
    await repository.seal(current, new Map(), Math.floor(now()), days);
    return { groups, timestamp: current.timestampVersion + 1, waiting: left };
  });
}
