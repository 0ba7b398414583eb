import { UNKNOWN_TIME } from '../../shared/control/envelope.js';
import type { Credential } from '../../shared/identity/bundle.js';
import type { DeviceRow } from '../status/device_row.js';
import { FleetStatus } from '../status/fleet_status.js';

/** Waiting for the last word of a device that is wiped (P-14.8). */

/** How long what is retained of it may take: MQTT does not say that there is nothing. */
const RETAINED_WAIT_MS = 500;

interface Watched {
  /** Of an operator. */
  readonly credential: Credential;
  readonly device: string;
  /** Instead of the bundle's. */
  readonly broker?: string;
}

export interface WipeWait extends Watched, WipeBegun {
  readonly timeoutMs: number;
}

export interface WipeBegun {
  /** Seconds since the epoch: what was said before is of an earlier wipe. */
  readonly since: number;
  /** What the device said last before it was to be wiped: of one without a clock, what is newer is known by its number (P-3.8). */
  readonly before?: DeviceRow | undefined;
}

/** What the broker retains of the device. @throws E_BROKER_UNREACHABLE, E_BROKER_REFUSED */
export async function lastWord({ credential, device, broker }: Watched): Promise<DeviceRow | undefined> {
  const status = new FleetStatus({ credential, ...(broker !== undefined && { broker }) });
  try {
    await status.start();
    await status.settle(RETAINED_WAIT_MS);
    return status.rows().find((row) => row.device === device);
  } finally {
    await status.close();
  }
}

/** Whether the row says that nothing is left, and is of this wipe. Another certificate is of an enrolment after that one. */
export function saysWiped({ wiped, at, n, certificate }: DeviceRow, { since, before }: WipeBegun): boolean {
  if (wiped !== true) return false;
  if (at !== UNKNOWN_TIME) return at >= since;
  return before === undefined || certificate !== before.certificate || n > before.n;
}

/** @returns whether the device said in time that nothing is left. @throws E_BROKER_UNREACHABLE, E_BROKER_REFUSED */
export async function untilWiped({ credential, device, broker, timeoutMs, ...begun }: WipeWait): Promise<boolean> {
  const status = new FleetStatus({ credential, ...(broker !== undefined && { broker }) });
  let timer: NodeJS.Timeout | undefined;
  const wiped = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs);
    status.on('row', (row) => {
      if (row.device === device && saysWiped(row, begun)) resolve(true);
    });
  });
  try {
    await status.start();
    return await wiped;
  } finally {
    clearTimeout(timer);
    await status.close();
  }
}
