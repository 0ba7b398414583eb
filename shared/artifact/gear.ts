import { createHash } from 'node:crypto';

const SEED = 'chunkmesh gear';

function makeGear(): Int32Array {
  const gear = new Int32Array(256);
  for (let byte = 0; byte < gear.length; byte++) {
    gear[byte] = createHash('sha256').update(SEED, 'ascii').update(Uint8Array.of(byte)).digest().readInt32BE(0);
  }
  return gear;
}

/** P-9.5: one 32-bit value per byte. Signed, because that is what V8 adds without leaving machine integers. */
export const GEAR: Readonly<Int32Array> = makeGear();
