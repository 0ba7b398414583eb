import type { BarRule } from './bars.js';
import { fileBytes, makeTestFile, type TestFile } from './contenders/test_file.js';
import { type FlowKind, type LinkFlow, type Measured, measure, pause, startFlow, withLab } from './link_flows.js';
import { type LinkOptions, ofTheLink } from './loss.js';
import type { Contender, Figure } from './rounds.js';
import type { Subject } from './subject.js';

/** Who gets what of a bottleneck of 50 Mbit/s and 50 ms of round trip, each flow between two ends of its own. */

const RATE = 50e6;
const ONE_WAY_MS = 25;
/** 100 ms: the delay that a background flow may add, 60 ms, must fit, else only loss could tell it that another flow is there. */
const QUEUE_BYTES = (RATE / 8) * 0.1;
/** For controllers to find their place. */
const WARM_UP_SECONDS = 15;

interface Scene {
  readonly subject: string;
  readonly kinds: readonly FlowKind[];
  /** Between the start of one flow and the next. */
  readonly apartSeconds: number;
  /** Of each flow of ours. Default 1. */
  readonly devices?: number;
  readonly figures: (measured: Measured) => Figure[];
}

const DELAY = 'queueing delay, mean';
const DELAY_P95 = 'queueing delay, p95';
const LARGER = 'the larger part';
const TCP_RATE = 'goodput of TCP';
const PART = 'of the link';
const TCP_ALONE = 'TCP alone';
const BACKGROUND_ALONE = 'background alone';
const BESIDE = 'TCP beside background';
const FOUR = 'TCP beside background, four sessions of one agent';
const TWO = 'two background flows';
const LATECOMER = 'two background flows, one 20 s later';
const FOREGROUND = 'TCP beside foreground';

const delays = ({ link }: Measured): Figure[] => [
  { metric: DELAY, unit: 'ms', value: link.right.waitMs.mean },
  { metric: DELAY_P95, unit: 'ms', value: link.right.waitMs.p95 },
];

function shares({ rates }: Measured): Figure[] {
  const all = rates.reduce((sum, rate) => sum + rate, 0);
  return [{ metric: LARGER, unit: '%', value: (Math.max(...rates) * 100) / all }];
}

const rate = (metric: string, value = 0): Figure => ({ metric, unit: 'Mbit/s', value });

const SCENES: readonly Scene[] = [
  {
    subject: TCP_ALONE,
    kinds: ['tcp'],
    apartSeconds: 0,
    figures: (seen) => [rate(TCP_RATE, seen.rates[0]), ...delays(seen)],
  },
  {
    subject: BACKGROUND_ALONE,
    kinds: ['background'],
    apartSeconds: 0,
    figures: (seen) => [
      rate('goodput', seen.rates[0]),
      { metric: PART, unit: '%', value: ofTheLink('background', seen.rates[0] ?? 0, RATE) },
      ...delays(seen),
    ],
  },
  {
    subject: BESIDE,
    kinds: ['background', 'tcp'],
    apartSeconds: 5,
    figures: (seen) => [rate(TCP_RATE, seen.rates[1]), rate('goodput of background', seen.rates[0]), ...delays(seen)],
  },
  {
    subject: FOUR,
    kinds: ['background', 'tcp'],
    apartSeconds: 5,
    devices: 4,
    figures: (seen) => [rate(TCP_RATE, seen.rates[1]), ...delays(seen)],
  },
  {
    subject: TWO,
    kinds: ['background', 'background'],
    apartSeconds: 0,
    figures: (seen) => [...shares(seen), ...delays(seen)],
  },
  {
    subject: LATECOMER,
    kinds: ['background', 'background'],
    apartSeconds: 20,
    figures: (seen) => [
      rate('goodput of the first', seen.rates[0]),
      rate('goodput of the latecomer', seen.rates[1]),
      ...shares(seen),
    ],
  },
  {
    subject: FOREGROUND,
    kinds: ['tcp', 'foreground'],
    apartSeconds: 5,
    figures: (seen) => [
      rate(TCP_RATE, seen.rates[0]),
      rate('goodput of foreground', seen.rates[1]),
      ...shares(seen),
      ...delays(seen),
    ],
  },
];

const RULES: readonly BarRule[] = [
  { subject: BACKGROUND_ALONE, metric: PART, is: 'at least', limit: 90 },
  { subject: BACKGROUND_ALONE, metric: DELAY_P95, is: 'at most', limit: 60 },
  ...[BESIDE, FOUR].map((subject): BarRule => {
    return { subject, metric: TCP_RATE, is: 'at least', limit: 0.93, of: { subject: TCP_ALONE, metric: TCP_RATE } };
  }),
  { subject: BESIDE, metric: DELAY, is: 'at most', limit: 60, of: { subject: TCP_ALONE, metric: DELAY, above: true } },
  { subject: TWO, metric: LARGER, is: 'at most', limit: 60 },
  { subject: LATECOMER, metric: LARGER, is: 'at most', limit: 60 },
  { subject: FOREGROUND, metric: LARGER, is: 'at most', limit: 65 },
];

function contender(
  { subject, kinds, apartSeconds, devices = 1, figures }: Scene,
  file: TestFile,
  options: LinkOptions,
): Contender {
  const link = { rate: RATE, delay: ONE_WAY_MS, queue: QUEUE_BYTES, seed: options.seed };
  return {
    subject,
    run: () =>
      withLab(kinds.length, link, async (lab) => {
        const flows: LinkFlow[] = [];
        for (const [i, kind] of kinds.entries()) {
          if (i > 0) await pause(apartSeconds);
          flows.push(await startFlow(lab, 2 * i, { kind, file, devices, folder: options.folder }));
        }
        await pause(WARM_UP_SECONDS);
        const seen = await measure(lab, flows, options.seconds);
        for (const flow of flows) await flow.stop();
        return figures(seen);
      }),
  };
}

export async function fair(options: LinkOptions): Promise<Subject> {
  const longest = Math.max(...SCENES.map(({ apartSeconds }) => apartSeconds)) + WARM_UP_SECONDS + options.seconds;
  const file = await makeTestFile(options.folder, fileBytes(RATE, longest));
  const contenders = SCENES.map((scene) => contender(scene, file, options));
  return { name: 'fair', contenders, rules: RULES };
}
