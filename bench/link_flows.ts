import { Lab, type LinkCount, type WaySettings } from '../test/lab/lab.js';
import type { TestFile } from './contenders/test_file.js';
import { Flow, type Place } from './mesh/mesh.js';
import type { Mode } from './mesh/mode.js';

/** Flows over a link of the lab, the kernel's and ours, measured alike. */

/** What goes from one end to the one that faces it, and counts what has come. */
export interface LinkFlow {
  readonly bytes: number;
  stop(): Promise<void>;
}

export type FlowKind = 'tcp' | Mode;

/** Addresses of the lab's own: an agent binds to all of its namespace. */
const ANY = '0.0.0.0';

const POLL_SECONDS = 0.05;
const START_SECONDS = 20;

export const linkPlace = (lab: Lab, end: number): Place => {
  return { host: ANY, spawn: (...command) => lab.spawn(end, ...command) };
};

export interface Load {
  readonly kind: FlowKind;
  readonly file: TestFile;
  readonly folder: string;
  /** That fetch from the one seed. Default 1. */
  readonly devices?: number;
}

/** Resolves when the first of it has come. @param from an even end of the lab; the flow ends at the one that faces it */
export async function startFlow(lab: Lab, from: number, { kind, ...load }: Load): Promise<LinkFlow> {
  const ends = { from: linkPlace(lab, from), to: linkPlace(lab, from + 1) };
  const flow = kind === 'tcp' ? await lab.tcp(from) : await Flow.start({ ...load, mode: kind, ...ends });
  return begun(flow);
}

/** Resolves when the first byte of it has come. */
export async function begun<T extends LinkFlow>(flow: T): Promise<T> {
  for (let waited = 0; flow.bytes === 0; waited += POLL_SECONDS) {
    if (waited > START_SECONDS) throw new Error(`nothing came in ${START_SECONDS} s`);
    await pause(POLL_SECONDS);
  }
  return flow;
}

export const pause = (seconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

export interface Measured {
  /** Of payload, Mbit/s, flow by flow. */
  readonly rates: readonly number[];
  readonly link: LinkCount;
}

/** What flows and link did for `seconds` from now. */
export async function measure(lab: Lab, flows: readonly LinkFlow[], seconds: number): Promise<Measured> {
  const { ms: begun } = await lab.count();
  const before = flows.map(({ bytes }) => bytes);
  await pause(seconds);
  const link = await lab.count();
  const rates = flows.map(({ bytes }, i) => ((bytes - (before[i] ?? 0)) * 8) / 1000 / (link.ms - begun));
  return { rates, link };
}

/** A lab with such a link, for as long as `work` takes. */
export async function withLab<T>(pairs: number, link: WaySettings, work: (lab: Lab) => Promise<T>): Promise<T> {
  const lab = await Lab.open(pairs);
  try {
    await lab.set('both', link);
    return await work(lab);
  } finally {
    await lab.close();
  }
}
