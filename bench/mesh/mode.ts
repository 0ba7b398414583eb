/** As which a rollout is fetched: urgent or not (P-4.1). */
export type Mode = 'foreground' | 'background';
