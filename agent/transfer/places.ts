import { MAX_SESSIONS_PER_ARTIFACT } from '../../shared/limits.js';
import type { MembersHeard } from '../swarm/announcer.js';
import { MAX_SESSIONS_PER_SEED } from '../swarm/limits.js';
import { hasPlace, seedHasPlace } from '../swarm/peer_choice.js';
import type { MeshPeer, TransferHost } from './host.js';
import type { Mesh } from './mesh.js';

/** How many sessions a transfer has room for, and whether it has for a given peer (P-10.3). */

export interface PlacesOwner {
  readonly host: TransferHost;
  readonly mesh: Mesh;
  readonly heard: MembersHeard;
  readonly isSeed: boolean;
  /** Whether it takes no sessions whatever there are. */
  isClosed(): boolean;
  /** P-10.10 */
  leavesSeeds(): boolean;
}

export class Places {
  readonly #owner: PlacesOwner;

  constructor(owner: PlacesOwner) {
    this.#owner = owner;
  }

  /** Most sessions. */
  get most(): number {
    return this.#owner.isSeed ? MAX_SESSIONS_PER_SEED : MAX_SESSIONS_PER_ARTIFACT;
  }

  /** Sessions that may be agreed and none has to end. */
  get room(): number {
    const { mesh } = this.#owner;
    return this.#owner.isClosed() ? 0 : Math.max(0, this.most - mesh.links.size);
  }

  /** Sessions that may be agreed, those that bring nothing giving way. */
  get mayAgree(): number {
    const { mesh } = this.#owner;
    return this.#owner.isClosed() ? 0 : Math.max(0, this.most - mesh.occupants().length);
  }

  /** By who else is there, and of which sites. */
  hasFor({ device, site, seed }: MeshPeer): boolean {
    const { mesh, heard, host, isSeed } = this.#owner;
    const { mayAgree: room } = this;
    if (seed && this.#owner.leavesSeeds()) return false;
    if (mesh.links.get(device) !== undefined) return room > 0;
    if (room === 0) return seed && !this.#owner.isClosed() && mesh.yieldsToSeed;
    const peers = mesh.occupants().map((link) => link.peer);
    const inSite = (name: string, of = peers): number => of.filter((one) => one.site === name).length;
    if (isSeed) {
      const sites = new Set([...peers.map((one) => one.site), ...heard.sites, site]);
      return seedHasPlace(inSite(site), sites.size, room);
    }
    // What is nowhere else is there.
    if (seed) return true;
    const own = host.site;
    const devices = peers.filter((one) => !one.seed);
    const [near, heardNear] = [inSite(own, devices), heard.inSite(own)];
    return hasPlace(site === own, { near, far: devices.length - near, heardNear, heardFar: heard.size - heardNear });
  }
}
