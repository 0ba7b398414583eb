import { describe, expect, it } from 'vitest';
import { StatusClock, statesOf, statusMessage } from '../../agent/status.js';
import {
  decodeMessage,
  encodeMessage,
  type RolloutProgress,
  type WrongChunkReport,
} from '../../shared/control/messages.js';
import { MAX_CERTIFICATE_BYTES, MAX_MESSAGE_BYTES } from '../../shared/limits.js';

const HEARTBEAT_MS = 60_000;

describe('StatusClock', () => {
  it('is due at once, then an interval after the last where something moves', () => {
    const clock = new StatusClock(2000);
    expect(clock.due).toBe(Number.NEGATIVE_INFINITY);
    clock.said(1000);
    clock.changed();
    expect(clock.due).toBe(3000);
  });

  it('is due once a minute where nothing moves', () => {
    const clock = new StatusClock(2000);
    clock.said(1000);
    expect(clock.due).toBe(1000 + HEARTBEAT_MS);
  });

  it('is due an interval after the last once the wall clock was set, forwards or back, and not for its drift', () => {
    let ahead = 1_900_000_000_000;
    const clock = new StatusClock(2000, 2000, () => ahead);
    clock.said(1000);
    ahead += 1_999;
    expect(clock.due).toBe(1000 + HEARTBEAT_MS);
    for (const step of [1, -4_000, 86_400_000]) {
      ahead += step;
      expect(clock.due).toBe(3000);
    }
    clock.said(3000);
    expect(clock.due).toBe(3000 + HEARTBEAT_MS);
  });

  it('is hurried by no number of changes', () => {
    const clock = new StatusClock(2000);
    clock.said(1000);
    for (let i = 0; i < 100; i++) clock.changed();
    expect(clock.due).toBe(3000);
    clock.said(3000);
    expect(clock.due).toBe(3000 + HEARTBEAT_MS);
  });

  it('P-4.7: has progress published ever more seldom, up to a limit, and another state at once', () => {
    const clock = new StatusClock(2000, 16_000);
    const published: number[] = [];
    for (let now = 0; now < 60_000; now += 2000) if (clock.publishes(now, 'fetching')) published.push(now / 1000);
    expect(published).toEqual([0, 2, 6, 14, 30, 46]);
    expect(clock.publishes(60_000, 'complete')).toBe(true);
    expect(clock.publishes(61_999, 'complete')).toBe(false);
    expect(clock.publishes(62_000, 'complete')).toBe(true);
  });

  it('P-4.7: has each status published where an interval was chosen', () => {
    const clock = new StatusClock(50);
    for (let now = 0; now < 1000; now += 50) expect(clock.publishes(now, 'fetching')).toBe(true);
  });

  it('P-4.7: has it published at once where the broker is another, or the clock was set', () => {
    let ahead = 0;
    const clock = new StatusClock(2000, 16_000, () => ahead);
    expect(clock.publishes(0, 'complete')).toBe(true);
    expect(clock.publishes(1000, 'complete')).toBe(false);
    clock.forget();
    expect(clock.publishes(1001, 'complete')).toBe(true);
    ahead = 5_000;
    expect(clock.publishes(1002, 'complete')).toBe(true);
  });
});

describe('P-10.1 a rollout that every device hears of at once', () => {
  it('is said of when it is joined, and a heartbeat as ever', () => {
    const clock = new StatusClock(2000, 32_000);
    expect(clock.publishes(-50_000, 'idle')).toBe(true);
    clock.said(-50_000);
    clock.changed();
    clock.quiet(30_000);
    expect(clock.publishes(0, 'idle')).toBe(false);
    clock.said(0, false);
    expect(clock.due).toBe(10_000);
    expect(clock.publishes(10_000, 'idle')).toBe(true);
    clock.said(10_000);
    expect(clock.due).toBe(30_000);
    expect(clock.publishes(30_000, 'idle, fetching')).toBe(true);
    clock.said(30_000);
    expect(clock.due).toBe(30_000 + HEARTBEAT_MS);
  });

  it('is said of when it is joined though another is joined before that, or after', () => {
    for (const joins of [
      [30_000, 1_000],
      [1_000, 30_000],
    ]) {
      const clock = new StatusClock(2000, 32_000, () => 0);
      clock.publishes(0, '');
      clock.said(0);
      for (const at of joins) clock.quiet(at);
      clock.changed();
      const published: number[] = [];
      for (let now = clock.due; now <= 40_000; now = clock.due) {
        const news = clock.publishes(now, String(joins.filter((at) => at <= now)));
        if (news) published.push(now);
        clock.said(now, news);
      }
      expect(published).toEqual([2_000, 30_000]);
    }
  });

  it('keeps no more times than there may be rollouts', () => {
    const clock = new StatusClock(2000, 32_000, () => 0);
    clock.said(0);
    for (let i = 0; i < 1_000; i++) clock.quiet(50_000 - i);
    const due: number[] = [];
    for (let now = clock.due; now < 50_001; now = clock.due) {
      due.push(now);
      clock.said(now, true);
    }
    expect(due).toHaveLength(16);
  });

  it('does not keep what else is new from being said', () => {
    const clock = new StatusClock(2000, 32_000);
    clock.publishes(0, 'one fetching');
    clock.quiet(60_000);
    expect(clock.publishes(1000, 'one complete')).toBe(true);
  });
});

describe('P-4.7 statesOf', () => {
  const row = {
    name: 'app',
    version: '1',
    chunks: 1,
    size: 1,
    fromSeed: 0,
    fromPeers: 0,
    fromDisk: 0,
    wasted: 0,
    seconds: 0,
    error: '',
  };
  const states = (over: Partial<RolloutProgress>, joining = new Set<string>()): string => {
    const progress: RolloutProgress = { ...row, artifact: new Uint8Array(32), state: 'fetching', held: 0, ...over };
    return statesOf(statusMessage({ at: 1, online: true, agent: '0.1.0', peers: 2, rollouts: [progress] }), joining);
  };

  it('differs by state, error, name and version, and not by progress', () => {
    expect(states({ held: 1, fromPeers: 9, seconds: 3 })).toBe(states({}));
    const others: Partial<RolloutProgress>[] = [
      { state: 'complete' },
      { error: 'E_STORE_IO' },
      { name: 'b' },
      { version: '2' },
    ];
    for (const other of others) expect(states(other)).not.toBe(states({}));
  });

  it('P-15.2: differs by a report that is new, and by what is new of a device that was reported before', () => {
    const bytes = new Uint8Array(32);
    const report = { device: 'mallory', artifact: bytes, chunk: 3, expected: bytes, found: bytes, at: 9, count: 1 };
    const of = (...reports: WrongChunkReport[]): string =>
      statesOf(statusMessage({ at: 1, online: true, agent: '0.1.0', peers: 2, rollouts: [], reports }), new Set());
    const all = [of(), of(report), of({ ...report, at: 10 }), of({ ...report, count: 2 })];
    expect(new Set([...all, of({ ...report, device: 'other' }), of(report, { ...report, device: 'other' })]).size).toBe(
      6,
    );
  });

  it('leaves out a rollout that waits to be joined', () => {
    const joining = new Set(['00'.repeat(32)]);
    expect(states({ state: 'complete' }, joining)).toBe(states({}, joining));
  });
});

describe('P-4.7 statusMessage', () => {
  const progress = (i: number): RolloutProgress => ({
    name: `app${i}`,
    version: '1',
    artifact: new Uint8Array(32),
    state: 'fetching',
    held: 0,
    chunks: 1,
    size: 1,
    fromSeed: 0,
    fromPeers: 0,
    fromDisk: 0,
    wasted: 0,
    seconds: 0.5,
    error: '',
  });
  const of = (count: number) =>
    statusMessage({
      at: 1,
      online: true,
      agent: '0.1.0',
      peers: 2,
      rollouts: Array.from({ length: count }, (_, i) => progress(i)),
    });

  it('is one that its reader takes, with 16 rollouts at most', () => {
    for (const count of [0, 1, 16, 17, 100]) {
      const message = of(count);
      expect(message.rollouts.length).toBe(Math.min(count, 16));
      expect(decodeMessage('status', encodeMessage(message))).toEqual(message);
    }
  });

  it('has its fields in the order of the protocol', () => {
    expect(Object.keys(of(0))).toEqual(['t', 'at', 'online', 'agent', 'peers', 'rollouts']);
    const metered = statusMessage({ at: 1, online: true, agent: '0.1.0', peers: 2, metered: 'fetch', rollouts: [] });
    expect(Object.keys(metered)).toEqual(['t', 'at', 'online', 'agent', 'peers', 'metered', 'rollouts']);
  });
});

describe('P-4.7: a status with everything at its longest', () => {
  const long = 'x'.repeat(64);
  const most = 2 ** 36;
  const rollouts: RolloutProgress[] = Array.from({ length: 16 }, () => ({
    ...{
      name: long,
      version: long,
      artifact: new Uint8Array(32),
      state: 'indexing',
      hold: true,
      held: most,
      chunks: most,
      size: most,
    },
    ...{
      fromSeed: most,
      fromPeers: most,
      fromDisk: most,
      fromHttp: most,
      wasted: most,
      seconds: 1e9 + 0.1,
      error: 'E'.repeat(64),
    },
  }));
  const ranges = Array.from({ length: 16 }, (): [number, number] => [most, most]);
  const integrity = Array.from({ length: 16 }, () => ({
    ...{
      name: long,
      version: long,
      state: 'unreadable' as const,
      at: most,
      ranges,
      more: true,
      repaired: Number.MAX_SAFE_INTEGER,
    },
  }));
  const alerts = Array.from({ length: 8 }, () => ({
    ...{ n: Number.MAX_SAFE_INTEGER, kind: long, text: 'x'.repeat(256), at: most, count: Number.MAX_SAFE_INTEGER },
  }));

  it('P-2.7: stays a fifth of the limit of a message', () => {
    const message = statusMessage({
      ...{ at: most, online: false, agent: long, peers: most, metered: 'urgent' as const, rollouts },
      ...{ integrity, alerts, moreAlerts: Number.MAX_SAFE_INTEGER },
    });
    const payload = encodeMessage(message);
    expect(decodeMessage('status', payload)).toEqual(message);
    // With a certificate at its longest, and the rest of an envelope.
    expect(payload.length + MAX_CERTIFICATE_BYTES + 200).toBeLessThan(MAX_MESSAGE_BYTES / 5);
  });

  it('has an alert, and what is installed, told soon, and not that it was looked at again', () => {
    const message = statusMessage({ at: 1, online: true, agent: '', peers: 0, rollouts: [] });
    const states = (more: object): string => statesOf({ ...message, ...more }, new Set());
    const row = { name: 'a', version: '1', state: 'ok' as const, at: 5 };
    const alert = { n: 1, kind: 'a', text: '', at: 5, count: 1 };
    expect(states({ integrity: [row] })).not.toBe(states({}));
    expect(states({ integrity: [{ ...row, at: 9 }] })).toBe(states({ integrity: [row] }));
    expect(states({ integrity: [{ ...row, state: 'mismatch', ranges: [[0, 1]] }] })).not.toBe(
      states({ integrity: [row] }),
    );
    expect(states({ alerts: [alert] })).not.toBe(states({}));
    expect(states({ alerts: [{ ...alert, n: 2 }] })).not.toBe(states({ alerts: [alert] }));
  });
});
