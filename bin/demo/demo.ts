import { basename } from 'node:path';
import type { Fleet } from '../../broker/fleet/fleet.js';
import { FleetStatus } from '../../broker/status/fleet_status.js';
import { ChunkmeshError } from '../../shared/errors.js';
import { memberOfFolder } from '../fleet_folder.js';
import { INTERRUPTED, stopRequested } from '../lifetime.js';
import { output } from '../output.js';
import { type BrokerCount, Cast, completionOf, deviceIds, ROLLOUT } from './cast.js';
import type { Child } from './child.js';
import { advance, type Course, type CourseEvent, isOver, newCourse } from './course.js';
import { DemoFolder, type Hashed, hashFile } from './folder.js';
import type { DemoOptions } from './options.js';
import { type DemoReport, formatReport, makeReport, payloadDoubt } from './report.js';
import { BarsView, type DemoView, LEAST_COLUMNS, LinesView } from './view.js';

/** One rollout, end to end: the processes of a fleet on this machine, and what came of it. */

/** The view is drawn this often even while nothing arrives, for its clock. */
const TICK_MS = 200;

const seconds = (): number => performance.now() / 1000;

/** A header, a line of error, the prompt: bars that do not fit on the screen cannot be drawn over. */
const OTHER_ROWS = 4;

function createView({ json, devices }: DemoOptions): DemoView {
  const { isTTY, rows, columns } = process.stderr;
  if (isTTY && rows >= devices + OTHER_ROWS && columns >= LEAST_COLUMNS) return new BarsView(output.note, columns);
  return new LinesView(json ? output.note : output.line);
}

/** @throws what went wrong, after the report; E_INCOMPLETE where a device has not the right file */
export async function runDemo(options: DemoOptions): Promise<void> {
  const folder = new DemoFolder(options.keep);
  const cast = new Cast(folder);
  // The last door, also for an end at once: whatever else fails, nobody and nothing is left behind.
  process.once('exit', () => {
    cast.kill();
    folder.remove();
  });
  const demo = new Demo(options, folder, cast);
  let interrupted = false;
  const stopped = stopRequested().then(() => {
    interrupted = true;
  });
  let failure: unknown;
  try {
    await Promise.race([demo.play(), demo.timeout(), stopped]);
  } catch (error) {
    failure = error;
  }
  await demo.stop();
  if (interrupted) {
    folder.remove();
    output.note(options.keep ? `stopped; kept: ${folder.path}` : 'stopped; the temporary folder is removed');
    process.exit(INTERRUPTED);
  }
  const timedOut = failure instanceof ChunkmeshError && failure.code === 'E_TIMEOUT';
  const report = demo.published || timedOut ? await demo.report() : undefined;
  if (report !== undefined) {
    if (options.json) output.json(report);
    else output.line(`\n${formatReport(report)}`);
  }
  if (options.keep) output.note(`kept: ${folder.path}`);
  if (failure !== undefined) throw failure;
  if (report?.sha256Ok !== true) throw new ChunkmeshError('E_INCOMPLETE', incompleteness(report));
  if (demo.doubt !== undefined) {
    throw new ChunkmeshError('E_INCOMPLETE', `that the broker carried no payload is not proven: ${demo.doubt}`);
  }
}

function incompleteness(report: DemoReport | undefined): string {
  const wrong = (report?.perDevice ?? []).filter(({ sha256Ok }) => !sha256Ok).map(({ device }) => device);
  return `without the right file: ${wrong.join(', ')}`;
}

class Demo {
  readonly #options: DemoOptions;
  readonly #folder: DemoFolder;
  readonly #cast: Cast;
  readonly #view: DemoView;
  readonly #devices: readonly string[];
  #status: FleetStatus | undefined;
  #course: Course;
  #source: Hashed = { bytes: 0, sha256: '' };
  #count: BrokerCount | undefined;
  #publishedAt: number | undefined;
  #endedAt: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #onOver: () => void = () => {};

  constructor(options: DemoOptions, folder: DemoFolder, cast: Cast) {
    this.#options = options;
    this.#folder = folder;
    this.#cast = cast;
    this.#view = createView(options);
    this.#devices = deviceIds(options.devices);
    this.#course = newCourse(this.#devices);
  }

  /** Resolves when every device has completed or failed, and what they have is hashed. */
  async play(): Promise<void> {
    const { file, broker, devices } = this.#options;
    const source = await hashFile(file);
    if (source.bytes === 0) throw new ChunkmeshError('E_FILE_EMPTY', `${file} has no bytes`);
    this.#source = source;
    await this.#folder.checkRoom(devices, source.bytes);
    this.#view.step(`fleet of ${devices} devices and a seed in ${this.#folder.path}`);
    const fleet = await this.#cast.enroll(this.#devices);
    const address = await this.#cast.startBroker(broker, file);
    this.#view.step(`broker ${broker} at ${address}`);
    await this.#watch(address);
    const agents = await this.#startAgents(fleet, file);
    this.#view.step('everyone is online');
    const over = new Promise<void>((resolve) => {
      this.#onOver = resolve;
    });
    this.#publishedAt = seconds();
    this.#view.start({ broker, artifact: basename(file), artifactBytes: source.bytes }, this.#course);
    this.#timer = setInterval(() => this.#draw(this.#course, this.#course), TICK_MS);
    await Promise.race([this.#cast.publish(file), this.#cast.lost([])]);
    await Promise.race([over, this.#cast.lost(agents.slice(0, 1))]);
    await this.#verify();
  }

  /** Rejects when the time is over. */
  async timeout(): Promise<never> {
    const { timeoutSeconds } = this.#options;
    return await new Promise((_, reject) => {
      this.#deadline = setTimeout(
        () => reject(new ChunkmeshError('E_TIMEOUT', `not done after ${timeoutSeconds} s`)),
        timeoutSeconds * 1000,
      );
    });
  }

  /** Stops everyone. */
  async stop(): Promise<void> {
    this.#endedAt = seconds();
    clearTimeout(this.#deadline);
    clearInterval(this.#timer);
    this.#view.end();
    await this.#status?.close();
    this.#count = await this.#cast.stop();
  }

  get published(): boolean {
    return this.#publishedAt !== undefined;
  }

  get doubt(): string | undefined {
    return payloadDoubt(this.#count);
  }

  /** What came of it. Devices that were cut off are judged by what they have. */
  async report(): Promise<DemoReport> {
    await this.#verify();
    return makeReport(this.#course, {
      artifactBytes: this.#source.bytes,
      elapsedSeconds: this.#elapsed(),
      controlBytes: this.#count?.controlBytes ?? null,
      payloadBytes: this.doubt === undefined ? (this.#count?.payloadBytes ?? null) : null,
      keep: this.#options.keep,
    });
  }

  async #watch(broker: string): Promise<void> {
    const credential = await memberOfFolder(this.#folder.fleet, 'operator');
    this.#status = new FleetStatus({ credential, broker });
    this.#status.on('row', (row) => this.#note({ kind: 'status', row, rollout: ROLLOUT }));
    await this.#status.start();
  }

  /** The seed first. */
  async #startAgents(fleet: Fleet, file: string): Promise<Child[]> {
    const starts = this.#devices.map(async (device) => {
      const agent = await this.#cast.startAgent(fleet, device);
      agent.on('data', (data) => {
        if (data.event !== 'complete') return;
        const { path, ...account } = completionOf(data);
        this.#note({ kind: 'complete', device, seconds: this.#elapsed(), path, account });
      });
      agent.once('exit', () => {
        if (this.#endedAt === undefined) this.#note({ kind: 'failed', device, why: agent.failure().message });
      });
      return agent;
    });
    return await Promise.all([this.#cast.startSeed(fleet, file), ...starts]);
  }

  /** Not what agents claim: what is on the disk. One file after the other, for the sake of the disk. */
  async #verify(): Promise<void> {
    for (const { device, path, sha256Ok } of this.#course.values()) {
      if (path === undefined || sha256Ok !== undefined) continue;
      const found = await hashFile(path).catch(() => undefined);
      this.#note({ kind: 'hashed', device, sha256Ok: found?.sha256 === this.#source.sha256 });
    }
  }

  #note(event: CourseEvent): void {
    const before = this.#course;
    this.#course = advance(before, event);
    this.#draw(before, this.#course);
    if (isOver(this.#course)) this.#onOver();
  }

  #draw(before: Course, after: Course): void {
    if (this.#publishedAt === undefined || this.#endedAt !== undefined) return;
    this.#view.update(before, after, this.#elapsed());
  }

  #elapsed(): number {
    const end = this.#endedAt ?? seconds();
    return this.#publishedAt === undefined ? 0 : end - this.#publishedAt;
  }
}
