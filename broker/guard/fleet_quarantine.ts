import { recordName } from '../../shared/control/revocation.js';
import { readFleetFile } from '../fleet/fleet_file.js';
import { readRegister } from '../revocation/register_file.js';
import { putOnList, type RevocationOptions } from '../revocation/revoke.js';
import type { Quarantine } from './quarantine.js';
import type { Standing } from './verdict.js';

/** The fleet's own revocation list (P-14), as a guard sees it and adds to it. */
export class FleetQuarantine implements Quarantine {
  readonly #options: RevocationOptions;

  constructor(options: RevocationOptions) {
    this.#options = options;
  }

  /**
   * When somebody was let in again the register does not keep: the guard's own memory does. Who is on the list by a certificate from before, and has
   * another since, is in by that: what was reported up to then is of the other.
   */
  async standing(): Promise<Standing> {
    const { fleetFolder } = this.#options;
    const register = await readRegister(fleetFolder);
    const { roster } = await readFleetFile(fleetFolder);
    const since = new Map(register.entries.map((entry) => [entry.name, entry.since]));
    const out = new Set<string>();
    const restored = new Map<string, number>();
    for (const { id, notBefore = 0 } of roster) {
      const until = since.get(recordName(id));
      if (until === undefined) continue;
      if (notBefore <= until) out.add(id);
      else restored.set(id, until);
    }
    return { out, restored };
  }

  /** @throws as putOnList */
  async quarantine(device: string, reason: string): Promise<void> {
    await putOnList(this.#options, device, 'quarantined', reason);
  }
}
