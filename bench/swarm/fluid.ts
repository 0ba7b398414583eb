/** How fast a swarm could be at best. Pure. */

/** bit/s */
export interface EndLink {
  readonly up: number;
  readonly down: number;
}

/**
 * Until each device has `bytes`, headers included, if bytes were a fluid (Kumar and Ross 2006): no faster than the origin gives one copy, than a device's own
 * link takes it, than all that give together give as many copies as there are devices. Seconds, by device.
 */
export function fluidSeconds(bytes: number, origin: EndLink, devices: readonly EndLink[]): number[] {
  const bits = bytes * 8;
  const ups = devices.reduce((sum, { up }) => sum + up, origin.up);
  return devices.map(({ down }) => bits * Math.max(1 / origin.up, 1 / down, devices.length / ups));
}
