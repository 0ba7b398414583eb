import { join, resolve } from 'node:path';
import { Lab, labLacks } from '../test/lab/lab.js';
import type { BarRule } from './bars.js';
import { pairContenders, RAW_DGRAM, UDX } from './contenders/pair_contenders.js';
import { makeTestFile, type TestFile } from './contenders/test_file.js';
import { drawProfiles } from './flame.js';
import { Flow, LOOPBACK, type Outcome, type Place } from './mesh/mesh.js';
import type { Contender, Figure } from './rounds.js';
import type { Subject } from './subject.js';

/**
 * How fast one agent gives an artifact to another over loopback: read from the disk, sealed a datagram at a time, opened, each chunk hashed
 * and written, the finished file hashed whole.
 */

export interface PairOptions {
  /** MB */
  readonly size: number;
  /** Bytes of an IP packet. */
  readonly mtu: number;
  readonly flat: boolean;
  /** Folder for CPU profiles and flame graphs. */
  readonly profiles?: string;
  readonly folder: string;
}

const MB = 1e6;
/** A datagram of 8,952 bytes (P-6.6) with its headers for IPv4. */
const JUMBO_MTU = 8980;
/** An agent beside the work that a device is there for. */
const MAX_RESIDENT_MB = 120;
/** What the allocator's noise may make of "alike". */
const FLAT = 1.1;
const SODIUM = 'chunkmesh, sodium-native';
const TWEETNACL = 'chunkmesh, tweetnacl';
const JUMBO = 'chunkmesh, sodium-native, jumbo datagrams';
const SMALL = { subject: 'chunkmesh, 64 MB', bytes: 64 * MB };
const LARGE = { subject: 'chunkmesh, 4 GB', bytes: 4096 * MB };
const PEAKS = ['peak memory of the sender', 'peak memory of the receiver'] as const;

export function figuresOf(outcome: Outcome, bytes: number): Figure[] {
  const { seconds, secondsComplete, sender, receiver, dropped } = outcome;
  const gigabytes = bytes / 1e9;
  return [
    { metric: 'goodput', unit: 'MB/s', value: bytes / MB / seconds },
    { metric: 'to the finished file', unit: 'MB/s', value: bytes / MB / secondsComplete },
    { metric: 'CPU of the sender', unit: 's/GB', value: sender.cpuSeconds / gigabytes },
    { metric: 'CPU of the receiver', unit: 's/GB', value: receiver.cpuSeconds / gigabytes },
    { metric: PEAKS[0], unit: 'MB', value: sender.peakBytes / MB },
    { metric: PEAKS[1], unit: 'MB', value: receiver.peakBytes / MB },
    { metric: 'datagrams dropped', unit: '', value: dropped },
  ];
}

/** Runs `work` where no packet is longer than `mtu`; without root, where the machine's own loopback is the limit. */
async function within<T>(mtu: number, work: (place: Place) => Promise<T>): Promise<T> {
  if (labLacks() !== undefined) return work(LOOPBACK);
  const lab = await Lab.loopback(mtu);
  try {
    return await work({ host: LOOPBACK.host, spawn: (...command) => lab.spawn(0, ...command) });
  } finally {
    await lab.close();
  }
}

interface Run {
  readonly subject: string;
  readonly file: TestFile;
  readonly mtu: number;
  readonly crypto?: string;
}

function chunkmesh({ subject, file, mtu, crypto = '' }: Run, { folder, profiles }: PairOptions): Contender {
  const own = profiles && join(resolve(profiles), subject.replaceAll(/[^a-z0-9]+/gi, '-'));
  const run = async (place: Place): Promise<Figure[]> => {
    const ends = { from: place, to: place, environment: { CHUNKMESH_CRYPTO: crypto } };
    const flow = await Flow.start({ file, folder, mode: 'foreground', ...ends, ...(own && { profiles: own }) });
    const outcome = await flow.complete().finally(() => flow.stop());
    if (own) await drawProfiles(own, subject);
    return figuresOf(outcome, file.bytes);
  };
  return { subject, run: () => within(mtu, run) };
}

function rules(flat: boolean): BarRule[] {
  const goodput = { metric: 'goodput', is: 'at least' } as const;
  const memory = (subject: string): BarRule[] =>
    PEAKS.map((metric) => ({ subject, metric, is: 'at most', limit: MAX_RESIDENT_MB }));
  const alike: BarRule[] = PEAKS.map((metric) => {
    return { subject: LARGE.subject, metric, is: 'at most', limit: FLAT, of: { subject: SMALL.subject, metric } };
  });
  return [
    { subject: SODIUM, ...goodput, limit: 100 },
    { subject: SODIUM, ...goodput, limit: 0.6, of: { subject: RAW_DGRAM, metric: 'goodput' } },
    { subject: SODIUM, ...goodput, limit: 0.75, of: { subject: UDX, metric: 'goodput' } },
    { subject: TWEETNACL, ...goodput, limit: 25 },
    { subject: JUMBO, ...goodput, limit: 250 },
    ...memory(SODIUM),
    ...(flat ? [...memory(LARGE.subject), ...alike] : []),
  ];
}

export async function pair(options: PairOptions): Promise<Subject> {
  const { size, mtu, flat, folder } = options;
  const file = await makeTestFile(folder, size * MB);
  const contenders = [
    ...pairContenders(file),
    chunkmesh({ subject: SODIUM, file, mtu }, options),
    chunkmesh({ subject: TWEETNACL, file, mtu, crypto: 'tweetnacl' }, options),
    chunkmesh({ subject: JUMBO, file, mtu: JUMBO_MTU }, options),
  ];
  if (flat) {
    for (const { subject, bytes } of [SMALL, LARGE]) {
      contenders.push(chunkmesh({ subject, file: await makeTestFile(folder, bytes), mtu }, options));
    }
  }
  const lacks = labLacks();
  const notes = lacks === undefined ? [] : [`--mtu is not held without ${lacks}`];
  return { name: 'pair', contenders, rules: rules(flat), notes };
}
