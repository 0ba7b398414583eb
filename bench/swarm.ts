import { writeFile } from 'node:fs/promises';
import type { BarRule } from './bars.js';
import { makeTestFile, type TestFile } from './contenders/test_file.js';
import type { Mode } from './mesh/mode.js';
import type { Contender, Figure } from './rounds.js';
import type { Subject } from './subject.js';
import { comparators } from './swarm/comparators.js';
import { fluidSeconds } from './swarm/fluid.js';
import { meshSwarm } from './swarm/mesh_swarm.js';
import { type Curve, completionPlot } from './swarm/plot.js';
import { OTHERS, PLAIN, type Scene } from './swarm/scenes.js';
import type { SwarmRun } from './swarm/swarm_run.js';

/** One origin and eight devices, each with a link of its own: how soon the last of them has the file, and what the origin sends. */

export interface SwarmOptions {
  /** MB */
  readonly size: number;
  readonly folder: string;
  /** File for the curve of who was done when. */
  readonly plot?: string;
}

/** A full datagram less IPv4, UDP, P-6's header and tag and the header of DATA. */
const OVERHEAD = 1500 / 1430;
/** Enough for the engine to compile what matters. */
const WARM_UP_BYTES = 16e6;
const MAX_OVER_LIMIT = 1.2;
const MAX_COPIES = 1.15;
const LAST = 'the last device';
const OVER = 'the last device over the fluid limit';
const OWN_OVER = 'the slowest over its own limit';
const COPIES = 'copies from the origin';
const OURS = 'chunkmesh';

const subjectOf = (scene: Scene, mode: Mode): string => `${OURS}, ${mode}${scene === PLAIN ? '' : `, ${scene.name}`}`;

function figures({ seconds, limits, copies }: SwarmRun): Figure[] {
  return [
    { metric: LAST, unit: 's', value: Math.max(...seconds) },
    { metric: OVER, unit: 'x', value: Math.max(...seconds) / Math.max(...limits) },
    { metric: OWN_OVER, unit: 'x', value: Math.max(...seconds.map((one, i) => one / (limits[i] ?? 0))) },
    { metric: COPIES, unit: 'copies', value: copies },
  ];
}

function limitsOf({ origin, devices, apartSeconds }: Scene, bytes: number): number[] {
  const limits = fluidSeconds(bytes * OVERHEAD, origin, devices);
  // Who comes alone finds those who are done, and has its own link to fill.
  return apartSeconds === undefined ? limits : devices.flatMap((one) => fluidSeconds(bytes * OVERHEAD, origin, [one]));
}

export async function swarm({ size, folder, plot }: SwarmOptions): Promise<Subject> {
  const files = new Map<number, TestFile>();
  for (const { part = 1 } of [PLAIN, ...OTHERS])
    if (!files.has(part)) files.set(part, await makeTestFile(folder, Math.round(size * 1e6 * part)));
  const earlier = await makeTestFile(folder, WARM_UP_BYTES);
  const fileOf = ({ part = 1 }: Scene): TestFile => {
    const file = files.get(part);
    if (file === undefined) throw new Error('no file');
    return file;
  };
  const curves = new Map<string, Curve>();
  const drawn = async (name: string, run: SwarmRun): Promise<Figure[]> => {
    curves.set(name, { name, seconds: run.seconds });
    const [limit = 0] = limitsOf(PLAIN, fileOf(PLAIN).bytes);
    const title = `${size} MB to ${PLAIN.devices.length} devices, each on 40 Mbit/s, from one origin`;
    if (plot !== undefined)
      await writeFile(plot, completionPlot(title, PLAIN.devices.length, limit, [...curves.values()]));
    return figures(run);
  };
  const ours = (scene: Scene, mode: Mode): Contender => ({
    subject: subjectOf(scene, mode),
    run: async () => {
      const file = fileOf(scene);
      const limits = limitsOf(scene, file.bytes);
      const run = await meshSwarm(scene, { file, earlier, folder, mode, overhead: OVERHEAD, limits });
      return scene === PLAIN ? drawn(subjectOf(scene, mode), run) : figures(run);
    },
  });
  const plain = (['background', 'foreground'] as const).map((mode) => ours(PLAIN, mode));
  const theirs = comparators().map(({ subject, absent, run }): Contender => {
    const file = fileOf(PLAIN);
    return {
      subject,
      absent,
      run: async () => drawn(subject, await run(PLAIN, file, folder, limitsOf(PLAIN, file.bytes))),
    };
  });
  const others = OTHERS.map((scene) => ours(scene, 'background'));
  return { name: 'swarm', contenders: [...plain, ...theirs, ...others], rules: rules() };
}

function rules(): BarRule[] {
  const ours = [PLAIN, ...OTHERS].map((scene) => subjectOf(scene, 'background'));
  const [plain = ''] = ours;
  return [
    ...ours.map((subject) => ({ subject, metric: OVER, is: 'at most', limit: MAX_OVER_LIMIT }) as const),
    { subject: plain, metric: COPIES, is: 'at most', limit: MAX_COPIES },
    ...['libtorrent, uTP', 'libtorrent, TCP'].map(
      (other) =>
        ({ subject: plain, metric: LAST, is: 'at most', limit: 1, of: { subject: other, metric: LAST } }) as const,
    ),
  ];
}
