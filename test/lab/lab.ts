import { type ChildProcess, execFile, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { promisify } from 'node:util';
import { CHECKOUT } from '../../bench/checkout.js';

/**
 * Network namespaces with an emulated link between them (link.c), for real kernels and real processes. All of it goes with this
 * process, however that ends.
 */

const SOURCES = ['link.c', 'way.c', 'tcp.c', 'junk.c', 'lines.c'].map((name) => join(CHECKOUT, 'test/lab', name));
const PORT = 5201;

/** Of a star: with nine ends on two cores each packet would else wake three processes. */
const TICK_US = 500;

export const CUBIC = 'cubic';

export interface WaySettings {
  /** bit/s of IP packets. */
  readonly rate?: number;
  /** Bytes, drop-tail. */
  readonly queue?: number;
  /** One way, ms. */
  readonly delay?: number;
  /** Up to so much more for each packet, in order, ms. */
  readonly jitter?: number;
  /** Parts of 1. */
  readonly loss?: number;
  /** Part of the packets that are up to `late` ms later than the rest. */
  readonly reorder?: number;
  readonly late?: number;
  readonly duplicate?: number;
  /** Longer packets vanish; 0 for no such limit. */
  readonly mtu?: number;
  readonly seed?: number;
}

export type Way = 'right' | 'left' | 'both';
/** Of all ends, or of one. */
export type StarWay = 'up' | 'down' | `${'up' | 'down' | 'both'}${number}`;

export interface WayCount {
  readonly packets: number;
  readonly bytes: number;
  readonly overflowed: number;
  readonly lost: number;
  readonly tooLong: number;
  /** Time in the queue. */
  readonly waitMs: { readonly mean: number; readonly p50: number; readonly p95: number; readonly max: number };
  /** Bytes that came through, by the end that sent them. */
  readonly delivered: readonly number[];
}

export interface LinkCount {
  /** Monotonic. */
  readonly ms: number;
  readonly right: WayCount;
  readonly left: WayCount;
}

/** Of a star, by end: up from each, and down to each. */
export interface StarCount {
  /** Monotonic. */
  readonly ms: number;
  readonly up: readonly WayCount[];
  readonly down: readonly WayCount[];
}

/** What this machine lacks for a lab, as a person provides it; undefined where it lacks nothing. */
export function labLacks(): string | undefined {
  if (process.platform !== 'linux') return 'Linux';
  if (spawnSync('cc', ['--version'], { stdio: 'ignore' }).status !== 0)
    return 'a C compiler (apt-get install gcc libc6-dev)';
  if (spawnSync('unshare', ['--net', 'true'], { stdio: 'ignore' }).status !== 0) return 'root, for network namespaces';
  return existsSync('/dev/net/tun') ? undefined : '/dev/net/tun (modprobe tun)';
}

/** Runs `work` with the program, which is compiled anew, so that nobody else can have put it there, and removed afterwards. */
async function compiled<T>(work: (program: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'chunkmesh-lab-'));
  const program = join(folder, 'lab');
  try {
    await promisify(execFile)('cc', ['-O2', '-o', program, ...SOURCES]);
    return await work(program);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** link.c: by whose end it ends. */
const owned = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({ ...env, CHUNKMESH_LAB_OWNER: String(process.pid) });

export class Lab {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #ends: readonly number[];
  readonly #children = new Set<ChildProcess>();

  private constructor(process: ChildProcess, lines: AsyncIterator<string>, ends: readonly number[]) {
    this.#process = process;
    this.#lines = lines;
    this.#ends = ends;
  }

  /** Ends 0 and 1 face each other over the link, 2 and 3 too, through the same bottleneck. Even ones are on the left. */
  static open(pairs = 1, mtu = 1500): Promise<Lab> {
    return Lab.#start(['--pairs', String(pairs), '--mtu', String(mtu)]);
  }

  /** Ends that each have a link of their own, up and down, to where all of them meet. */
  static star(ends: number, mtu = 1500): Promise<Lab> {
    return Lab.#start(['--star', String(ends), '--mtu', String(mtu), '--tick', String(TICK_US)]);
  }

  /** One end, whose loopback has that MTU. */
  static loopback(mtu: number): Promise<Lab> {
    return Lab.#start(['--loopback', '--mtu', String(mtu)]);
  }

  static #start(args: readonly string[]): Promise<Lab> {
    return compiled(async (program) => {
      const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], env: owned(process.env) });
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      const first = await lines.next();
      if (first.done === true) throw new Error('the lab did not start');
      const { ends } = JSON.parse(first.value) as { ends: number[] };
      return new Lab(child, lines, ends);
    });
  }

  /** Its file is gone; the kernel keeps it for as long as it runs. */
  get #program(): string {
    return `/proc/${this.pid}/exe`;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  address(end: number): string {
    return `10.99.0.${end + 1}`;
  }

  /** Starts a program in the namespace of an end. It is killed with the lab at the latest, or with this process. */
  spawn(end: number, command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
    const namespace = `/proc/${this.pid}/fd/${this.#ends[end]}`;
    const env = owned(options.env ?? process.env);
    const child = spawn(this.#program, ['enter', namespace, command, ...args], { ...options, env });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  async set(way: Way | StarWay, settings: WaySettings): Promise<void> {
    const words = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
    const { error } = (await this.#ask(`${way} ${words.join(' ')}`)) as { error?: string };
    if (error !== undefined) throw new Error(error);
  }

  /** What happened since the last time. */
  async count(): Promise<LinkCount> {
    return (await this.#ask('count')) as LinkCount;
  }

  /** The same of a star. */
  async countStar(): Promise<StarCount> {
    return (await this.#ask('count')) as StarCount;
  }

  /** The kernel's TCP from one end to the one that faces it, from now on. */
  async tcp(from: number, algorithm = CUBIC): Promise<TcpFlow> {
    const sink = this.spawn(from ^ 1, this.#program, ['sink', String(PORT)], { stdio: ['ignore', 'pipe', 'inherit'] });
    if (sink.stdout === null) throw new Error('no pipe');
    const lines = createInterface({ input: sink.stdout });
    await new Promise((resolve) => lines.once('line', resolve));
    const to = ['source', this.address(from ^ 1), String(PORT), algorithm];
    const source = this.spawn(from, this.#program, to, { stdio: ['ignore', 'ignore', 'inherit'] });
    return new TcpFlow(lines, [source, sink]);
  }

  /** Sends datagrams from that end, each one that is told of when it is told. @param rate datagrams a second */
  junk(end: number, address: string, port: number, rate: number): Junk {
    const args = ['junk', address, String(port), String(rate)];
    return new Junk(this.spawn(end, this.#program, args, { stdio: ['pipe', 'pipe', 'inherit'] }));
  }

  async close(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.stdin?.end();
    await ended;
  }

  async #ask(line: string): Promise<unknown> {
    this.#process.stdin?.write(`${line}\n`);
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the lab has ended');
    return JSON.parse(value);
  }
}

/** What was done since the last command. */
export interface JunkCount {
  readonly ms: number;
  readonly sent: number;
  /** Datagrams that came back. */
  readonly replies: number;
  readonly cpuSeconds: number;
}

/** junk.c */
export class Junk {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(process: ChildProcess) {
    if (process.stdout === null) throw new Error('no pipe');
    this.#process = process;
    this.#lines = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
  }

  /** From now on. @param file as junk.c has it */
  async send(to: 'victim' | 'ignored', file: string): Promise<JunkCount> {
    return await this.#ask(`${to} ${file}`);
  }

  async none(): Promise<JunkCount> {
    return await this.#ask('none');
  }

  async #ask(line: string): Promise<JunkCount> {
    this.#process.stdin?.write(`${line}\n`);
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the junk has ended');
    return JSON.parse(value) as JunkCount;
  }
}

/** Counts what has come through, as all flows do. */
export class TcpFlow {
  bytes = 0;
  readonly #ends: readonly ChildProcess[];

  constructor(lines: Interface, ends: readonly ChildProcess[]) {
    this.#ends = ends;
    lines.on('line', (line) => {
      this.bytes = (JSON.parse(line) as { bytes: number }).bytes;
    });
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#ends.map((end) => {
        const ended =
          end.exitCode === null && end.signalCode === null && new Promise((resolve) => end.once('exit', resolve));
        end.kill('SIGKILL');
        return ended;
      }),
    );
  }
}
