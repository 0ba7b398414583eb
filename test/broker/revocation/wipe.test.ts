import { describe, expect, it } from 'vitest';
import { saysWiped } from '../../../broker/revocation/wipe.js';
import { type DeviceRow, nextRow } from '../../../broker/status/device_row.js';
import type { StatusMessage } from '../../../shared/control/messages.js';

const SINCE = 1_800_000_000;

function row(at: number, n: number, certificate = 'a', wiped = true): DeviceRow {
  const message: StatusMessage = {
    ...{ t: 'status' as const, at, online: false, agent: '1', peers: 0, rollouts: [] },
    ...(wiped && { standing: 'wiped' as const, wiped: true }),
  };
  return nextRow(undefined, { device: 'cam-1', site: 's', certificate, message, n, receivedMs: 0 });
}

describe('P-14.8 the last word of a device', () => {
  it('is of this wipe where it was signed since', () => {
    expect(saysWiped(row(SINCE, 1), { since: SINCE })).toBe(true);
    expect(saysWiped(row(SINCE - 1, 9), { since: SINCE })).toBe(false);
    expect(saysWiped(row(SINCE, 1, 'a', false), { since: SINCE })).toBe(false);
  });

  it('of one without a clock is of this wipe where its number is above what it said before (P-3.8)', () => {
    const before = row(0, 7, 'a', false);
    expect(saysWiped(row(0, 8), { since: SINCE, before })).toBe(true);
    expect(saysWiped(row(0, 1), { since: SINCE })).toBe(true);
    expect(saysWiped(row(0, 8, 'a', false), { since: SINCE, before })).toBe(false);
  });

  it('of one without a clock is of an earlier wipe where it is what was there before', () => {
    const before = row(0, 7);
    expect(saysWiped(row(0, 7), { since: SINCE, before })).toBe(false);
    expect(saysWiped(row(0, 3, 'b'), { since: SINCE, before })).toBe(true);
  });
});
