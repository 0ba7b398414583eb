import { checkId } from '../../shared/control/ids.js';
import { ChunkmeshError } from '../../shared/errors.js';
import type { Credential } from '../../shared/identity/bundle.js';
import { connectMember } from '../member_link.js';
import { ONLINE_DAYS, promote } from '../trust/ceremony.js';
import { unschedule } from '../trust/schedule.js';
import { Publication } from './publication.js';

/** Withdrawing: a group's trust bundle without the rollout of a name. */

export interface WithdrawOptions {
  /** Of a publisher. */
  readonly credential: Credential;
  readonly fleetFolder: string;
  readonly name: string;
  readonly group: string;
  /** Instead of the bundle's. */
  readonly broker?: string;
  /** Seconds since the epoch. */
  readonly now?: () => number;
}

/**
 * Devices end its transfer and serve it no more; what they handed over stays where it is.
 * @returns the version of the timestamp metadata that says so
 * @throws E_ID; E_ARGUMENT where the group has no such rollout; E_TRUST_SIGNATURE where an online key is not in the folder; E_BROKER_*; E_TIMEOUT
 */
export async function withdraw(options: WithdrawOptions): Promise<{ readonly timestamp: number }> {
  const { credential, fleetFolder, name, group, broker, now = () => Date.now() / 1000 } = options;
  checkId(name, 'name');
  checkId(group, 'group');
  const days = ONLINE_DAYS;
  const link = await connectMember(credential, broker);
  let isDone = false;
  try {
    return await new Publication(link, { credential, fleetFolder, group, days, now }).run(async (repository, at) => {
      await promote(repository, at, days);
      const current = await repository.current();
      const signed = await unschedule(repository, current, { group, name }, { now: at, days });
      // Done again on top of what another publisher made meanwhile, it may be there no more.
      if (signed === undefined && !isDone) {
        throw new ChunkmeshError('E_ARGUMENT', `group ${group} has no rollout called ${name}`);
      }
      await repository.seal(current, signed ?? new Map(), at, days);
      isDone = true;
      return undefined;
    });
  } finally {
    await link.close();
  }
}
