import { describe, expect, it } from 'vitest';
import { nextRow, type StatusReport } from '../../../broker/status/device_row.js';
import type { RolloutProgress, StatusMessage } from '../../../shared/control/messages.js';

const progress: RolloutProgress = {
  name: 'firmware',
  version: '1.0.0',
  artifact: new Uint8Array(32).fill(0xab),
  state: 'fetching',
  held: 1,
  chunks: 4,
  size: 4000,
  fromSeed: 0,
  fromPeers: 0,
  fromDisk: 0,
  wasted: 0,
  seconds: 1,
  error: '',
};

function report(
  receivedMs: number,
  message: Partial<StatusMessage> = {},
  of: Partial<RolloutProgress> = {},
  n = receivedMs,
): StatusReport {
  const rollouts = [{ ...progress, ...of }];
  return {
    device: 'cam-1',
    site: 'hall',
    certificate: 'cd'.repeat(32),
    ...{ receivedMs, n },
    message: { t: 'status', at: 1000, online: true, agent: '0.1.0', peers: 2, rollouts, ...message },
  };
}

describe('nextRow', () => {
  it('says what the first report says, with the artifact in hex and no throughput yet', () => {
    expect(nextRow(undefined, report(0))).toMatchObject({
      device: 'cam-1',
      site: 'hall',
      online: true,
      peers: 2,
      at: 1000,
      bytesPerSecond: 0,
      rollouts: [{ name: 'firmware', artifact: 'ab'.repeat(32) }],
    });
  });

  it('measures throughput between reports, from the network only', () => {
    const first = nextRow(undefined, report(0));
    const second = nextRow(first, report(500, { at: 1001 }, { fromSeed: 600, fromPeers: 400, fromDisk: 9999 }));
    expect(second.bytesPerSecond).toBe(2000);
  });

  it('keeps the last throughput where two reports come together, and measures over both later', () => {
    const first = nextRow(undefined, report(0));
    const second = nextRow(first, report(1000, {}, { fromSeed: 1000 }));
    const third = nextRow(second, report(1010, {}, { fromSeed: 2000 }));
    expect(third.bytesPerSecond).toBe(1000);
    expect(nextRow(third, report(2000, {}, { fromSeed: 2000 })).bytesPerSecond).toBe(1000);
  });

  it('has no throughput once complete, while indexing, offline, or where the account starts anew', () => {
    const first = nextRow(undefined, report(0, {}, { fromSeed: 5000 }));
    expect(nextRow(first, report(1000, {}, { fromSeed: 6000, state: 'complete' })).bytesPerSecond).toBe(0);
    expect(nextRow(first, report(1000, {}, { fromSeed: 6000, state: 'indexing' })).bytesPerSecond).toBe(0);
    expect(nextRow(first, report(1000, { online: false }, { fromSeed: 6000 })).bytesPerSecond).toBe(0);
    expect(nextRow(first, report(1000, {}, { fromSeed: 100 })).bytesPerSecond).toBe(0);
  });

  it('takes the newest `at`, whatever the order of arrival', () => {
    const newer = nextRow(undefined, report(0, { at: 1005 }, { held: 3 }));
    const row = nextRow(newer, report(10, { at: 1001 }, { held: 2 }));
    expect(row.rollouts[0]?.held).toBe(3);
    expect(row.at).toBe(1005);
    expect(nextRow(newer, report(10, { at: 1005 }, { held: 4 })).rollouts[0]?.held).toBe(4);
  });

  it('P-3.8: in one second, and of a device without a clock, takes what has the higher number', () => {
    for (const at of [1005, 0]) {
      const newer = nextRow(undefined, report(0, { at }, { held: 3 }, 9));
      expect(nextRow(newer, report(10, { at }, { held: 2 }, 8)).rollouts[0]?.held).toBe(3);
      expect(nextRow(newer, report(10, { at }, { held: 4 }, 10)).rollouts[0]?.held).toBe(4);
      // The device lost its clock, or got one.
      expect(nextRow(newer, report(10, { at: 1005 - at }, { held: 4 }, 10))).toMatchObject({ at: 1005 - at, n: 10 });
      expect(nextRow(newer, report(10, { at, online: false }, {}, 7))).toMatchObject({ online: false, n: 9 });
    }
  });

  it('lets a will, which is older than what the device said since, only take it offline', () => {
    const row = nextRow(undefined, report(0, { at: 1005 }, { held: 3 }));
    const gone = nextRow(row, report(10, { at: 900, online: false, peers: 0, rollouts: [] }));
    expect(gone).toMatchObject({ online: false, peers: 0, at: 1005, rollouts: [{ held: 3 }] });
    expect(nextRow(gone, report(20, { at: 1006 })).online).toBe(true);
  });
});
