import { expect, it } from 'vitest';
import { egress } from './http_egress.js';

/** P-11.4: what leaves the one server of a fleet without a seed. CHUNKMESH_SIM=long: a thousand devices. */

const FLEETS = process.env.CHUNKMESH_SIM === 'long' ? [8, 32, 100, 300, 1000] : [8, 32, 100];

it.each(FLEETS)(
  'a fleet of %i alone with a server takes less than two copies from it, and asks it some 8 times a second',
  (devices) => {
    const found = egress({ devices, chunks: 200, seed: devices });
    expect(found.seconds).toBeLessThan(120);
    expect(found.copies).toBeGreaterThanOrEqual(1);
    expect(found.copies).toBeLessThan(2);
    expect(found.peakPerSecond).toBeLessThan(30);
  },
);

it('a device that is alone takes one copy', () => {
  expect(egress({ devices: 1, chunks: 200, seed: 1 })).toMatchObject({ copies: 1 });
});
