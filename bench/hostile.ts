import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Junk as JunkProgram, Lab } from '../test/lab/lab.js';
import type { BarRule } from './bars.js';
import { makeTestFile, type TestFile } from './contenders/test_file.js';
import { JUNK_KINDS, type JunkKind, junkFile, makeJunk } from './junk.js';
import { begun as flowing, linkPlace, pause, withLab } from './link_flows.js';
import { Flow, LOOPBACK, type Member, type Place } from './mesh/mesh.js';
import type { Recorded } from './mesh/wire.js';
import type { Contender, Figure } from './rounds.js';
import { median } from './statistics.js';
import type { Subject } from './subject.js';

/**
 * What 20,000 junk datagrams a second at its port cost a transfer. Beside it, in the same transfer: no junk, and as much junk to a port
 * of the same host that nobody reads, which takes as much of the processor for the making and the kernel's way to a socket.
 */

export interface HostileOptions {
  readonly seconds: number;
  readonly folder: string;
}

type Victim = 'sender' | 'receiver';
type Window = 'none' | 'ignored' | 'victim';

const JUNK_PER_SECOND = 20_000;
/** Of what it is told to send, a part; below this it is no such flood. */
const MIN_SENT_PERCENT = 95;
const MIN_KEPT_PERCENT = 90;
const MAX_GROWTH_MB = 16;
const MB = 1e6;
const LOOPBACK_MTU = 1480;
const LINK = { rate: 100e6, delay: 25, queue: (100e6 / 8) * 0.05 };
const LINK_WARM_UP_SECONDS = 3;
const LOOPBACK_WARM_UP_SECONDS = 0.5;
/** No two processes of this kind move more over loopback. */
const MOST_MB_PER_SECOND = 200;
const SAMPLE_SECONDS = 0.05;
const SPARE_SECONDS = 2;
/** For the words between the processes. */
const SPARE_OF_WINDOW_SECONDS = 0.05;
const VICTIMS: readonly Victim[] = ['receiver', 'sender'];
/** What comes before and after is compared with what is between. */
const WINDOWS: readonly Window[] = [
  ...(['none', 'ignored', 'victim'] as const),
  ...(['victim', 'ignored', 'none'] as const),
  ...(['none', 'ignored', 'victim'] as const),
];

const subjectOf = (where: string, victim: Victim): string => `${where}, junk at the ${victim}`;
const FULL_SPEED = 'loopback';
const LINKED = '100 Mbit/s';

/** What was seen in the windows of one kind. */
export interface Seen {
  /** MB/s, window by window. */
  readonly rates: number[];
  ms: number;
  sent: number;
  replies: number;
  /** Of the program that sends the junk. */
  cpuSeconds: number;
  victimCpuSeconds: number;
  residentBytes: number;
}

interface Stage {
  readonly flow: Flow;
  readonly victim: Member;
  readonly receiver: Member;
  readonly program: JunkProgram;
  readonly seconds: number;
  readonly file: string;
}

/** What disturbs the machine for a moment disturbs one window. */
const goodput = ({ rates }: Seen): number => median(rates);

const load = ({ victimCpuSeconds, ms }: Seen): number => victimCpuSeconds / (ms / 1000);

/** What of one kind came of the windows. */
export function figuresOf(kind: JunkKind, seen: Readonly<Record<Window, Seen> & { before: number }>): Figure[] {
  const { none, ignored, victim } = seen;
  const percent = (of: Seen): number => (goodput(victim) * 100) / goodput(of);
  // What the victim has after junk is no measure of what it had before.
  const growth = victim.residentBytes - seen.before;
  return [
    { metric: `${kind}: goodput`, unit: 'MB/s', value: goodput(victim) },
    { metric: kept(kind), unit: '%', value: percent(ignored) },
    { metric: alone(kind), unit: '%', value: percent(none) },
    { metric: `${kind}: CPU that the junk takes`, unit: '%', value: (victim.cpuSeconds * 100_000) / victim.ms },
    {
      metric: `${kind}: CPU of the victim, more than with junk elsewhere`,
      unit: '%',
      value: (load(victim) - load(ignored)) * 100,
    },
    { metric: sentOf(kind), unit: '%', value: (victim.sent * 100_000) / (JUNK_PER_SECOND * victim.ms) },
    { metric: replies(kind), unit: '', value: victim.replies },
    { metric: grown(kind), unit: 'MB', value: Math.max(0, growth / MB) },
  ];
}

const kept = (kind: JunkKind): string => `${kind}: of goodput with junk elsewhere`;
const alone = (kind: JunkKind): string => `${kind}: of goodput without any`;
const sentOf = (kind: JunkKind): string => `${kind}: sent, of ${JUNK_PER_SECOND} a second`;
const replies = (kind: JunkKind): string => `${kind}: replies`;
const grown = (kind: JunkKind): string => `${kind}: memory grows by`;

function nothing(): Seen {
  return { rates: [], ms: 0, sent: 0, replies: 0, cpuSeconds: 0, victimCpuSeconds: 0, residentBytes: 0 };
}

async function window({ victim, receiver, program, seconds, file }: Stage, kind: Window, into: Seen): Promise<void> {
  if (kind === 'none') await program.none();
  else await program.send(kind, file);
  const [before, begun] = [await receiver.mark(), await victim.mark()];
  for (let waited = 0; waited < seconds; waited += SAMPLE_SECONDS) {
    await pause(Math.min(SAMPLE_SECONDS, seconds - waited));
    into.residentBytes = Math.max(into.residentBytes, victim.residentBytes);
  }
  const [after, ended] = [await receiver.mark(), await victim.mark()];
  const { sent, replies: came, cpuSeconds } = await program.none();
  const ms = after.ms - before.ms;
  into.rates.push((after.bytes - before.bytes) / MB / (ms / 1000));
  into.ms += ms;
  into.sent += sent;
  into.replies += came;
  into.cpuSeconds += cpuSeconds;
  into.victimCpuSeconds += ended.cpuSeconds - begun.cpuSeconds;
}

async function flooded(stage: Stage, kind: JunkKind, recorded: Recorded): Promise<Figure[]> {
  await writeFile(stage.file, junkFile(makeJunk(kind, recorded)));
  const seen = { none: nothing(), ignored: nothing(), victim: nothing(), before: 0 };
  for (const one of WINDOWS) {
    if (one === 'victim') seen.before ||= Math.max(seen.none.residentBytes, seen.ignored.residentBytes);
    await window(stage, one, seen[one]);
  }
  if (stage.flow.isHeld) throw new Error('the artifact was too small');
  return figuresOf(kind, seen);
}

interface Scene {
  readonly lab: Lab;
  /** Ends of the lab. */
  readonly ends: Readonly<Record<Victim, number>>;
  readonly places: Readonly<Record<Victim, Place>>;
  readonly address: (end: number) => string;
  readonly victim: Victim;
  readonly warmUpSeconds: number;
}

/** A transfer with somebody at its victim's host, and copies of its datagrams. */
async function staged<T>(
  { lab, ends, places, address, victim, warmUpSeconds }: Scene,
  file: TestFile,
  { folder, seconds }: HostileOptions,
  work: (stage: Stage, recorded: Recorded) => Promise<T>,
): Promise<T> {
  const between = { from: places.sender, to: places.receiver, tapped: true } as const;
  const flow = await Flow.start({ file, folder, mode: 'foreground', ...between });
  try {
    await flowing(flow);
    await pause(warmUpSeconds);
    const [[sender], [receiver]] = [flow.seeds, flow.devices];
    if (sender === undefined || receiver === undefined) throw new Error('not started');
    const struck = victim === 'sender' ? sender : receiver;
    const recorded = await struck.record();
    const program = lab.junk(ends[victim], address(ends[victim]), struck.port, JUNK_PER_SECOND);
    const stage = { flow, victim: struck, receiver, program, seconds, file: join(folder, 'junk') };
    return await work(stage, recorded);
  } finally {
    await flow.stop();
  }
}

/** As fast as two processes can: a transfer for each kind. */
function atFullSpeed(victim: Victim, file: () => Promise<TestFile>, options: HostileOptions): Contender {
  const one = async (kind: JunkKind): Promise<Figure[]> => {
    const lab = await Lab.loopback(LOOPBACK_MTU);
    const { host } = LOOPBACK;
    const place: Place = { host, spawn: (...command) => lab.spawn(0, ...command) };
    const where = { ends: { sender: 0, receiver: 0 }, places: { sender: place, receiver: place }, address: () => host };
    const scene = { lab, ...where, victim, warmUpSeconds: LOOPBACK_WARM_UP_SECONDS };
    const work = (stage: Stage, recorded: Recorded): Promise<Figure[]> => flooded(stage, kind, recorded);
    return await staged(scene, await file(), options, work).finally(() => lab.close());
  };
  return {
    subject: subjectOf(FULL_SPEED, victim),
    run: async () => {
      const figures: Figure[] = [];
      for (const kind of JUNK_KINDS) figures.push(...(await one(kind)));
      return figures;
    },
  };
}

/** Over a link that is slower than they: one transfer for all kinds. */
function overLink(victim: Victim, file: () => Promise<TestFile>, options: HostileOptions): Contender {
  return {
    subject: subjectOf(LINKED, victim),
    run: () =>
      withLab(1, LINK, async (lab) => {
        const places = { sender: linkPlace(lab, 0), receiver: linkPlace(lab, 1) };
        const where = { ends: { sender: 0, receiver: 1 }, places, address: (end: number) => lab.address(end) };
        const scene = { lab, ...where, victim, warmUpSeconds: LINK_WARM_UP_SECONDS };
        return staged(scene, await file(), options, async (stage, recorded) => {
          const figures: Figure[] = [];
          for (const kind of JUNK_KINDS) figures.push(...(await flooded(stage, kind, recorded)));
          return figures;
        });
      }),
  };
}

/** At full speed making the junk takes of the processors what the transfer needs: there the bar is beside junk elsewhere. */
function rules(subject: string): BarRule[] {
  const metric = subject.startsWith(LINKED) ? alone : kept;
  return JUNK_KINDS.flatMap((kind) => [
    { subject, metric: metric(kind), is: 'at least', limit: MIN_KEPT_PERCENT } as const,
    { subject, metric: sentOf(kind), is: 'at least', limit: MIN_SENT_PERCENT } as const,
    { subject, metric: replies(kind), is: 'at most', limit: 0 } as const,
    { subject, metric: grown(kind), is: 'at most', limit: MAX_GROWTH_MB } as const,
  ]);
}

/** Made when it is first wanted. */
function lazily(folder: string, seconds: number, rate: number): () => Promise<TestFile> {
  let file: Promise<TestFile> | undefined;
  return () => {
    file ??= makeTestFile(folder, Math.ceil(seconds * rate) * MB);
    return file;
  };
}

export async function hostile(options: HostileOptions): Promise<Subject> {
  const { folder, seconds } = options;
  const ofOne = WINDOWS.length * seconds + SPARE_SECONDS;
  const ofAll =
    JUNK_KINDS.length * WINDOWS.length * (seconds + SPARE_OF_WINDOW_SECONDS) + LINK_WARM_UP_SECONDS + SPARE_SECONDS;
  const [small, large] = [lazily(folder, ofAll, LINK.rate / 8 / MB), lazily(folder, ofOne, MOST_MB_PER_SECOND)];
  return {
    name: 'hostile',
    contenders: [
      ...VICTIMS.map((victim) => overLink(victim, small, options)),
      ...VICTIMS.map((victim) => atFullSpeed(victim, large, options)),
    ],
    rules: [LINKED, FULL_SPEED].flatMap((where) => VICTIMS.flatMap((victim) => rules(subjectOf(where, victim)))),
  };
}
