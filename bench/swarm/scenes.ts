import type { EndLink } from './fluid.js';

/** What a swarm is put through. */

export interface Scene {
  readonly name: string;
  readonly origin: EndLink;
  readonly devices: readonly EndLink[];
  /** Of the file that is given, the part that is taken: on slow links all of it would take minutes. Default 1. */
  readonly part?: number;
  /** Between one device's start and the next. Default 0: all wait for the rollout. */
  readonly apartSeconds?: number;
  /** So many devices are killed when half of the limit is over. */
  readonly killed?: number;
  /** The origin is killed when it has sent so many copies. */
  readonly originGoneAfter?: number;
}

const MBIT = 1e6;
const link = (up: number, down = up): EndLink => ({ up: up * MBIT, down: down * MBIT });
const alike = (one: EndLink): EndLink[] => Array.from({ length: 8 }, () => one);
const ORIGIN = link(40);

export const PLAIN: Scene = { name: 'eight devices', origin: ORIGIN, devices: alike(link(40)) };

export const OTHERS: readonly Scene[] = [
  // All nine agents share this machine's processors: at a quarter of the rate these are not what is measured.
  { name: 'links of 10 Mbit/s', origin: link(10), devices: alike(link(10)) },
  {
    name: 'links of 2 to 40 Mbit/s',
    origin: ORIGIN,
    devices: [2, 5, 10, 15, 20, 30, 40, 40].map((rate) => link(rate)),
    part: 1 / 4,
  },
  { name: 'up a tenth of down', origin: ORIGIN, devices: alike(link(4, 40)) },
  { name: 'devices that join over a minute', origin: ORIGIN, devices: alike(link(40)), apartSeconds: 60 / 7 },
  { name: 'three of eight killed midway', origin: ORIGIN, devices: alike(link(40)), killed: 3 },
  { name: 'origin gone after 1.05 copies', origin: ORIGIN, devices: alike(link(40)), originGoneAfter: 1.05 },
];
