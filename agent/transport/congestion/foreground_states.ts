/** What the sender is about (draft-ietf-ccwg-bbr-06 §5.3), and beside others that fill queues: `compete`. */
export type State = 'startup' | 'drain' | 'down' | 'cruise' | 'refill' | 'up' | 'probeRtt' | 'compete';

/** draft-ietf-ccwg-bbr-06 §5.6.1: how much faster than the model each state sends. */
export const PACING_GAIN: Readonly<Record<State, number>> = {
  startup: 2.77,
  drain: 0.5,
  down: 0.9,
  cruise: 1,
  refill: 1,
  up: 1.25,
  probeRtt: 1,
  compete: 1.2,
};

/** §5.6.1: flights of the model's path that each state lets be in flight. */
export const WINDOW_GAIN: Readonly<Record<State, number>> = {
  startup: 2,
  drain: 2,
  down: 2,
  cruise: 2,
  refill: 2,
  up: 2.25,
  probeRtt: 0.5,
  compete: 1,
};
