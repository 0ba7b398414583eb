import type { Standing } from './verdict.js';

/** What a guard needs of the fleet's revocation list, and all that it may do to it. */
export interface Quarantine {
  /** Who is out, revoked or quarantined, and who was let in again and when, as the newest list says. */
  standing(): Promise<Standing>;
  /**
   * Resolves once the device is out for everyone who hears of it. Where it is already, nothing changes.
   * @param reason one line of printable ASCII, at most MAX_REASON_LENGTH
   */
  quarantine(device: string, reason: string): Promise<void>;
}

/** Of what a guard says of why: the first reporters by name, and how many there are more. */
export const MAX_REASON_LENGTH = 200;

/** Throws nobody out: for who wants to see first what a guard would do. It remembers what it was told, as a list would. */
export class NoQuarantine implements Quarantine {
  readonly #out = new Set<string>();
  readonly #standing: () => Promise<Standing>;

  /** @param standing of the fleet as it is, where that is known */
  constructor(standing: () => Promise<Standing> = async () => ({ out: new Set(), restored: new Map() })) {
    this.#standing = standing;
  }

  async standing(): Promise<Standing> {
    const { out, restored } = await this.#standing();
    return { out: new Set([...out, ...this.#out]), restored };
  }

  async quarantine(device: string): Promise<void> {
    this.#out.add(device);
  }
}
