import { UNKNOWN_TIME } from '../../shared/control/envelope.js';
import type { RolloutProgress, StatusMessage } from '../../shared/control/messages.js';

/** What the operator knows of one device, as its newest status says. Pure: a report and the time of its arrival in, a row out. */

/** Two reports closer than this say more about the network than about the device. */
const MIN_SAMPLE_MS = 100;

export interface RolloutRow extends Omit<RolloutProgress, 'artifact'> {
  /** Hex of the index hash (P-1.3). */
  readonly artifact: string;
}

/** P-15.2: what the device says of another. */
export interface ReportRow {
  readonly device: string;
  /** Hex (P-1.3). */
  readonly artifact: string;
  /** INDEX_CHUNK for the index. */
  readonly chunk: number;
  /** SHA-256, hex. */
  readonly expected: string;
  readonly found: string;
  /** Seconds since the epoch, by the clock of who reports. */
  readonly at: number;
  /** How many wrong chunks came of it. */
  readonly count: number;
}

interface Sample {
  readonly receivedMs: number;
  readonly bytes: number;
}

export interface DeviceRow {
  readonly device: string;
  readonly site: string;
  /** SHA-256 of the certificate that signed the newest report, hex: a roster knows which is the device's. */
  readonly certificate: string;
  readonly online: boolean;
  /** Version of the agent. */
  readonly agent: string;
  readonly peers: number;
  /** Its link costs money by the byte: it serves nobody (P-4.7). */
  readonly metered?: 'fetch' | 'urgent';
  /** When the newest report was signed, seconds since the epoch; 0 where the device has no clock that it believes (P-3.6). */
  readonly at: number;
  /** Of the newest report (P-3.8). */
  readonly n: number;
  readonly rollouts: readonly RolloutRow[];
  /** Of at most 16 devices. */
  readonly reports: readonly ReportRow[];
  /** Whether what is installed is right (P-15.5). */
  readonly integrity?: NonNullable<StatusMessage['integrity']>;
  /** What nobody has acknowledged, the newest, in their order (P-15.8). */
  readonly alerts?: NonNullable<StatusMessage['alerts']>;
  /** How many there are beside these. */
  readonly moreAlerts?: number;
  /** From the network, between the last two reports; 0 while nothing is fetched. */
  readonly bytesPerSecond: number;
  readonly sample: Sample;
}

export interface StatusReport {
  readonly device: string;
  readonly site: string;
  readonly certificate: string;
  readonly message: StatusMessage;
  /** P-3.8 */
  readonly n: number;
  /** Any monotonic clock, ms. */
  readonly receivedMs: number;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const fetched = (rollouts: readonly RolloutProgress[]): number =>
  rollouts.reduce((sum, { fromSeed, fromPeers, fromHttp = 0 }) => sum + fromSeed + fromPeers + fromHttp, 0);

const fetching = ({ state }: RolloutProgress): boolean => state === 'fetching';

function throughput(before: DeviceRow | undefined, { message, receivedMs }: StatusReport): [number, Sample] {
  const sample = { receivedMs, bytes: fetched(message.rollouts) };
  if (before === undefined || !before.online || !message.online || !message.rollouts.some(fetching)) return [0, sample];
  const elapsed = receivedMs - before.sample.receivedMs;
  if (elapsed < MIN_SAMPLE_MS) return [before.bytesPerSecond, before.sample];
  return [Math.max(0, ((sample.bytes - before.sample.bytes) * 1000) / elapsed), sample];
}

/** By the time it was signed at; in one second, or where one has none, by its number (P-3.8). */
function isOlder({ message: { at }, n }: StatusReport, than: DeviceRow): boolean {
  return at === than.at || at === UNKNOWN_TIME || than.at === UNKNOWN_TIME ? n < than.n : at < than.at;
}

/**
 * The row after a report. The newest wins. A will was signed when its device connected,
 * so it is older than what the device said since: it takes the device offline and leaves the rest as it was.
 */
export function nextRow(before: DeviceRow | undefined, report: StatusReport): DeviceRow {
  const { device, site, certificate, message, n } = report;
  if (before !== undefined && isOlder(report, before)) {
    return message.online ? before : { ...before, online: false, peers: 0, bytesPerSecond: 0 };
  }
  const [bytesPerSecond, sample] = throughput(before, report);
  return {
    device,
    site,
    certificate,
    online: message.online,
    agent: message.agent,
    peers: message.peers,
    ...(message.metered !== undefined && { metered: message.metered }),
    ...{ at: message.at, n },
    rollouts: message.rollouts.map((rollout) => ({ ...rollout, artifact: hex(rollout.artifact) })),
    reports: (message.reports ?? []).map((report) => ({
      ...report,
      ...{ artifact: hex(report.artifact), expected: hex(report.expected), found: hex(report.found) },
    })),
    ...(message.integrity !== undefined && { integrity: message.integrity }),
    ...(message.alerts !== undefined && { alerts: message.alerts }),
    ...(message.moreAlerts !== undefined && { moreAlerts: message.moreAlerts }),
    bytesPerSecond,
    sample,
  };
}
