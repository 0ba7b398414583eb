/** What a device does while its link costs money by the byte. Wherever it comes from, without a schema at start. */

/** `fetch`: fetches all that it is to have. `urgent`: only rollouts that are urgent (P-12.3). Neither gives peers anything. */
export const METERED = ['off', 'fetch', 'urgent'] as const;

export type Metered = (typeof METERED)[number];
