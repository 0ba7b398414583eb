import type { Identity } from '../control/topics.js';

/** Who may have an artifact (P-5.4, P-12.3), as release signed it: checked by a device of itself, and of each peer. */

/** What is absent excludes nobody. */
export interface Audience {
  readonly groups?: readonly string[] | undefined;
  readonly sites?: readonly string[] | undefined;
}

/** What counts of who asks: as its certificate has it. */
export type Asker = Pick<Identity, 'groups' | 'site'>;

export function isInAudience({ groups, sites }: Audience = {}, { groups: own, site }: Asker): boolean {
  return (groups?.some((group) => own.includes(group)) ?? true) && (sites?.includes(site) ?? true);
}
