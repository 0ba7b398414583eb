import { expect, it } from 'vitest';
import { makeTestFile } from '../../bench/contenders/test_file.js';
import { startFlow, withLab } from '../../bench/link_flows.js';
import { Flow } from '../../bench/mesh/mesh.js';
import { requirement } from '../support/requirement.js';
import { temporaryFolder } from '../support/store_fixture.js';
import { labLacks } from './lab.js';

/** Real agents over the emulated link. */

const lacks = labLacks();
const describe = requirement('a lab', lacks === undefined, lacks ?? '');

const SIZE = 2_000_000;
const LINK = { rate: 50e6, queue: 125_000, delay: 10, loss: 0.01, reorder: 0.02, duplicate: 0.02, seed: 5 };

describe('an artifact', () => {
  it('crosses a link that loses, reorders and repeats, to the finished file', async () => {
    const folder = await temporaryFolder();
    const file = await makeTestFile(folder, SIZE);
    await withLab(1, LINK, async (lab) => {
      const flow = await startFlow(lab, 0, { kind: 'background', file, folder });
      if (!(flow instanceof Flow)) throw new Error('not a flow of agents');
      const { secondsComplete } = await flow.complete();
      await flow.stop();
      const { right, left } = await lab.count();
      expect(flow.bytes).toBe(SIZE);
      expect((SIZE * 8) / secondsComplete).toBeLessThan(LINK.rate);
      expect(right.lost).toBeGreaterThan(0);
      expect(right.delivered[0]).toBeGreaterThan(SIZE);
      expect(left.bytes).toBeLessThan(SIZE / 5);
    });
  });
});
