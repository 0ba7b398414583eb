import { checkId } from '../../shared/control/ids.js';
import { ChunkmeshError } from '../../shared/errors.js';
import type { Credential } from '../../shared/identity/bundle.js';
import { MAX_COMMAND_SECONDS } from '../../shared/limits.js';
import type { DeviceRow } from './device_row.js';
import { FleetStatus } from './fleet_status.js';

/** An operator has seen a device's alerts (P-15.8): said until the device shows that it heard. */

/** A device that is there shows it within its status interval, 2 s unless its owner chose another. */
const AGAIN_MS = 5_000;
/** Every device's last status is retained: after this much silence it is here. */
const QUIET_MS = 500;
/** Of one that is sent: the clocks of devices differ by minutes (P-3.6). */
const COMMAND_SECONDS = MAX_COMMAND_SECONDS;

export interface AcknowledgeOptions {
  /** Of an operator. */
  readonly credential: Credential;
  readonly device: string;
  /** The first and the last number that were seen. Default of `from` 0. */
  readonly from?: number;
  readonly upto: number;
  /** How long the device may take to show it. */
  readonly timeoutMs: number;
  /** Instead of the bundle's. */
  readonly broker?: string;
  /** Nobody has heard yet. */
  readonly waits?: (row: DeviceRow | undefined) => void;
}

export interface Acknowledged {
  readonly device: string;
  /** Numbers that the device had and has no more. */
  readonly acknowledged: readonly number[];
  /** Those that it still has. */
  readonly left: readonly number[];
}

const seconds = (): number => Math.floor(Date.now() / 1000);

/**
 * @throws E_ID, E_ARGUMENT, E_BROKER_UNREACHABLE, E_BROKER_REFUSED; E_TIMEOUT where the device does not show it in time: it is to be said again
 *   when the device is there
 */
export async function acknowledge(options: AcknowledgeOptions): Promise<Acknowledged> {
  const { credential, device, from = 0, upto, broker, timeoutMs } = options;
  checkId(device, 'device id');
  if (from > upto) throw new ChunkmeshError('E_ARGUMENT', `from ${from} to ${upto} is nothing`);
  const status = new FleetStatus({ credential, ...(broker !== undefined && { broker }) });
  try {
    await status.start();
    await status.settle(QUIET_MS);
    const numbers = (): number[] => (rowOf(status, device)?.alerts ?? []).map(({ n }) => n);
    const before = numbers().filter((n) => n >= from && n <= upto);
    // Alerts that are kept beside those that it tells of count as well.
    await said(options, status, () => numbers().every((n) => n < from || n > upto), before.length > 0);
    return { device, acknowledged: before, left: numbers() };
  } catch (error) {
    if (!(error instanceof Late)) throw error;
    throw new ChunkmeshError(
      'E_TIMEOUT',
      `${device} has not shown in ${timeoutMs / 1000} s that it heard; is it online?`,
    );
  } finally {
    await status.close();
  }
}

class Late extends Error {}

/** @param some whether the device tells of any: where it does not, it is told once, and nothing shows that it heard. */
async function said(
  { device, from = 0, upto, timeoutMs, waits }: AcknowledgeOptions,
  status: FleetStatus,
  isDone: () => boolean,
  some: boolean,
): Promise<void> {
  if (!some && rowOf(status, device) === undefined)
    throw new ChunkmeshError('E_ARGUMENT', `${device} has not reported yet: it has nothing to acknowledge`);
  const deadline = performance.now() + timeoutMs;
  while (!isDone()) {
    if (performance.now() >= deadline) throw new Late();
    const at = seconds();
    const range = from === 0 ? { upto } : { from, upto };
    status.command(device, { t: 'command', v: 1, do: 'acknowledge', ...range, at, expires: at + COMMAND_SECONDS });
    if (await shown(status, device, isDone, Math.min(AGAIN_MS, deadline - performance.now()))) return;
    waits?.(rowOf(status, device));
  }
}

const rowOf = (status: FleetStatus, device: string): DeviceRow | undefined =>
  status.rows().find((row) => row.device === device);

function shown(status: FleetStatus, device: string, isDone: () => boolean, waitMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (done: boolean): void => {
      clearTimeout(timer);
      status.off('row', onRow);
      resolve(done);
    };
    const onRow = (row: DeviceRow): void => {
      if (row.device === device && isDone()) end(true);
    };
    const timer = setTimeout(() => end(false), Math.max(0, waitMs));
    status.on('row', onRow);
  });
}
