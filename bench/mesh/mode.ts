/** As which a rollout is fetched: urgent or not (P-12.3). */
export type Mode = 'foreground' | 'background';
