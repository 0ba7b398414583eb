import { SeededRandom } from '../random.js';
import { type DeviceOptions, type Figures, Fleet, type FleetOptions } from './fleet.js';

/** The fleets that docs/SWARM.md speaks of, and what physics allows them: with a file of 40 MB, as the lab's, and of 20 MB between sites. */

const CHUNKS = 640;
const CHUNK_BYTES = 62_500;
export const FILE_BYTES = CHUNKS * CHUNK_BYTES;
/** Bytes per second. */
const mbit = (rate: number): number => rate * 125_000;
const SITE_CHUNKS = 320;
const SITE_BYTES = SITE_CHUNKS * CHUNK_BYTES;
const LIMIT_SECONDS = 900;

export interface SiteScenario {
  readonly name: string;
  readonly options: Omit<FleetOptions, 'seed' | 'choice'>;
  /** Seconds that no fleet can do without. */
  readonly fluidLimit: number;
}

const file = { chunks: CHUNKS, chunkBytes: CHUNK_BYTES };

/** One origin and devices, all of one site, each with a link of its own. */
function lab(rates: readonly { up: number; down: number }[], more: (i: number) => Partial<DeviceOptions> = () => ({})) {
  const origin = { id: 'origin', site: 'a', up: mbit(40), down: mbit(40), seed: true };
  const devices = rates.map((rate, i) => ({ id: `d${i}`, site: 'a', ...rate, ...more(i) }));
  return { ...file, devices: [origin, ...devices] };
}

/** Mundinger, Weber, Weiss: nobody is done before its own link, the origin's, or all that can send together, has carried what it must. */
function fluidLimit({ devices }: { devices: readonly DeviceOptions[] }): number {
  const receivers = devices.filter(({ seed, diesAt }) => !seed && diesAt === undefined);
  const origin = devices.reduce((sum, { seed, up }) => sum + (seed ? up : 0), 0);
  const all = devices.reduce((sum, { up, diesAt }) => sum + (diesAt === undefined ? up : 0), 0);
  const slowest = Math.min(...receivers.map(({ down }) => down));
  return Math.max(FILE_BYTES / slowest, FILE_BYTES / origin, (receivers.length * FILE_BYTES) / all);
}

const even = (count: number, up = 40, down = up) =>
  Array.from({ length: count }, () => ({ up: mbit(up), down: mbit(down) }));

function inLab(name: string, options: SiteScenario['options']): SiteScenario {
  return { name, options, fluidLimit: fluidLimit(options) };
}

/** Sites of so many devices each, with fast links inside, an uplink each, and the origin elsewhere. */
function sites(sizes: readonly number[], uplink: { each?: number; shared?: number }): SiteScenario['options'] {
  const names = sizes.map((_, i) => String.fromCharCode(97 + i));
  const origin = { id: 'origin', site: 'origin', up: mbit(20), down: mbit(20), seed: true };
  const devices = sizes.flatMap((count, site) =>
    Array.from({ length: count }, (_, i) => {
      return { id: `${names[site]}${i}`, site: names[site] ?? '', up: mbit(400), down: mbit(400) };
    }),
  );
  const { each, shared } = uplink;
  return {
    ...{ chunks: SITE_CHUNKS, chunkBytes: CHUNK_BYTES },
    devices: [origin, ...devices],
    ...(each !== undefined && { sites: Object.fromEntries(names.map((name) => [name, { uplink: mbit(each) }])) }),
    ...(shared !== undefined && { sharedUplink: mbit(shared) }),
  };
}

export const EIGHT = inLab('8 devices, 40 Mbit/s', lab(even(8)));
export const ONE = inLab('1 device, 40 Mbit/s', lab(even(1)));
export const MIXED = inLab(
  'mixed links, 2 to 40 Mbit/s',
  lab([2, 4, 8, 10, 20, 30, 40, 40].map((rate) => ({ up: mbit(rate), down: mbit(rate) }))),
);
export const ASYMMETRIC = inLab('up a tenth of down', lab(even(8, 4, 40)));
export const JOINING: SiteScenario = {
  name: 'joining over a minute',
  options: lab(even(8), (i) => ({ joinsAt: (i * 60_000) / 7 })),
  // The last one has all of its own link from when it joins.
  fluidLimit: 60 + FILE_BYTES / mbit(40),
};
export const KILLED: SiteScenario = inLab(
  'a third killed midway',
  lab(even(9), (i) => (i < 3 ? { diesAt: 4_000 } : {})),
);
export const ORIGIN_GONE: SiteScenario = {
  name: 'origin gone after 1.05 copies',
  options: {
    ...lab(even(8)),
    devices: lab(even(8)).devices.map((one) => (one.id === 'origin' ? { ...one, diesAfterCopies: 1.05 } : one)),
  },
  fluidLimit: EIGHT.fluidLimit,
};
export const FAST_ORIGIN = inLab('origin of 1 Gbit/s', {
  ...file,
  devices: lab(even(8)).devices.map((one) => (one.id === 'origin' ? { ...one, up: mbit(1000) } : one)),
});
export const SEED_ONLY: SiteScenario = {
  name: 'one reaches the origin only',
  options: {
    ...file,
    devices: lab(even(8)).devices.map((one) => (one.id === 'd0' ? { ...one, peers: ['origin'] } : one)),
  },
  // What it is sent, nobody else gets of it.
  fluidLimit: (2 * FILE_BYTES) / mbit(40),
};
export const METERED: SiteScenario = {
  name: 'all on metered links',
  options: lab(even(4), () => ({ metered: true })),
  fluidLimit: (4 * FILE_BYTES) / mbit(40),
};
/** Each site must get its copy over its own uplink. */
export const THREE_SITES: SiteScenario = {
  name: 'three sites, an uplink of 20 Mbit/s each',
  options: sites([4, 4, 4], { each: 20 }),
  fluidLimit: SITE_BYTES / mbit(20),
};
export const SHARED_UPLINK: SiteScenario = {
  name: 'three sites on one uplink of 20 Mbit/s',
  options: sites([4, 4, 4], { shared: 20 }),
  fluidLimit: (3 * SITE_BYTES) / mbit(20),
};
export const UNEVEN_SITES: SiteScenario = {
  name: 'sites of 7, 3 and 2 on one uplink of 20 Mbit/s',
  options: sites([7, 3, 2], { shared: 20 }),
  fluidLimit: (3 * SITE_BYTES) / mbit(20),
};

/**
 * What happened to Kraken (uber/kraken#244): the first site alone takes every place of the origin, since it is there first. An origin of 8 places
 * instead of 64, so that a few devices do.
 */
export const FIRST_SITE: SiteScenario = {
  name: 'sites of 10, 4 and 4 on one uplink, the first one first',
  options: (() => {
    const made = sites([10, 4, 4], { shared: 20 });
    const devices = made.devices.map((one) => {
      if (one.seed) return { ...one, places: 8 };
      return one.site === 'a' ? one : { ...one, joinsAt: 1000 };
    });
    return { ...made, devices };
  })(),
  fluidLimit: (3 * SITE_BYTES) / mbit(20),
};
/** Of a large site no device knows all others. */
export const LARGE_SITES: SiteScenario = {
  name: 'sites of 30, 30 and 30, an uplink of 20 Mbit/s each',
  options: sites([30, 30, 30], { each: 20 }),
  fluidLimit: SITE_BYTES / mbit(20),
};

export const SITE_SCENARIOS: readonly SiteScenario[] = [
  ...[EIGHT, ONE, MIXED, ASYMMETRIC, JOINING, KILLED, ORIGIN_GONE, FAST_ORIGIN, SEED_ONLY, METERED],
  ...[THREE_SITES, SHARED_UPLINK, UNEVEN_SITES, FIRST_SITE, LARGE_SITES],
];

export function play({ options }: SiteScenario, seed: number, choice: 'random' | 'sites' = 'sites'): Figures {
  // Who joins first is no rule of nature.
  const random = new SeededRandom(seed);
  const devices = options.devices.map((device) => ({
    joinsAt: device.seed ? 0 : Math.floor(random.next() * 500),
    ...device,
  }));
  return new Fleet({ ...options, devices, seed, choice }).run(LIMIT_SECONDS);
}
