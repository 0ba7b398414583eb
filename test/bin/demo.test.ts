import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { completionOf, deviceIds } from '../../bin/demo/cast.js';
import { advance, type Course, type CourseEvent, isOver, newCourse, quarters } from '../../bin/demo/course.js';
import { hashFile } from '../../bin/demo/folder.js';
import { courseLines } from '../../bin/demo/lines.js';
import { MAX_DEVICES, parseDemoOptions } from '../../bin/demo/options.js';
import { formatReport, makeReport, payloadDoubt } from '../../bin/demo/report.js';
import { barWidth, LEAST_COLUMNS } from '../../bin/demo/view.js';
import type { DeviceRow } from '../../broker/status/device_row.js';
import { coded, temporaryFolder } from '../support/store_fixture.js';

const status = (device: string, held: number, fromSeed = 0): CourseEvent => {
  const progress = { name: 'demo', held, chunks: 8, fromSeed, fromPeers: 0, wasted: 0 };
  const row = { device, peers: 3, bytesPerSecond: 2e6, rollouts: [progress] } as unknown as DeviceRow;
  return { kind: 'status', row, rollout: 'demo' };
};
const complete = (device: string, seconds = 2): CourseEvent => ({
  kind: 'complete',
  device,
  seconds,
  path: `/${device}`,
  account: { fromSeed: 600, fromPeers: 400, wasted: 7 },
});
const following = (course: Course, ...events: CourseEvent[]): Course => events.reduce(advance, course);
const facts = { artifactBytes: 1000, elapsedSeconds: 9, controlBytes: 5000, payloadBytes: 0, keep: false };

describe('options', () => {
  it('default to four devices, the node executable and the embedded broker', () => {
    expect(parseDemoOptions({})).toEqual({
      devices: 4,
      file: process.execPath,
      broker: 'embedded',
      timeoutSeconds: 300,
      json: false,
      keep: false,
    });
  });

  it('take 1 and 64 devices, and none past that', () => {
    expect(parseDemoOptions({ devices: '1' }).devices).toBe(1);
    expect(parseDemoOptions({ devices: String(MAX_DEVICES) }).devices).toBe(64);
    for (const devices of ['0', '65', 'x']) {
      expect(() => parseDemoOptions({ devices })).toThrow(coded('E_ARGUMENT') as Error);
    }
  });

  it.each([{ broker: 'emqx' }, { timeout: '0' }, { file: '' }])('refuse %j', (flags) => {
    expect(() => parseDemoOptions(flags)).toThrow(coded('E_ARGUMENT') as Error);
  });
});

describe('hashFile', () => {
  it('refuses what is no regular file: a pipe would wait for its writer, a device have no end', async () => {
    const pipe = join(await temporaryFolder(), 'pipe');
    execFileSync('mkfifo', [pipe]);
    for (const path of [pipe, '/dev/zero', tmpdir()]) {
      await expect(hashFile(path)).rejects.toThrow(coded('E_FILE_UNREADABLE') as Error);
    }
  });
});

describe('course', () => {
  const start = newCourse(deviceIds(2));

  it('names devices from 1', () => {
    expect([...start.keys()]).toEqual(['device-1', 'device-2']);
  });

  it('follows status messages, and leaves the old course as it was', () => {
    const course = following(start, status('device-1', 4, 500));
    expect(course.get('device-1')).toMatchObject({ held: 4, chunks: 8, peers: 3, fromSeed: 500 });
    expect(start.get('device-1')).toMatchObject({ held: 0, chunks: 0 });
  });

  it('ignores the seed', () => {
    expect(following(start, status('seed', 8))).toBe(start);
  });

  it('is at 4 quarters only when complete, not when all chunks are held', () => {
    const held = following(start, status('device-1', 8)).get('device-1');
    expect(held && quarters(held)).toBe(3);
    const done = following(start, status('device-1', 8), complete('device-1')).get('device-1');
    expect(done && quarters(done)).toBe(4);
  });

  it('keeps the account of the completion against a late status, and the first completion against a second', () => {
    const course = following(start, complete('device-1'), status('device-1', 3, 1), complete('device-1', 8));
    expect(course.get('device-1')).toMatchObject({ fromSeed: 600, fromPeers: 400, seconds: 2 });
  });

  it('is over when everyone has completed or failed', () => {
    const one = following(start, complete('device-1'));
    expect(isOver(one)).toBe(false);
    expect(isOver(following(one, { kind: 'failed', device: 'device-2', why: 'E_DISK_FULL' }))).toBe(true);
  });
});

describe('lines', () => {
  const start = newCourse(['device-1']);

  it('has one for each quarter, and one for the end', () => {
    const events = [status('device-1', 1), status('device-1', 2), status('device-1', 3), complete('device-1')];
    const lines: string[] = [];
    let course: Course = start;
    for (const event of events) {
      const next = advance(course, event);
      lines.push(...courseLines(course, next));
      course = next;
    }
    expect(lines).toEqual([
      'device-1: 25 %, 2.0 MB/s, peers 3',
      'device-1: complete after 2.0 s, 600 B from the seed, 400 B from peers',
    ]);
  });

  it('says why a device failed, and whether its file is right', () => {
    const failed = following(start, { kind: 'failed', device: 'device-1', why: 'E_DISK_FULL: full' });
    expect(courseLines(start, failed)).toEqual(['device-1: failed: E_DISK_FULL: full']);
    const done = following(start, complete('device-1'));
    const wrong = following(done, { kind: 'hashed', device: 'device-1', sha256Ok: false });
    expect(courseLines(done, wrong)).toEqual(['device-1: its file is WRONG (SHA-256)']);
  });
});

describe('report', () => {
  const hashed = (device: string, sha256Ok: boolean): CourseEvent => ({ kind: 'hashed', device, sha256Ok });
  const all = following(
    newCourse(deviceIds(2)),
    complete('device-1', 2),
    complete('device-2', 3.00049),
    hashed('device-1', true),
    hashed('device-2', true),
  );

  it('is the object that the issue names, to the last key', () => {
    expect(makeReport(all, facts)).toEqual({
      devices: 2,
      completed: 2,
      artifactBytes: 1000,
      seconds: 3,
      sha256Ok: true,
      brokerControlBytes: 5000,
      brokerPayloadBytes: 0,
      originBytes: 1200,
      peerBytes: 800,
      perDevice: [
        { device: 'device-1', completed: true, sha256Ok: true, seconds: 2, fromSeed: 600, fromPeers: 400, wasted: 7 },
        { device: 'device-2', completed: true, sha256Ok: true, seconds: 3, fromSeed: 600, fromPeers: 400, wasted: 7 },
      ],
    });
  });

  it('names the files where they are kept', () => {
    expect(makeReport(all, { ...facts, keep: true }).perDevice[0]).toHaveProperty('path', '/device-1');
  });

  it('is not right with one file wrong, missing or unhashed', () => {
    expect(makeReport(following(all, hashed('device-2', false)), facts).sha256Ok).toBe(false);
    const unhashed = following(newCourse(['device-1']), complete('device-1'));
    expect(makeReport(unhashed, facts)).toMatchObject({ sha256Ok: false, completed: 1 });
    const missing = makeReport(
      following(newCourse(deviceIds(2)), complete('device-1'), hashed('device-1', true)),
      facts,
    );
    expect(missing).toMatchObject({ sha256Ok: false, completed: 1, seconds: 9 });
    expect(missing.perDevice[1]).toMatchObject({ completed: false, sha256Ok: false, seconds: null });
  });

  it('says in words what went through the broker', () => {
    const text = formatReport(makeReport(all, facts));
    expect(text).toContain('payload through the broker: 0 bytes');
    expect(text).toContain('control through the broker: 5000 bytes');
    expect(text).toMatch(/device-1 +right +2\.0 +500 B\/s +600 B +400 B +7 B/);
    expect(text).toContain('from the seed: 1.2 kB (60 %), from peers: 800 B');
  });

  it('says where the broker did not live to tell', () => {
    const text = formatReport(makeReport(all, { ...facts, controlBytes: null, payloadBytes: null }));
    expect(text).toContain('payload through the broker: unknown');
  });
});

describe('payloadDoubt', () => {
  const count = { controlBytes: 1, payloadBytes: 0, unscanned: 0, interruptions: 0 };

  it('is none where every message was looked into', () => {
    expect(payloadDoubt(count)).toBeUndefined();
  });

  it.each([
    [undefined, 'the broker did not live to tell'],
    [{ ...count, unscanned: 2 }, 'messages that could not be looked into: 2'],
    [{ ...count, interruptions: 1 }, 'interruptions of who looks into them: 1'],
  ])('of %j is %j', (counted, why) => {
    expect(payloadDoubt(counted)).toBe(why);
  });
});

describe('barWidth', () => {
  it('fits the columns, from the least to a width that is enough', () => {
    expect(barWidth(LEAST_COLUMNS)).toBe(7);
    expect(barWidth(80)).toBe(27);
    expect(barWidth(200)).toBe(40);
  });
});

describe('completionOf', () => {
  it('takes the path and the account from an event of the agent', () => {
    const event = { event: 'complete', path: '/a', fromSeed: 1, fromPeers: 2, wasted: 3, size: 3 };
    expect(completionOf(event)).toEqual({ path: '/a', fromSeed: 1, fromPeers: 2, wasted: 3 });
    expect(() => completionOf({ event: 'complete' })).toThrow(coded('E_INTERNAL') as Error);
  });
});
