import type { TestFile } from '../contenders/test_file.js';
import { linkPlace, pause } from '../link_flows.js';
import { Flow, type Member } from '../mesh/mesh.js';
import type { Mode } from '../mesh/mode.js';
import type { Scene } from './scenes.js';
import { ORIGIN, Star } from './star.js';
import type { SwarmRun } from './swarm_run.js';

/** A swarm of real agents. */

const DEADLINE_SECONDS = 240;
const POLL_SECONDS = 0.05;
/** Only when a device is done is told of. */
const WATCH_MS = 1000;

export interface MeshSwarm {
  readonly file: TestFile;
  /** Fetched by all before what is measured, save where devices join one by one. */
  readonly earlier: TestFile;
  readonly folder: string;
  readonly mode: Mode;
  /** Of IP for each byte of a chunk. */
  readonly overhead: number;
  /** By device. */
  readonly limits: readonly number[];
}

/** The same for all processes of a machine. */
const now = (): number => Number(process.hrtime.bigint()) / 1e6;

export function meshSwarm(
  scene: Scene,
  { file, earlier, folder, mode, overhead, limits }: MeshSwarm,
): Promise<SwarmRun> {
  const { origin, devices, apartSeconds = 0, killed = 0, originGoneAfter } = scene;
  return Star.with([origin, ...devices], async (star) => {
    const place = (end: number) => linkPlace(star.lab, end);
    const ends = { from: place(ORIGIN), to: place(1) };
    const flow = await Flow.start({
      folder,
      file,
      earlier,
      mode,
      watchMs: WATCH_MS,
      devices: 0,
      later: apartSeconds === 0,
      ...ends,
    });
    try {
      const deadline = AbortSignal.timeout(DEADLINE_SECONDS * 1000);
      const begun: number[] = [];
      const done: Promise<number>[] = [];
      const begin = (device: Member, i: number, at: number): void => {
        begun[i] = at;
        const isKilled = i < killed;
        if (!isKilled) done.push(flow.completed(device, deadline).then(({ ms }) => (ms - at) / 1000));
      };
      let before = await star.sentBy(ORIGIN);
      const sent = async (): Promise<number> => ((await star.sentBy(ORIGIN)) - before) / overhead / file.bytes;
      if (apartSeconds === 0) {
        const members = [];
        for (let i = 0; i < devices.length; i++) members.push(await flow.join(place(i + 1)));
        await flow.warmUp(deadline);
        before = await star.sentBy(ORIGIN);
        const at = now();
        await flow.publish();
        members.forEach((member, i) => void begin(member, i, at));
      } else {
        for (let i = 0; i < devices.length; i++) {
          const started = now();
          begin(await flow.join(place(i + 1)), i, now());
          if (i + 1 < devices.length) await pause(apartSeconds - (now() - started) / 1000);
        }
      }
      // Nobody is left to wait for what fails.
      const all = Promise.all(done);
      all.catch(() => {});
      if (killed > 0) {
        await pause(Math.max(...limits) / 2);
        await Promise.all(flow.devices.slice(0, killed).map((device) => device.kill()));
      }
      if (originGoneAfter !== undefined) {
        while ((await sent()) < originGoneAfter) await pause(POLL_SECONDS);
        await flow.seeds[0]?.kill();
      }
      return { seconds: await all, copies: await sent(), limits: limits.slice(killed) };
    } finally {
      await flow.stop();
    }
  });
}
