import type { Credential } from '../../shared/identity/bundle.js';
import { FleetStatus } from '../status/fleet_status.js';

/** Waiting for the last word of a device that is wiped (P-14.8). */

export interface WipeWait {
  /** Of an operator. */
  readonly credential: Credential;
  readonly device: string;
  /** Instead of the bundle's. */
  readonly broker?: string;
  /** Seconds since the epoch: what was said before is of an earlier wipe. */
  readonly since: number;
  readonly timeoutMs: number;
}

/** @returns whether the device said in time that nothing is left. @throws E_BROKER_UNREACHABLE, E_BROKER_REFUSED */
export async function untilWiped({ credential, device, broker, since, timeoutMs }: WipeWait): Promise<boolean> {
  const status = new FleetStatus({ credential, ...(broker !== undefined && { broker }) });
  let timer: NodeJS.Timeout | undefined;
  const wiped = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs);
    status.on('row', (row) => {
      if (row.device === device && row.wiped === true && row.at >= since) resolve(true);
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
