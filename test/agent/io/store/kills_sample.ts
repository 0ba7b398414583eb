import { seededBytes } from '../../../support/artifact_bytes.js';
import { Sample } from '../../../support/sample.js';

/** The artifacts of the test that kills: one version after the other, of which each shares a part with the one before. */

const OWN_BYTES = 1_000_000;
const SHARED_BYTES = 600_000;
const ZEROS = 700_000;
export const SAMPLE_BYTES = OWN_BYTES + SHARED_BYTES + ZEROS;
/** Room for two of them and what goes with them: one version is always on its way out. */
export const QUOTA_BYTES = 2.4 * SAMPLE_BYTES;
export const NAME = 'firmware';

export function killSample(version: number): Promise<Sample> {
  const parts = [seededBytes(`own ${version}`, OWN_BYTES), Buffer.alloc(ZEROS), seededBytes('shared', SHARED_BYTES)];
  return Sample.of(Buffer.concat(parts));
}
