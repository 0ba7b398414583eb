import type { Limits } from '../agent/options.js';
import type { BarRule } from './bars.js';
import { makeTestFile, type TestFile } from './contenders/test_file.js';
import { pause } from './link_flows.js';
import { Flow, LOOPBACK, type Member, type Role } from './mesh/mesh.js';
import type { Mode } from './mesh/mode.js';
import type { Mark } from './mesh/wire.js';
import type { Contender, Figure } from './rounds.js';
import type { Subject } from './subject.js';

/**
 * Whether ceilings are held, over loopback, where nothing else would hold a transfer back: bytes of whole datagrams, between the
 * sessions of the agent that has the ceiling and its socket.
 */

export interface RatesOptions {
  readonly seconds: number;
  readonly folder: string;
}

/** MB/s, one after the other in one transfer. */
const CEILINGS = [5, 12, 2] as const;
const MB = 1e6;
const MAX_OFF_PERCENT = 3;
/** For sessions to open and controllers to find the ceiling. */
const WARM_UP_SECONDS = 2;
const SAMPLE_SECONDS = 0.1;
/** Shorter than this, the credit of a token bucket shows. */
const HOLDING_MS = 1000;
const START_SECONDS = 20;
/** For sessions to open, and for a busy machine. */
const SPARE_SECONDS = 5;
/** At the peers: of a ceiling for each, so much comes in all. */
const PEERS = 2;

interface Ceiling {
  readonly name: string;
  /** Who has it. */
  readonly role: Role;
  readonly of: (bytesPerSecond: number) => Limits;
  readonly way: 'sent' | 'received';
  /** For each peer, instead of for all together. */
  readonly each: boolean;
}

const KINDS: readonly Ceiling[] = [
  { name: 'up, all together', role: 'seed', of: (upRate) => ({ upRate }), way: 'sent', each: false },
  { name: 'up, each peer', role: 'seed', of: (peerUpRate) => ({ peerUpRate }), way: 'sent', each: true },
  { name: 'down, all together', role: 'device', of: (downRate) => ({ downRate }), way: 'received', each: false },
  { name: 'down, each peer', role: 'device', of: (peerDownRate) => ({ peerDownRate }), way: 'received', each: true },
];
const MODES: readonly Mode[] = ['foreground', 'background'];

const metric = (ceiling: number, i: number): string => `off ${ceiling} MB/s${i > 0 ? ', once changed' : ''}`;
const subjectOf = (mode: Mode, { name }: Ceiling): string => `${mode}, ${name}`;

/** MB/s from one mark to a later one: of the busiest sessions each, or of all. */
export function ratesBetween(before: Mark, after: Mark, { way, each }: Pick<Ceiling, 'way' | 'each'>): number[] {
  const all = after.sessions.map((session, i) => session[way] - (before.sessions[i]?.[way] ?? 0));
  const counted = each ? all.toSorted((a, b) => b - a).slice(0, PEERS) : [all.reduce((sum, bytes) => sum + bytes, 0)];
  return counted.map((bytes) => bytes / MB / ((after.ms - before.ms) / 1000));
}

/** Of the one that is furthest off, percent. */
export function offBy(ceiling: number, rates: readonly number[]): number {
  return Math.max(...rates.map((rate) => (Math.abs(rate - ceiling) * 100) / ceiling));
}

/** How long after the first mark every second that begins later is within the limits, ms. */
export function holdsAfter(marks: readonly Mark[], off: (before: Mark, after: Mark) => number): number {
  const [first] = marks;
  let holds = first?.ms ?? 0;
  for (const before of marks) {
    const after = marks.find(({ ms }) => ms >= before.ms + HOLDING_MS);
    if (after === undefined) break;
    if (off(before, after) > MAX_OFF_PERCENT) holds = (marks[marks.indexOf(before) + 1] ?? after).ms;
  }
  return holds - (first?.ms ?? 0);
}

async function begun(member: Member, { way }: Ceiling): Promise<void> {
  for (let waited = 0; waited < START_SECONDS; waited += SAMPLE_SECONDS) {
    const { sessions } = await member.mark();
    if (sessions.filter((session) => session[way] > MB / 10).length >= PEERS) return;
    await pause(SAMPLE_SECONDS);
  }
  throw new Error(`no ${PEERS} peers in ${START_SECONDS} s`);
}

async function sampled(member: Member, seconds: number): Promise<Mark[]> {
  const marks = [await member.mark()];
  const from = performance.now();
  while (performance.now() < from + seconds * 1000) {
    await pause(SAMPLE_SECONDS);
    marks.push(await member.mark());
  }
  return marks;
}

async function held(flow: Flow, ceiling: Ceiling, seconds: number): Promise<Figure[]> {
  const [member] = ceiling.role === 'seed' ? flow.seeds : flow.devices;
  if (member === undefined) throw new Error('nobody has the ceiling');
  await begun(member, ceiling);
  await pause(WARM_UP_SECONDS);
  const figures: Figure[] = [];
  for (const [i, rate] of CEILINGS.entries()) {
    if (i > 0) member.limit(ceiling.of(rate * MB));
    const marks = await sampled(member, seconds);
    const off = (before: Mark, after: Mark): number => offBy(rate, ratesBetween(before, after, ceiling));
    const [first, last] = [marks[0], marks.at(-1)];
    if (first === undefined || last === undefined) continue;
    figures.push({ metric: metric(rate, i), unit: '%', value: off(first, last) });
    if (i > 0) figures.push({ metric: `${rate} MB/s holds after`, unit: 'ms', value: holdsAfter(marks, off) });
  }
  if (flow.isHeld) throw new Error('the artifact was too small');
  return figures;
}

function contender(mode: Mode, ceiling: Ceiling, file: TestFile, { seconds, folder }: RatesOptions): Contender {
  const { role, of } = ceiling;
  const peers = role === 'seed' ? { devices: PEERS } : { seeds: PEERS };
  const limits = { [role]: of(CEILINGS[0] * MB) };
  return {
    subject: subjectOf(mode, ceiling),
    run: async () => {
      const ends = { from: LOOPBACK, to: LOOPBACK };
      const flow = await Flow.start({ file, folder, mode, ...ends, ...peers, limits, tapped: true });
      return held(flow, ceiling, seconds).finally(() => flow.stop());
    },
  };
}

export async function rates(options: RatesOptions): Promise<Subject> {
  const most = CEILINGS.reduce(
    (sum, rate) => sum + rate * options.seconds,
    CEILINGS[0] * (WARM_UP_SECONDS + SPARE_SECONDS),
  );
  const file = await makeTestFile(options.folder, Math.ceil(PEERS * most) * MB);
  const all = MODES.flatMap((mode) => KINDS.map((ceiling) => ({ mode, ceiling })));
  const rules = all.flatMap(({ mode, ceiling }) =>
    CEILINGS.map((rate, i): BarRule => {
      return {
        subject: subjectOf(mode, ceiling),
        metric: metric(rate, i),
        ...{ is: 'at most', limit: MAX_OFF_PERCENT },
      };
    }),
  );
  return {
    name: 'rates',
    contenders: all.map(({ mode, ceiling }) => contender(mode, ceiling, file, options)),
    rules,
  };
}
