import { describe, expect, it } from 'vitest';
import type { Member } from '../../../broker/fleet/fleet_file.js';
import { Guard, MAX_QUARANTINES_PER_DAY } from '../../../broker/guard/guard.js';
import { MAX_REASON_LENGTH, NoQuarantine, type Quarantine } from '../../../broker/guard/quarantine.js';
import { ShortMemory } from '../../../broker/guard/remembered.js';
import type { Standing } from '../../../broker/guard/verdict.js';
import type { DeviceRow } from '../../../broker/status/device_row.js';
import { ChunkmeshError } from '../../../shared/errors.js';

const NOW = 1_900_000_000;
const DAY = 86_400;
const HASH = 'ab'.repeat(32);

function row(device: string, ...accused: string[]): DeviceRow {
  return {
    certificate: HASH,
    ...{ device, site: 'hall', online: true, agent: '0.1.0', peers: 1, at: NOW, rollouts: [], bytesPerSecond: 0 },
    n: 1,
    sample: { receivedMs: 0, bytes: 0 },
    reports: accused.map((one) => ({
      ...{ device: one, artifact: HASH, chunk: 1, expected: HASH, found: HASH, at: NOW - 10, count: 1 },
    })),
  };
}

/** Said so much later. */
const shifted = (one: DeviceRow, seconds: number): DeviceRow => ({
  ...{ ...one, at: one.at + seconds },
  reports: one.reports.map((report) => ({ ...report, at: report.at + seconds })),
});

const member = (id: string): Member => ({
  id,
  role: 'device',
  site: 'hall',
  groups: [],
  fingerprint: HASH,
  notAfter: 0,
});

/** A revocation list of the test's. */
class List implements Quarantine {
  readonly out = new Set<string>();
  readonly restored = new Map<string, number>();
  readonly asked: string[] = [];
  /** Thrown by what would change it, while it is set. */
  failure: Error | undefined;
  /** Whether what is done to it shows in it. */
  isPrompt = true;

  async standing(): Promise<Standing> {
    return { out: this.out, restored: this.restored };
  }

  async quarantine(device: string, reason: string): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    this.asked.push(`${device}: ${reason}`);
    if (this.isPrompt) this.out.add(device);
  }
}

class Stage {
  readonly list = new List();
  readonly said: string[] = [];
  readonly guard: Guard;
  rows: DeviceRow[] = [];
  now = NOW;

  constructor(ids: readonly string[], quarantine: Quarantine = this.list, threshold = 2) {
    this.guard = new Guard({
      rules: { threshold, sites: 1, windowSeconds: 7 * DAY },
      rows: () => this.rows,
      roster: async () => ids.map(member),
      quarantine,
      now: () => this.now,
    });
    for (const event of ['quarantined', 'contested', 'braked', 'accused', 'suspicious'] as const) {
      this.guard.on(event, ({ device }: { device: string }) => void this.said.push(`${event} ${device}`));
    }
    this.guard.on('failed', ({ code }) => void this.said.push(`failed ${code}`));
  }
}

const IDS = ['m', 'a', 'b', 'c', 'd'];

describe('P-15.4 a guard', () => {
  it('throws out whom enough accuse, once, and says why', async () => {
    const stage = new Stage(IDS);
    stage.rows = [row('a', 'm'), row('b', 'm'), row('c', 'm'), row('d')];
    await stage.guard.look();
    await stage.guard.look();
    expect(stage.list.asked).toEqual(['m: wrong bytes by report of a, b and 1 more (threshold 2)']);
    expect(stage.said).toEqual(['quarantined m']);
  });

  it('P-15.3: hears nobody who signs with another certificate than the one that the roster has', async () => {
    const stage = new Stage(IDS);
    stage.rows = [row('a', 'm'), { ...row('b', 'm'), certificate: 'cd'.repeat(32) }];
    await stage.guard.look();
    expect(stage.said).toEqual(['accused m']);
  });

  it('tells once who is accused by fewer, and again when there is one more', async () => {
    const stage = new Stage(IDS, undefined, 3);
    stage.rows = [row('a', 'm')];
    for (let i = 0; i < 3; i++) await stage.guard.look();
    stage.rows = [row('a', 'm'), row('b', 'm')];
    await stage.guard.look();
    expect([stage.said, stage.list.asked]).toEqual([['accused m', 'accused m'], []]);
  });

  it('does nothing by itself where both sides are at the threshold, or one accuses too many, and says so', async () => {
    const stage = new Stage([...IDS, '1', '2', '3', '4', '5']);
    stage.rows = [row('a', 'm'), row('b', 'm'), row('m', 'a'), row('c', 'a'), row('d', '1', '2', '3', '4', '5')];
    await stage.guard.look();
    await stage.guard.look();
    expect([stage.said, stage.list.asked]).toEqual([['contested a', 'contested m', 'suspicious d'], []]);
  });

  it('goes on where a quarantine fails, and tries it again', async () => {
    const stage = new Stage(IDS);
    stage.rows = [row('a', 'm'), row('b', 'm')];
    stage.list.failure = new ChunkmeshError('E_BROKER_UNREACHABLE', 'no broker');
    await stage.guard.look();
    stage.list.failure = new Error('a fault');
    await stage.guard.look();
    stage.list.failure = undefined;
    await stage.guard.look();
    expect(stage.said).toEqual(['failed E_BROKER_UNREACHABLE', 'failed E_INTERNAL', 'quarantined m']);
  });

  it('is told by a list that is behind nothing twice, and judges anew who was let in since', async () => {
    const stage = new Stage(IDS);
    stage.list.isPrompt = false;
    stage.rows = [row('a', 'm'), row('b', 'm')];
    for (let i = 0; i < 3; i++) await stage.guard.look();
    expect(stage.list.asked).toHaveLength(1);
    stage.list.restored.set('m', NOW + 1_000);
    stage.now = NOW + 2_000;
    await stage.guard.look();
    expect(stage.list.asked).toHaveLength(1);
    stage.rows = [shifted(row('a', 'm'), 1_600), shifted(row('b', 'm'), 1_600)];
    await stage.guard.look();
    expect(stage.list.asked).toHaveLength(2);
  });

  it('P-15.3: does not judge who was let in by what is over, also where the list does not say when, and it was off meanwhile', async () => {
    const memory = new ShortMemory();
    const ids = IDS;
    const of = (list: List, now: number, ...rows: DeviceRow[]): Promise<void> =>
      new Guard({
        ...{ rules: { threshold: 2, sites: 1, windowSeconds: 7 * DAY }, rows: () => rows, memory, quarantine: list },
        ...{ roster: async () => ids.map(member), now: () => now },
      }).look();
    const list = new List();
    await of(list, NOW, row('a', 'm'), row('b', 'm'));
    await of(list, NOW + 10, row('a', 'm'), row('b', 'm'));
    list.out.delete('m');
    await of(list, NOW + 20, row('a', 'm'), row('b', 'm'));
    await of(list, NOW + 3 * DAY, row('a', 'm'), row('b', 'm'));
    expect(list.asked).toHaveLength(1);
    const later = (device: string): DeviceRow => ({ ...shifted(row(device, 'm'), DAY) });
    await of(list, NOW + 3 * DAY, later('a'), later('b'));
    expect(list.asked).toHaveLength(2);
  });

  it('P-15.3: looking once a day, does not throw out again by the same reports whom a person let in the same day', async () => {
    const memory = new ShortMemory();
    const list = new List();
    const rows = [row('a', 'm'), row('b', 'm')];
    const once = (now: number, said = rows): Promise<void> =>
      new Guard({
        ...{ rules: { threshold: 2, sites: 1, windowSeconds: 7 * DAY }, rows: () => said, memory, quarantine: list },
        ...{ roster: async () => IDS.map(member), now: () => now },
      }).look();
    await once(NOW);
    list.out.delete('m');
    for (let day = 1; day <= 6; day++) await once(NOW + day * DAY);
    expect(list.asked).toHaveLength(1);
    // What is new counts: it was let in by the second look.
    const anew = ['a', 'b'].map((device) => shifted(row(device, 'm'), 6 * DAY));
    await once(NOW + 6 * DAY + 10, anew);
    expect(list.asked).toHaveLength(2);
  });

  it('P-15.3: nor by a clock that was set back meanwhile', async () => {
    const stage = new Stage(IDS);
    stage.rows = [row('a', 'm'), row('b', 'm')];
    await stage.guard.look();
    stage.list.out.clear();
    stage.now = NOW - 5;
    for (let i = 0; i < 2; i++) await stage.guard.look();
    expect(stage.list.asked).toHaveLength(1);
  });

  describe('P-15.3: of a device that was enrolled anew', () => {
    const look = async (notBefore: number, over: Partial<Member> = {}): Promise<number> => {
      const list = new List();
      await new Guard({
        ...{ rules: { threshold: 2, sites: 1, windowSeconds: 7 * DAY }, quarantine: list, now: () => NOW },
        rows: () => [row('a', 'm'), row('b', 'm')],
        roster: async () => IDS.map((id) => ({ ...member(id), ...(id === 'm' && { notBefore, ...over }) })),
      }).look();
      return list.asked.length;
    };
    // Reports are of NOW - 10, certificates dated back by 300 s.
    it.each([
      ['what its certificate from before did counts no more', NOW - 10 - 299, 0],
      ['also where the new one is valid later than now', NOW + 60, 0],
      ['what the new one does counts from the second of its making', NOW - 10 - 300, 1],
      ['and long after', NOW - DAY, 1],
    ])('%s', async (_, notBefore, asked) => {
      expect(await look(notBefore)).toBe(asked);
    });

    it('one that it renewed itself forgives nothing', async () => {
      expect(await look(NOW - 10, { before: [{ fingerprint: HASH, notAfter: NOW + DAY }] })).toBe(1);
    });
  });

  it(`throws out ${MAX_QUARANTINES_PER_DAY} in a day by itself, and then asks for a person`, async () => {
    const liars = Array.from({ length: 12 }, (_, i) => `m${i}`);
    const witnesses = Array.from({ length: 8 }, (_, i) => `w${i}`);
    const stage = new Stage([...liars, ...witnesses]);
    // Each accuses three, each is accused by two.
    stage.rows = witnesses.map((w, i) => row(w, ...liars.slice(3 * Math.floor(i / 2), 3 * Math.floor(i / 2) + 3)));
    await stage.guard.look();
    await stage.guard.look();
    expect(stage.list.asked).toHaveLength(MAX_QUARANTINES_PER_DAY);
    expect(stage.said.filter((one) => one.startsWith('braked'))).toHaveLength(4);
    stage.now = NOW + DAY + 1;
    await stage.guard.look();
    expect(stage.list.asked).toHaveLength(12);
  });

  it('has one look follow another, however many are asked for at once', async () => {
    const stage = new Stage(IDS);
    stage.rows = [row('a', 'm'), row('b', 'm')];
    await Promise.all([stage.guard.look(), stage.guard.look(), stage.guard.look()]);
    expect(stage.said).toEqual(['quarantined m']);
  });

  it('gives a reason of one line, however long the names', async () => {
    const long = ['a', 'b', 'c'].map((one) => one.repeat(64));
    const stage = new Stage(['m', ...long]);
    stage.rows = long.map((one) => row(one, 'm'));
    await stage.guard.look();
    expect(stage.list.asked[0]).toMatch(/ and 1 more \(threshold 2\)$/);
    expect(stage.list.asked[0]?.length).toBeLessThan(MAX_REASON_LENGTH);
  });

  it('with no quarantine behind it does as if there were one', async () => {
    const out = new Set(['b']);
    const stage = new Stage(IDS, new NoQuarantine(async () => ({ out, restored: new Map() })));
    stage.rows = [row('a', 'm'), row('b', 'm')];
    await stage.guard.look();
    expect(stage.said).toEqual(['accused m']);
    stage.rows.push(row('c', 'm'));
    for (let i = 0; i < 2; i++) await stage.guard.look();
    expect(stage.said).toEqual(['accused m', 'quarantined m']);
  });

  it('E_ARGUMENT: refuses a threshold of one', () => {
    expect(() => new Stage(IDS, undefined, 1)).toThrowError(expect.objectContaining({ code: 'E_ARGUMENT' }));
  });
});
