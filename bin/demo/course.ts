import type { DeviceRow } from '../../broker/status/device_row.js';

/** The course of a demo: what is known of each device, from one event to the next. Pure. */

const QUARTERS = 4;

export interface DeviceCourse {
  readonly device: string;
  readonly held: number;
  readonly chunks: number;
  readonly peers: number;
  readonly bytesPerSecond: number;
  readonly fromSeed: number;
  readonly fromPeers: number;
  readonly wasted: number;
  /** From publish; absent until complete. */
  readonly seconds?: number;
  /** The finished file. */
  readonly path?: string;
  /** Hashed by the demo itself, against the source; absent until then. */
  readonly sha256Ok?: boolean;
  /** Why it will not complete. */
  readonly failure?: string;
}

export type Course = ReadonlyMap<string, DeviceCourse>;

export interface Account {
  readonly fromSeed: number;
  readonly fromPeers: number;
  readonly wasted: number;
}

export type CourseEvent =
  | { readonly kind: 'status'; readonly row: DeviceRow; readonly rollout: string }
  | {
      readonly kind: 'complete';
      readonly device: string;
      readonly seconds: number;
      readonly path: string;
      readonly account: Account;
    }
  | { readonly kind: 'hashed'; readonly device: string; readonly sha256Ok: boolean }
  | { readonly kind: 'failed'; readonly device: string; readonly why: string };

const NEW: Omit<DeviceCourse, 'device'> = {
  held: 0,
  chunks: 0,
  peers: 0,
  bytesPerSecond: 0,
  fromSeed: 0,
  fromPeers: 0,
  wasted: 0,
};

export function newCourse(devices: readonly string[]): Course {
  return new Map(devices.map((device) => [device, { device, ...NEW }]));
}

export const isComplete = ({ seconds }: DeviceCourse): boolean => seconds !== undefined;

/** Whether nothing more is to be waited for. */
export function isOver(course: Course): boolean {
  return [...course.values()].every((one) => isComplete(one) || one.failure !== undefined);
}

/** Quarters of the artifact that are held, 0 to 4, and 4 only where it is complete. */
export function quarters(one: DeviceCourse): number {
  if (isComplete(one)) return QUARTERS;
  return one.chunks === 0 ? 0 : Math.min(QUARTERS - 1, Math.floor((one.held / one.chunks) * QUARTERS));
}

function afterStatus(one: DeviceCourse, row: DeviceRow, rollout: string): DeviceCourse {
  const peers = { ...one, peers: row.peers, bytesPerSecond: row.bytesPerSecond };
  const progress = row.rollouts.find(({ name }) => name === rollout);
  // What the device said of its completion is later than any status still on its way.
  if (progress === undefined || isComplete(one)) return peers;
  const { held, chunks, fromSeed, fromPeers, wasted } = progress;
  return { ...peers, held, chunks, fromSeed, fromPeers, wasted };
}

function afterEvent(one: DeviceCourse, event: CourseEvent): DeviceCourse {
  switch (event.kind) {
    case 'status':
      return afterStatus(one, event.row, event.rollout);
    case 'complete':
      if (isComplete(one)) return one;
      return {
        ...one,
        ...event.account,
        held: one.chunks,
        seconds: event.seconds,
        path: event.path,
        bytesPerSecond: 0,
      };
    case 'hashed':
      return { ...one, sha256Ok: event.sha256Ok };
    case 'failed':
      return { ...one, failure: one.failure ?? event.why, bytesPerSecond: 0 };
  }
}

/** Events of anyone who is no device of this demo, as the seed, change nothing. */
export function advance(course: Course, event: CourseEvent): Course {
  const device = event.kind === 'status' ? event.row.device : event.device;
  const one = course.get(device);
  if (one === undefined) return course;
  return new Map(course).set(device, afterEvent(one, event));
}
