import { formatTable } from '../table.js';
import { formatBytes, formatPercent, formatRate, formatSeconds } from '../units.js';
import type { BrokerCount } from './cast.js';
import { type Course, type DeviceCourse, isComplete } from './course.js';

/** What the demo found: the object of --json, and the table. Pure. */

export interface DeviceReport {
  readonly device: string;
  readonly completed: boolean;
  readonly sha256Ok: boolean;
  /** From publish; null where it did not complete. */
  readonly seconds: number | null;
  readonly fromSeed: number;
  readonly fromPeers: number;
  readonly wasted: number;
  /** Where the folder was kept. */
  readonly path?: string;
}

export interface DemoReport {
  readonly devices: number;
  readonly completed: number;
  readonly artifactBytes: number;
  /** From publish to the last device; to the end of the demo where not every device completed. */
  readonly seconds: number;
  /** Whether every device has the right file. */
  readonly sha256Ok: boolean;
  /** Both ways, counted at the broker's sockets; null where the broker did not live to tell. */
  readonly brokerControlBytes: number | null;
  /** Bytes of the artifact that any MQTT message carried; null where not every message was looked into. */
  readonly brokerPayloadBytes: number | null;
  readonly originBytes: number;
  readonly peerBytes: number;
  readonly perDevice: readonly DeviceReport[];
}

export interface ReportFacts {
  readonly artifactBytes: number;
  /** From publish to now. */
  readonly elapsedSeconds: number;
  readonly controlBytes: number | null;
  readonly payloadBytes: number | null;
  readonly keep: boolean;
}

/** Why nobody can say how much payload went through the broker; undefined where that is known. */
export function payloadDoubt(count: BrokerCount | undefined): string | undefined {
  if (count === undefined) return 'the broker did not live to tell';
  const { unscanned, interruptions } = count;
  const why: string[] = [];
  if (unscanned > 0) why.push(`messages that could not be looked into: ${unscanned}`);
  if (interruptions > 0) why.push(`interruptions of who looks into them: ${interruptions}`);
  return why.length === 0 ? undefined : why.join(', ');
}

const MILLISECONDS = 1000;
const toMilliseconds = (seconds: number): number => Math.round(seconds * MILLISECONDS) / MILLISECONDS;

function deviceReport(one: DeviceCourse, keep: boolean): DeviceReport {
  const { device, sha256Ok = false, seconds, fromSeed, fromPeers, wasted, path } = one;
  return {
    device,
    completed: isComplete(one),
    sha256Ok,
    seconds: seconds === undefined ? null : toMilliseconds(seconds),
    fromSeed,
    fromPeers,
    wasted,
    ...(keep && path !== undefined && { path }),
  };
}

export function makeReport(course: Course, facts: ReportFacts): DemoReport {
  const perDevice = [...course.values()].map((one) => deviceReport(one, facts.keep));
  const finished = perDevice.flatMap(({ seconds }) => (seconds === null ? [] : [seconds]));
  const all = finished.length === perDevice.length;
  return {
    devices: perDevice.length,
    completed: finished.length,
    artifactBytes: facts.artifactBytes,
    seconds: all ? Math.max(0, ...finished) : toMilliseconds(facts.elapsedSeconds),
    sha256Ok: all && perDevice.every(({ sha256Ok }) => sha256Ok),
    brokerControlBytes: facts.controlBytes,
    brokerPayloadBytes: facts.payloadBytes,
    originBytes: perDevice.reduce((sum, { fromSeed }) => sum + fromSeed, 0),
    peerBytes: perDevice.reduce((sum, { fromPeers }) => sum + fromPeers, 0),
    perDevice,
  };
}

const COLUMNS = [
  { title: 'device' },
  { title: 'file' },
  { title: 'seconds', align: 'right' },
  { title: 'throughput', align: 'right' },
  { title: 'from seed', align: 'right' },
  { title: 'from peers', align: 'right' },
  { title: 'wasted', align: 'right' },
] as const;

function verdict({ completed, sha256Ok }: DeviceReport): string {
  if (!completed) return 'missing';
  return sha256Ok ? 'right' : 'WRONG';
}

const counted = (bytes: number | null): string => (bytes === null ? 'unknown' : `${bytes} bytes`);

export function formatReport(report: DemoReport): string {
  const { artifactBytes, perDevice, originBytes, peerBytes } = report;
  const rows = perDevice.map((one) => [
    one.device,
    verdict(one),
    one.seconds === null ? '-' : one.seconds.toFixed(1),
    one.seconds === null ? '-' : formatRate(artifactBytes / Math.max(one.seconds, 1 / MILLISECONDS)),
    formatBytes(one.fromSeed),
    formatBytes(one.fromPeers),
    formatBytes(one.wasted),
  ]);
  const fetched = originBytes + peerBytes;
  return [
    formatTable(COLUMNS, rows),
    '',
    `${report.completed} of ${report.devices} devices complete in ${formatSeconds(report.seconds)}, ${formatBytes(artifactBytes)} each`,
    `from the seed: ${formatBytes(originBytes)} (${formatPercent(originBytes, fetched)}), from peers: ${formatBytes(peerBytes)}`,
    `control through the broker: ${counted(report.brokerControlBytes)}`,
    `payload through the broker: ${counted(report.brokerPayloadBytes)}`,
    ...perDevice.flatMap(({ device, path }) => (path === undefined ? [] : [`${device}: ${path}`])),
  ].join('\n');
}
