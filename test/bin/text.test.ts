import { describe, expect, it } from 'vitest';
import { readableLine } from '../../bin/log.js';
import { formatReports } from '../../bin/reports_text.js';
import { endingNote, formatStatus, listDevices, statusJson } from '../../bin/status_table.js';
import { formatTable } from '../../bin/table.js';
import { formatAge, formatBytes, formatPercent, formatRate } from '../../bin/units.js';
import type { DeviceRow, ReportRow } from '../../broker/status/device_row.js';
import { INDEX_CHUNK } from '../../shared/limits.js';

describe('units', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [999_949, '999.9 kB'],
    [999_950, '1.0 MB'],
    [95_400_000, '95.4 MB'],
    [2 ** 36, '68.7 GB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it('says 100 % only where nothing is missing', () => {
    expect(formatPercent(999_999, 1_000_000)).toBe('99 %');
    expect(formatPercent(1, 1)).toBe('100 %');
    expect(formatPercent(0, 0)).toBe('-');
  });

  it('writes rates and ages to one unit', () => {
    expect(formatRate(1234.5)).toBe('1.2 kB/s');
    expect([3, 119, 120, 7200, 172_800].map(formatAge)).toEqual(['3 s', '119 s', '2 min', '2 h', '2 d']);
    expect(formatAge(-5)).toBe('0 s');
  });
});

describe('formatTable', () => {
  it('is as wide as its widest cells', () => {
    const table = formatTable([{ title: 'a' }, { title: 'bytes', align: 'right' }], [['longer', '1'], ['x']]);
    expect(table.split('\n')).toEqual(['a       bytes', '------  -----', 'longer      1', 'x']);
  });
});

const rollout = {
  name: 'firmware',
  version: '2.0.0',
  artifact: 'ab'.repeat(32),
  state: 'fetching' as const,
  held: 3,
  chunks: 4,
  size: 1000,
  fromSeed: 500,
  fromPeers: 250,
  fromDisk: 0,
  wasted: 0,
  seconds: 2,
  error: '',
};
const row: DeviceRow = {
  device: 'cam-1',
  site: 'hall',
  online: true,
  certificate: 'cd'.repeat(32),
  agent: '0.1.0',
  peers: 2,
  at: 1000,
  rollouts: [rollout],
  reports: [],
  bytesPerSecond: 1500.4,
  n: 1,
  sample: { receivedMs: 1, bytes: 750 },
};

describe('status', () => {
  it('has a line for each rollout of each device', () => {
    const blocked = { ...rollout, name: 'model', state: 'blocked' as const, held: 0, error: 'E_DISK_FULL' };
    const idle = { ...row, device: 'cam-2', online: false, peers: 0, rollouts: [], bytesPerSecond: 0 };
    const fetching = { ...rollout, fromHttp: 4_200_000 };
    const lines = formatStatus(listDevices([{ ...row, rollouts: [fetching, blocked] }, idle], []), 1012).split('\n');
    expect(lines).toHaveLength(5);
    expect(lines[2]).toMatch(
      /^cam-1 +hall +online +firmware +2\.0\.0 +fetching +75 % +2 +4\.2 MB +1\.5 kB\/s +12 s ago$/,
    );
    expect(lines[3]).toMatch(/^cam-1 .* model +2\.0\.0 +blocked E_DISK_FULL +0 % /);
    expect(lines[4]).toMatch(/^cam-2 +hall +offline +- +- +- +- +0 +- +- +12 s ago$/);
  });

  it('says of a rollout that its owner holds back that it is held', () => {
    const held = { ...row, rollouts: [{ ...rollout, state: 'paused' as const, hold: true }] };
    expect(formatStatus(listDevices([held], []), 1012)).toMatch(/ 2\.0\.0 +held +75 % /);
    expect(statusJson({ device: 'cam-1', site: 'hall', row: held })).toMatchObject({
      rollouts: [{ state: 'paused', hold: true }],
    });
  });

  it('says of a device over a metered link that it is, as long as it is there', () => {
    const metered = { ...row, metered: 'urgent' as const };
    expect(formatStatus(listDevices([metered], []), 1012)).toMatch(/ metered: urgent +firmware /);
    expect(formatStatus(listDevices([{ ...metered, online: false }], []), 1012)).toMatch(/ offline +firmware /);
    expect(statusJson({ device: 'cam-1', site: 'hall', row: metered })).toMatchObject({ metered: 'urgent' });
  });

  it('lists who of the roster was never seen, and nobody but devices and seeds', () => {
    const member = { site: 'yard', groups: [], fingerprint: '', notAfter: 0 };
    const roster = [
      { ...member, id: 'operator', role: 'operator' as const },
      { ...member, id: 'cam-0', role: 'device' as const },
      { ...member, id: 'cam-1', role: 'device' as const },
    ];
    const listed = listDevices([row], roster);
    expect(listed.map(({ device }) => device)).toEqual(['cam-0', 'cam-1']);
    expect(formatStatus(listed, 1012)).toMatch(/^cam-0 +yard +(- +){8}never seen$/m);
    expect(listed.map(statusJson)).toMatchObject([
      { device: 'cam-0', site: 'yard', seen: false, online: false, rollouts: [] },
      { device: 'cam-1', seen: true },
    ]);
  });

  it('P-14.5: says whom the list names, of those who have not heard of it yet, too', () => {
    const member = { site: 'yard', groups: [], fingerprint: '', notAfter: 0, role: 'device' as const };
    const standings = { 'cam-0': 'quarantined', 'cam-1': 'revoked', 'cam-2': 'wiped', 'cam-3': 'good' } as const;
    const ids = Object.keys(standings) as (keyof typeof standings)[];
    const roster = ids.map((id) => ({ ...member, id }));
    const listed = listDevices([row], roster, ({ id }) => standings[id as keyof typeof standings]);
    const links = formatStatus(listed, 1012).split('\n').slice(2, 6);
    expect(links.map((line) => line.split(/ {2,}/)[2])).toEqual(['to quarantine', 'revoked', 'to wipe', '-']);
    expect(listed.map((one) => statusJson(one))).toMatchObject(
      ['quarantined', 'revoked', 'wiped', null].map((standing) => ({ listed: standing })),
    );
  });

  it('says so where there is nobody to list', () => {
    expect(formatStatus([], 0)).toBe('the fleet has no device yet');
  });

  it('P-13.12: says whose certificates end within 14 days, and how long all are good', () => {
    const day = 86_400;
    const ends = (device: string, at: number) => ({ device, site: 'yard', certificateEnds: at });
    expect(endingNote([ends('cam-1', 15 * day), { device: 'cam-2', site: 'yard' }], day)).toBeNull();
    const note = endingNote([ends('cam-1', 15 * day - 1), ends('cam-2', day - 1)], day);
    expect(note).toMatch(/^certificates that end soon: cam-1 \(13 d\), cam-2 \(ended\); /);
    const many = Array.from({ length: 10 }, (_, i) => ends(`cam-${i}`, 0));
    expect(endingNote(many, day)).toContain('cam-7 (ended) and 2 more;');
    expect(statusJson(ends('cam-1', 5))).toMatchObject({ certificateEnds: 5 });
    expect(statusJson({ ...ends('cam-1', 5), row })).toMatchObject({ certificateEnds: 5, seen: true });
  });

  it('leaves out of JSON what only the next row needs', () => {
    const [listed = { device: '', site: '' }] = listDevices([row], []);
    expect(statusJson(listed)).not.toHaveProperty('sample');
    expect(statusJson(listed)).toMatchObject({ device: 'cam-1', bytesPerSecond: 1500 });
  });
});

describe('reports of wrong bytes', () => {
  const hash = 'ab'.repeat(32);
  const report = { device: 'mallory', artifact: rollout.artifact, chunk: 7, expected: hash, found: hash };
  const says = (device: string, over: Partial<ReportRow> = {}): DeviceRow => ({
    ...{ ...row, device },
    reports: [{ ...report, at: 990, count: 1, ...over }],
  });

  it('P-15.2: are a line for each accused, with who says so, what, how often and when', () => {
    const rows = [
      says('cam-1', { count: 3 }),
      says('cam-2', { chunk: INDEX_CHUNK, artifact: 'cd'.repeat(32) }),
      says('cam-3', { device: 'other' }),
    ];
    expect(formatReports(rows, 1012)).toEqual([
      'wrong bytes from mallory, by report of cam-1 (chunk 7 of firmware 2.0.0, 3 in all, 22 s ago), cam-2 (the index of artifact cdcdcdcdcdcd, 22 s ago)',
      'wrong bytes from other, by report of cam-3 (chunk 7 of firmware 2.0.0, 22 s ago)',
    ]);
    expect(formatReports([row], 1012)).toEqual([]);
  });

  it('are no flood, however many accuse how many', () => {
    const crowd = Array.from({ length: 100 }, (_, i) => says(`cam-${i}`));
    const many = Array.from({ length: 100 }, (_, i) => says(`cam-${i}`, { device: `d${i}` }));
    const lines = formatReports([...crowd, ...many], 1012);
    expect(lines).toHaveLength(21);
    expect(lines[0]).toMatch(/ and 96 more$/);
    expect(lines.at(-1)).toBe('and 81 devices more are reported');
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(400);
  });

  it('are in the JSON whole', () => {
    expect(statusJson({ device: 'cam-1', site: 'hall', row: says('cam-1') })).toMatchObject({
      reports: [{ ...report, at: 990, count: 1 }],
    });
    expect(statusJson({ device: 'cam-1', site: 'hall' })).toMatchObject({ reports: [] });
  });
});

describe('readableLine', () => {
  it('is one line for a person', () => {
    const json = '{"level":30,"time":1000,"pid":1,"hostname":"h","device":"cam-1","port":7,"msg":"agent runs"}';
    expect(readableLine(json)).toBe('00:00:01 info  agent runs device=cam-1 port=7');
  });

  it('leaves alone what is not of the log', () => {
    expect(readableLine('boom')).toBe('boom');
  });
});
