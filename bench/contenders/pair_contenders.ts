import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { loadSodiumProvider, tweetnaclProvider } from '../../shared/crypto/provider.js';
import { CHECKOUT } from '../checkout.js';
import type { Contender, Figure } from '../rounds.js';
import { type Counted, onePair, output, works } from './program.js';
import type { TestFile } from './test_file.js';

/** What stands beside chunkmesh in `pair`, each between two processes over this machine's loopback. */

export const RAW_DGRAM = 'Node dgram, nothing but send and receive';
export const UDX = 'udx-native stream, unsealed';

const SECONDS = 3;
const DATAGRAM_BYTES = 1200;
const TIMEOUT_MS = 180_000;
/** Debian's module belongs to Debian's interpreter. */
const PYTHON = '/usr/bin/python3';

const goodput = (value: number): Figure[] => [{ metric: 'goodput', unit: 'MB/s', value }];

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

interface IperfReport {
  readonly end: { readonly sum: { readonly packets: number; readonly lost_packets: number; readonly seconds: number } };
}

async function iperf3(): Promise<Figure[]> {
  const port = String(await freePort());
  const server = output('iperf3', ['-s', '-1', '-B', '127.0.0.1', '-p', port], TIMEOUT_MS);
  // It says nothing that a pipe would show when it listens.
  await new Promise((resolve) => setTimeout(resolve, 500));
  const unlimited = ['-u', '-b', '0', '-l', String(DATAGRAM_BYTES), '-t', String(SECONDS), '-w', '4M'];
  const text = await output('iperf3', ['-c', '127.0.0.1', '-p', port, ...unlimited, '-J'], TIMEOUT_MS);
  await server;
  const { packets, lost_packets, seconds } = (JSON.parse(text) as IperfReport).end.sum;
  return goodput(((packets - lost_packets) * DATAGRAM_BYTES) / 1e6 / seconds);
}

function hasUdx(): boolean {
  try {
    createRequire(`${CHECKOUT}/bench/packages/package.json`).resolve('udx-native');
    return true;
  } catch {
    return false;
  }
}

function libtorrent(kind: string, file: TestFile): Contender {
  const script = `${CHECKOUT}/bench/contenders/libtorrent_pair.py`;
  return {
    subject: `libtorrent, ${kind}`,
    absent: works(PYTHON, '-c', 'import libtorrent') ? undefined : 'apt-get install python3-libtorrent',
    run: async () => {
      const { bytes, seconds } = JSON.parse(await output(PYTHON, [script, kind, file.path], TIMEOUT_MS)) as Counted;
      return goodput(bytes / 1e6 / seconds);
    },
  };
}

/** Microseconds of one call, after as many to warm up. */
function microseconds(calls: number, work: () => void): number {
  for (let i = 0; i < calls; i++) work();
  const begun = performance.now();
  for (let i = 0; i < calls; i++) work();
  return ((performance.now() - begun) * 1000) / calls;
}

async function micro(): Promise<Figure[]> {
  const plain = Buffer.alloc(DATAGRAM_BYTES, 0x5a);
  const sealed = Buffer.alloc(DATAGRAM_BYTES + 16);
  const nonce = Buffer.alloc(24);
  const key = Buffer.alloc(32, 1);
  const providers = [loadSodiumProvider(), tweetnaclProvider].filter((provider) => provider !== null);
  const boxes = providers.map(({ name, seal }) => ({
    ...{ metric: `box of 1200 bytes, ${name}`, unit: 'us' },
    value: microseconds(name === 'tweetnacl' ? 5000 : 50_000, () => seal(sealed, plain, nonce, key)),
  }));
  const chunk = Buffer.alloc(65_536, 0x5a);
  const hash = microseconds(2000, () => void createHash('sha256').update(chunk).digest());
  return [...boxes, { metric: 'SHA-256 of 64 KiB', unit: 'MB/s', value: chunk.length / hash }];
}

export function pairContenders(file: TestFile): Contender[] {
  return [
    {
      subject: 'kernel, iperf3 -u -b 0 -l 1200',
      absent: works('iperf3', '--version') ? undefined : 'apt-get install iperf3',
      run: iperf3,
    },
    {
      subject: RAW_DGRAM,
      run: async () => goodput(await onePair('./dgram_end.js', String(SECONDS), String(DATAGRAM_BYTES))),
    },
    {
      subject: UDX,
      absent: hasUdx() ? undefined : 'npm ci --prefix bench/packages',
      run: async () => goodput(await onePair('./udx_end.js', String(SECONDS))),
    },
    ...['tcp', 'encrypted', 'utp'].map((kind) => libtorrent(kind, file)),
    { subject: 'this processor', run: micro },
  ];
}
