import type { WaySettings } from '../test/lab/lab.js';
import type { BarRule } from './bars.js';
import { fileBytes, makeTestFile, type TestFile } from './contenders/test_file.js';
import { type FlowKind, measure, pause, startFlow, withLab } from './link_flows.js';
import type { Contender } from './rounds.js';
import type { Subject } from './subject.js';

/** Goodput over 100 Mbit/s and 50 ms of round trip, with packets lost or overtaken at random, both ways. */

export interface LinkOptions {
  readonly seconds: number;
  readonly seed: number;
  /** For artifacts and stores. */
  readonly folder: string;
}

const RATE = 100e6;
const ONE_WAY_MS = 25;
/** One bandwidth-delay product. */
const QUEUE_BYTES = (RATE / 8) * 0.05;
/** From the first chunk, or the SYN, until a rate is believed. */
const WARM_UP_SECONDS = 5;

/** `least`: the part of what the link can carry, for foreground and background. */
const CONDITIONS: readonly {
  readonly name: string;
  readonly link: WaySettings;
  readonly least: Partial<Record<FlowKind, number>>;
}[] = [
  { name: 'no loss', link: {}, least: { foreground: 0.95, background: 0.9 } },
  { name: '0.1 % lost', link: { loss: 0.001 }, least: { foreground: 0.95, background: 0.8 } },
  { name: '1 % lost', link: { loss: 0.01 }, least: { foreground: 0.8, background: 0.5 } },
  { name: '5 % lost', link: { loss: 0.05 }, least: { foreground: 0.5 } },
  { name: '10 % up to 10 ms late', link: { reorder: 0.1, late: 10 }, least: { foreground: 0.8, background: 0.8 } },
];

const SUBJECTS: Readonly<Record<FlowKind, string>> = {
  tcp: 'kernel TCP, CUBIC',
  foreground: 'chunkmesh, foreground',
  background: 'chunkmesh, background',
};

interface Share {
  readonly packet: number;
  readonly payload: number;
}

/** Of a path with an MTU of 1,500: a full datagram less IPv4, UDP, P-6's header and tag and the header of DATA. */
const DATAGRAM: Share = { packet: 1500, payload: 1430 };
/** IPv4, and TCP with timestamps. */
const SEGMENT: Share = { packet: 1500, payload: 1448 };

/** The part of what a link of `rate` bit/s can carry of such payload, percent. @param goodput Mbit/s */
export function ofTheLink(kind: FlowKind, goodput: number, rate: number): number {
  const { packet, payload } = kind === 'tcp' ? SEGMENT : DATAGRAM;
  return (goodput * 1e6 * packet * 100) / payload / rate;
}

const KINDS: readonly FlowKind[] = ['tcp', 'foreground', 'background'];
const part = (condition: string): string => `of the link, ${condition}`;

function contender(kind: FlowKind, name: string, link: WaySettings, file: TestFile, options: LinkOptions): Contender {
  const all = { rate: RATE, delay: ONE_WAY_MS, queue: QUEUE_BYTES, seed: options.seed, ...link };
  return {
    subject: SUBJECTS[kind],
    run: () =>
      withLab(1, all, async (lab) => {
        const flow = await startFlow(lab, 0, { kind, file, folder: options.folder });
        await pause(WARM_UP_SECONDS);
        const { rates, link: seen } = await measure(lab, [flow], options.seconds);
        await flow.stop();
        const goodput = rates[0] ?? 0;
        return [
          { metric: `goodput, ${name}`, unit: 'Mbit/s', value: goodput },
          { metric: part(name), unit: '%', value: ofTheLink(kind, goodput, RATE) },
          { metric: `queueing delay p95, ${name}`, unit: 'ms', value: seen.right.waitMs.p95 },
        ];
      }),
  };
}

function rules(): BarRule[] {
  return CONDITIONS.flatMap(({ name, least }) =>
    Object.entries(least).map(([kind, limit]) => {
      return { subject: SUBJECTS[kind as FlowKind], metric: part(name), is: 'at least', limit: limit * 100 } as const;
    }),
  );
}

export async function loss(options: LinkOptions): Promise<Subject> {
  const file = await makeTestFile(options.folder, fileBytes(RATE, WARM_UP_SECONDS + options.seconds));
  const contenders = CONDITIONS.flatMap(({ name, link }) =>
    KINDS.map((kind) => contender(kind, name, link, file, options)),
  );
  return { name: 'loss', contenders, rules: rules() };
}
