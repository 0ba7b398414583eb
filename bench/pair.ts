import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpus, release } from 'node:os';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { Endpoint } from '../agent/io/endpoint.js';
import { type EndReason, Session, type SessionEvents } from '../agent/transport/session.js';
import { agreeSessionKey, type Direction, generateSessionKeyPair } from '../shared/crypto/box.js';
import { defaultProvider } from '../shared/crypto/provider.js';
import { ChunkmeshError } from '../shared/errors.js';
import { CLOSE } from '../shared/wire/frames/close.js';

/**
 * How fast one session moves sealed bytes from one process to another over loopback.
 *
 *     node dist/bench/pair.js [--json] [--rounds 3] [--megabytes 200]
 */
const CHUNK_BYTES = 65_536;
/** Asked ahead: 4 MiB. */
const OUTSTANDING = 64;
const CHUNKS = 16_384;

/** What each process tells the other before the first datagram, as offer and answer would. */
interface Hello {
  readonly port: number;
  readonly key: string;
  readonly session: string;
}

interface Result {
  readonly megabytesPerSecond: number;
  readonly receiverCpuSecondsPerGigabyte: number;
  readonly lost: number;
}

class Bench implements SessionEvents {
  readonly #endpoint: Endpoint;
  readonly #session: Session;
  readonly #chunk = Buffer.alloc(CHUNK_BYTES, 0x5a);
  readonly #total: number;
  readonly #done: (reason: EndReason) => void;
  received = 0;
  #asked = 0;

  constructor(
    endpoint: Endpoint,
    direction: Direction,
    make: (events: SessionEvents) => Session,
    id: Buffer,
    peer: Hello,
    total: number,
    done: (reason: EndReason) => void,
  ) {
    this.#endpoint = endpoint;
    this.#total = direction === 1 ? total : 0;
    this.#done = done;
    this.#session = make(this);
    endpoint.attach(id, this.#session, [['127.0.0.1', peer.port]], () => {});
  }

  get lost(): number {
    return this.#session.stats.datagramsLost;
  }

  onOpen(): void {
    for (let i = 0; i < OUTSTANDING; i++) this.#ask();
  }
  onRequest(chunk: number, offset: number): void {
    this.#session.serve(chunk, offset, this.#chunk);
  }
  onData(_chunk: number, _offset: number, bytes: Uint8Array): void {
    const before = Math.floor(this.received / CHUNK_BYTES);
    this.received += bytes.length;
    for (let i = before; i < Math.floor(this.received / CHUNK_BYTES); i++) this.#ask();
    if (this.received < this.#total) return;
    this.#session.close(CLOSE.done);
    this.#endpoint.wake();
  }
  onCancel(): void {}
  onReject(): void {}
  onHave(): void {}
  onPeers(): void {}
  onClosed(reason: EndReason): void {
    this.#done(reason);
  }

  #ask(): void {
    if (this.#asked * CHUNK_BYTES >= this.#total) return;
    this.#session.request(this.#asked % CHUNKS, 0, CHUNK_BYTES);
    this.#asked++;
  }
}

/** One side, until its session ends. @param exchange gives the peer our hello and resolves with its own. */
async function runSide(direction: Direction, total: number, exchange: (own: Hello) => Promise<Hello>): Promise<Bench> {
  const endpoint = await Endpoint.open('127.0.0.1', 0);
  const { secret, publicKey } = generateSessionKeyPair();
  const id = randomBytes(8);
  const own = { port: endpoint.bound.port, key: Buffer.from(publicKey).toString('hex'), session: id.toString('hex') };
  const peer = await exchange(own);
  const ends = [own, peer].map(({ session }, i) => ({
    device: `end-${i ^ direction}`,
    session: Buffer.from(session, 'hex'),
  }));
  const [offerer, answerer] = direction === 0 ? ends : ends.reverse();
  if (offerer === undefined || answerer === undefined) throw new ChunkmeshError('E_INTERNAL', 'a session has two ends');
  const context = { artifact: Buffer.alloc(32), offerer, answerer };
  const key = agreeSessionKey(secret, Buffer.from(peer.key, 'hex'), context);
  if (key === null) throw new ChunkmeshError('E_INTERNAL', 'no session key');
  const remoteId = Buffer.from(peer.session, 'hex');
  const options = { direction, localId: id, remoteId, key, chunkCount: CHUNKS, candidates: 1 };
  const token = () => randomBytes(8);
  let bench: Bench | undefined;
  await new Promise<EndReason>((resolve) => {
    const make = (events: SessionEvents) => new Session({ ...options, now: performance.now(), token, events });
    bench = new Bench(endpoint, direction, make, id, peer, total, resolve);
  });
  await endpoint.close();
  if (bench === undefined) throw new ChunkmeshError('E_INTERNAL', 'no session');
  return bench;
}

/** The receiver, in this process, against a sender in a child of it. */
async function round(megabytes: number): Promise<Result> {
  const child = fork(fileURLToPath(import.meta.url), ['--sender']);
  const lost = new Promise<number>((resolve) => {
    child.on('message', (message: { lost?: number }) => message.lost !== undefined && resolve(message.lost));
  });
  const cpu = process.cpuUsage();
  let started = 0;
  const bench = await runSide(1, megabytes * 1e6, async (own) => {
    const hello = new Promise<Hello>((resolve) => child.once('message', (message: Hello) => resolve(message)));
    const peer = await hello;
    child.send(own);
    started = performance.now();
    return peer;
  });
  const seconds = (performance.now() - started) / 1000;
  const used = process.cpuUsage(cpu);
  const result = {
    megabytesPerSecond: bench.received / 1e6 / seconds,
    receiverCpuSecondsPerGigabyte: (used.user + used.system) / 1e6 / (bench.received / 1e9),
    lost: await lost,
  };
  child.disconnect();
  return result;
}

async function sender(): Promise<void> {
  const bench = await runSide(0, 0, (own) => {
    process.send?.(own);
    return new Promise((resolve) => process.once('message', (message: Hello) => resolve(message)));
  });
  process.send?.({ lost: bench.lost });
}

function summary(metric: string, unit: string, values: number[]) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (i: number) => Number((sorted[i] ?? 0).toFixed(2));
  const subject = `chunkmesh, ${defaultProvider().name}`;
  return { subject, metric, unit, median: at(sorted.length >> 1), min: at(0), max: at(sorted.length - 1) };
}

function option(name: string, otherwise: number): number {
  const at = argv.indexOf(name);
  return at < 0 ? otherwise : Number(argv[at + 1]);
}

async function main(): Promise<void> {
  const rounds = option('--rounds', 3);
  const results: Result[] = [];
  for (let i = 0; i < rounds; i++) results.push(await round(option('--megabytes', 200)));
  const rows = [
    summary(
      'goodput',
      'MB/s',
      results.map((one) => one.megabytesPerSecond),
    ),
    summary(
      'receiver CPU',
      's/GB',
      results.map((one) => one.receiverCpuSecondsPerGigabyte),
    ),
    summary(
      'datagrams lost',
      '',
      results.map((one) => one.lost),
    ),
  ];
  const machine = `${cpus()[0]?.model.trim() ?? 'unknown'} x ${cpus().length}, Linux ${release()}, Node ${process.version}`;
  if (argv.includes('--json')) {
    process.stdout.write(`${JSON.stringify({ name: 'pair', machine, rounds, results: rows, bars: [] })}\n`);
    return;
  }
  process.stdout.write(`${machine}, ${rounds} rounds\n`);
  for (const { subject, metric, unit, median, min, max } of rows) {
    process.stdout.write(`${subject.padEnd(28)} ${metric.padEnd(16)} ${median} (${min} to ${max}) ${unit}\n`);
  }
}

if (argv.includes('--sender')) await sender();
else await main();
