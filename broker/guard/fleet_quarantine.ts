import { readFleetFile } from '../fleet/fleet_file.js';
import { standingIn } from '../revocation/register.js';
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

  /** When somebody was let in again the register does not keep: the guard's own memory does. */
  async standing(): Promise<Standing> {
    const { fleetFolder } = this.#options;
    const register = await readRegister(fleetFolder);
    const { roster } = await readFleetFile(fleetFolder);
    const out = roster.filter(({ id, notBefore }) => standingIn(register, id, notBefore) !== 'good');
    return { out: new Set(out.map(({ id }) => id)), restored: new Map() };
  }

  /** @throws as putOnList */
  async quarantine(device: string, reason: string): Promise<void> {
    await putOnList(this.#options, device, 'quarantined', reason);
  }
}
