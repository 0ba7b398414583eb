import cliProgress from 'cli-progress';
import { printableCell } from '../printable.js';
import { formatBytes, formatRate, formatSeconds } from '../units.js';
import { type Course, type DeviceCourse, isComplete } from './course.js';
import { courseLines } from './lines.js';

/** The demo while it runs: bars on a terminal, lines elsewhere. */

const REFRESHES_PER_SECOND = 10;
/** Below that, a line has no room for a bar. */
export const LEAST_COLUMNS = 60;
const WIDEST_BAR = 40;
/** `device-64 `, ` 100 % | `, `complete after 123.4 s`, ` | peers 64`, and the last column, where a terminal may wrap. */
const BESIDE_BAR = 10 + 9 + 22 + 11 + 1;

export const barWidth = (columns: number): number => Math.min(WIDEST_BAR, Math.max(1, columns - BESIDE_BAR));

export interface Facts {
  readonly broker: string;
  readonly artifact: string;
  readonly artifactBytes: number;
}

export interface DemoView {
  /** One step of the preparation. */
  step(text: string): void;
  start(facts: Facts, course: Course): void;
  update(before: Course, after: Course, elapsedSeconds: number): void;
  end(): void;
}

const describeFacts = ({ broker, artifact, artifactBytes }: Facts): string =>
  `broker ${broker}, artifact ${printableCell(artifact)} (${formatBytes(artifactBytes)})`;

export class LinesView implements DemoView {
  readonly #line: (text: string) => void;

  constructor(line: (text: string) => void) {
    this.#line = line;
  }

  step(text: string): void {
    this.#line(text);
  }

  start(facts: Facts): void {
    this.#line(describeFacts(facts));
  }

  update(before: Course, after: Course): void {
    for (const text of courseLines(before, after)) this.#line(text);
  }

  end(): void {}
}

function payload(one: DeviceCourse): object {
  const state = isComplete(one) ? `complete after ${formatSeconds(one.seconds ?? 0)}` : formatRate(one.bytesPerSecond);
  const said = one.failure === undefined ? state : `failed: ${printableCell(one.failure)}`;
  return { device: one.device, state: said, peers: one.peers };
}

/** On stderr, like every progress bar: stdout is for the table. */
export class BarsView implements DemoView {
  readonly #bars: cliProgress.MultiBar;
  readonly #line: (text: string) => void;
  readonly #ofDevice = new Map<string, cliProgress.SingleBar>();
  #header: cliProgress.SingleBar | undefined;
  #facts = '';

  /** @param stream a terminal. */
  constructor(line: (text: string) => void, columns: number, stream: NodeJS.WriteStream = process.stderr) {
    this.#line = line;
    this.#bars = new cliProgress.MultiBar(
      {
        format: '{device} {bar} {percentage} % | {state} | peers {peers}',
        barsize: barWidth(columns),
        fps: REFRESHES_PER_SECOND,
        hideCursor: true,
        clearOnComplete: false,
        stopOnComplete: false,
        autopadding: true,
        emptyOnZero: true,
        gracefulExit: false,
        stream,
      },
      cliProgress.Presets.shades_classic,
    );
  }

  step(text: string): void {
    this.#line(text);
  }

  start(facts: Facts, course: Course): void {
    this.#facts = describeFacts(facts);
    this.#header = this.#bars.create(1, 0, { text: this.#facts }, { format: '{text}' });
    const widest = Math.max(...[...course.keys()].map((device) => device.length));
    for (const one of course.values()) {
      const padded = { ...payload(one), device: one.device.padEnd(widest) };
      this.#ofDevice.set(one.device, this.#bars.create(1, 0, padded));
    }
  }

  update(_before: Course, after: Course, elapsedSeconds: number): void {
    this.#header?.update(0, { text: `${this.#facts}, ${formatSeconds(elapsedSeconds)}` });
    const widest = Math.max(...[...after.keys()].map((device) => device.length));
    for (const one of after.values()) {
      const bar = this.#ofDevice.get(one.device);
      // Without chunks known yet, an empty bar; a complete one is full even where no status named its chunks.
      bar?.setTotal(Math.max(1, one.chunks));
      bar?.update(isComplete(one) ? Math.max(1, one.chunks) : one.held, {
        ...payload(one),
        device: one.device.padEnd(widest),
      });
    }
  }

  end(): void {
    this.#bars.stop();
  }
}
