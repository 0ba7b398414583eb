import type { LinkCount } from '../test/lab/lab.js';
import type { BarRule } from './bars.js';
import { fileBytes, makeTestFile, type TestFile } from './contenders/test_file.js';
import { begun, type FlowKind, linkPlace, pause, startFlow, withLab } from './link_flows.js';
import type { LinkOptions } from './loss.js';
import { Flow, type Member } from './mesh/mesh.js';
import type { Mode } from './mesh/mode.js';
import type { Mark } from './mesh/wire.js';
import type { Contender, Figure } from './rounds.js';
import type { Subject } from './subject.js';

/** How soon a transfer is itself again, over 100 Mbit/s and 50 ms, after nothing crossed, a process stood still, or a seed vanished. */

const RATE = 100e6;
const RTT_MS = 50;
const LINK = { rate: RATE, delay: RTT_MS / 2, queue: (RATE / 8) * (RTT_MS / 1000) };
/** Three probe timeouts (RFC 9002 §6.2.1) of such a path: the round trip, four times its variation, 25 ms. */
const OUTAGE_MS = 300;
const STALL_MS = 200;
const MAX_ROUND_TRIPS = 10;
const MIN_AFTER_PERCENT = 80;
const MAX_NOTICE_SECONDS = 10;
const WARM_UP_SECONDS = 5;
const AFTER_SECONDS = 2;
/** After a seed has vanished, whatever comes of it. */
const WATCH_SECONDS = 13;
/** What a chunk is in the rate of a second is little. */
const SECOND = 1;
const SAMPLE_SECONDS = 0.1;
/** A tenth of a round trip. */
const FINE_SECONDS = RTT_MS / 10_000;
/** As good as before. */
const WHOLE = 0.9;

const MODES: readonly Mode[] = ['foreground', 'background'];
const KINDS: readonly FlowKind[] = ['tcp', ...MODES];
const NAMES: Readonly<Record<FlowKind, string>> = {
  tcp: 'kernel TCP, CUBIC',
  foreground: 'chunkmesh, foreground',
  background: 'chunkmesh, background',
};
const OUTAGE = `outage of ${OUTAGE_MS} ms`;
const HALF = 'round trips to half the rate';
/** The time of the standstill counts: what a socket kept of it would else count as goodput after it. */
const AFTER = `goodput from then until ${AFTER_SECONDS} s after, of before`;
/** From the kill. */
const NOTICED = 'until it is given up and its requests are with the other';

/** A count of bytes at a time. */
export interface Sample {
  readonly ms: number;
  readonly bytes: number;
}

const rateOf = (from: Sample, to: Sample): number => (to.bytes - from.bytes) / (to.ms - from.ms);

/**
 * From `from` to the end of the first span of `spanMs` with at least such a rate, ms. Infinity where there is none.
 * @param least bytes per ms
 */
export function reachedAfter(samples: readonly Sample[], from: number, spanMs: number, least: number): number {
  for (const begin of samples) {
    if (begin.ms < from) continue;
    const end = samples.find(({ ms }) => ms >= begin.ms + spanMs);
    if (end === undefined) break;
    if (rateOf(begin, end) >= least) return end.ms - from;
  }
  return Number.POSITIVE_INFINITY;
}

/** What the link has let through to the right, as it goes. */
class LinkMeter {
  bytes = 0;
  readonly #count: () => Promise<LinkCount>;

  constructor(count: () => Promise<LinkCount>) {
    this.#count = count;
  }

  async sample(): Promise<Sample> {
    const { ms, right } = await this.#count();
    this.bytes += right.delivered.reduce((sum, bytes) => sum + bytes, 0);
    return { ms, bytes: this.bytes };
  }
}

function blackout(kind: FlowKind, file: TestFile, { folder, seed }: LinkOptions): Contender {
  return {
    subject: `${NAMES[kind]}, ${OUTAGE}`,
    run: () =>
      withLab(1, { ...LINK, seed }, async (lab) => {
        const flow = await startFlow(lab, 0, { kind, file, folder });
        await pause(WARM_UP_SECONDS);
        const meter = new LinkMeter(() => lab.count());
        const start = await meter.sample();
        await pause(AFTER_SECONDS);
        const last = await meter.sample();
        await lab.set('both', { loss: 1 });
        await pause(OUTAGE_MS / 1000);
        await lab.set('both', { loss: 0 });
        const samples = [await meter.sample()];
        const back = samples[0] ?? last;
        while ((samples.at(-1) ?? back).ms < back.ms + AFTER_SECONDS * 1000) {
          await pause(FINE_SECONDS);
          samples.push(await meter.sample());
        }
        await flow.stop();
        const before = rateOf(start, last);
        const after = rateOf(back, samples.at(-1) ?? back);
        return [
          { metric: HALF, unit: '', value: reachedAfter(samples, back.ms, RTT_MS, before / 2) / RTT_MS },
          {
            metric: `through the link in the ${AFTER_SECONDS} s after, of before`,
            unit: '%',
            value: (after * 100) / before,
          },
        ];
      }),
  };
}

/** Verified bytes, by the clock of the device. */
async function verified(device: Member): Promise<Sample> {
  const { ms, bytes } = await device.mark();
  return { ms, bytes };
}

function stall(mode: Mode, who: 'sender' | 'receiver', file: TestFile, { folder, seed }: LinkOptions): Contender {
  return {
    subject: `${NAMES[mode]}, ${who} stands still for ${STALL_MS} ms`,
    run: () =>
      withLab(1, { ...LINK, seed }, async (lab) => {
        const flow = await Flow.start({ file, folder, mode, from: linkPlace(lab, 0), to: linkPlace(lab, 1) });
        const [[sender], [receiver]] = [flow.seeds, flow.devices];
        if (sender === undefined || receiver === undefined) throw new Error('not started');
        await begun(flow);
        await pause(WARM_UP_SECONDS);
        const start = await verified(receiver);
        await pause(AFTER_SECONDS);
        const last = await verified(receiver);
        (who === 'sender' ? sender : receiver).stall(STALL_MS);
        await pause(STALL_MS / 1000 + AFTER_SECONDS);
        const end = await verified(receiver);
        if (flow.isHeld) throw new Error('the artifact was too small');
        await flow.stop();
        const before = rateOf(start, last);
        return [
          { metric: AFTER, unit: '%', value: (rateOf(last, end) * 100) / before },
          { metric: 'goodput before', unit: 'Mbit/s', value: before * 8e-3 },
        ];
      }),
  };
}

function vanished(mode: Mode, file: TestFile, { folder, seed }: LinkOptions): Contender {
  return {
    subject: `${NAMES[mode]}, one of two seeds is killed`,
    run: () =>
      withLab(1, { ...LINK, seed }, async (lab) => {
        const ends = { from: linkPlace(lab, 0), to: linkPlace(lab, 1) };
        const flow = await Flow.start({ file, folder, mode, ...ends, seeds: 2, tapped: true });
        const [[, second], [device]] = [flow.seeds, flow.devices];
        if (second === undefined || device === undefined) throw new Error('not started');
        await begun(flow);
        await pause(WARM_UP_SECONDS);
        const start = await verified(device);
        await pause(AFTER_SECONDS);
        const killed = await device.mark();
        if (killed.peers !== 2) throw new Error(`${killed.peers} peers instead of 2`);
        const kill = second.kill();
        const figures = await watched(device, killed, rateOf(start, killed));
        await kill;
        if (flow.isHeld) throw new Error('the artifact was too small');
        await flow.stop();
        return figures;
      }),
  };
}

async function watched(device: Member, killed: Sample, before: number): Promise<Figure[]> {
  const samples: Sample[] = [killed];
  let mark: Mark | undefined;
  while ((samples.at(-1) ?? killed).ms < killed.ms + WATCH_SECONDS * 1000) {
    await pause(SAMPLE_SECONDS);
    mark = await device.mark();
    samples.push(mark);
  }
  const { movedMs, endedMs } = mark ?? { movedMs: Number.NaN, endedMs: Number.NaN };
  const last = samples.at(-1) ?? killed;
  const wholeMs = reachedAfter(samples, killed.ms, SECOND * 1000, before * WHOLE);
  const seconds = (ms: number): number => (ms - killed.ms) / 1000;
  return [
    { metric: NOTICED, unit: 's', value: seconds(Math.max(movedMs, endedMs)) },
    { metric: 'last request moved after', unit: 's', value: Math.max(0, seconds(movedMs)) },
    { metric: `until ${WHOLE * 100} % of the rate`, unit: 's', value: wholeMs / 1000 },
    {
      metric: `goodput in the ${WATCH_SECONDS} s after, of before`,
      unit: '%',
      value: (rateOf(killed, last) * 100) / before,
    },
  ];
}

const RULES: readonly BarRule[] = [
  ...MODES.map((mode): BarRule => {
    return { subject: `${NAMES[mode]}, ${OUTAGE}`, metric: HALF, is: 'at most', limit: MAX_ROUND_TRIPS };
  }),
  ...MODES.flatMap((mode) =>
    ['sender', 'receiver'].map((who): BarRule => {
      const subject = `${NAMES[mode]}, ${who} stands still for ${STALL_MS} ms`;
      return { subject, metric: AFTER, is: 'at least', limit: MIN_AFTER_PERCENT };
    }),
  ),
  ...MODES.map((mode): BarRule => {
    const subject = `${NAMES[mode]}, one of two seeds is killed`;
    return { subject, metric: NOTICED, is: 'at most', limit: MAX_NOTICE_SECONDS };
  }),
];

export async function outage(options: Omit<LinkOptions, 'seconds'>): Promise<Subject> {
  const all = { ...options, seconds: WARM_UP_SECONDS + AFTER_SECONDS + WATCH_SECONDS };
  const file = await makeTestFile(options.folder, fileBytes(RATE, all.seconds));
  const contenders = [
    ...KINDS.map((kind) => blackout(kind, file, all)),
    ...MODES.flatMap((mode) => (['sender', 'receiver'] as const).map((who) => stall(mode, who, file, all))),
    ...MODES.map((mode) => vanished(mode, file, all)),
  ];
  return { name: 'outage', contenders, rules: RULES };
}
