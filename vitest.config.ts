import { defineConfig } from 'vitest/config';

/** Real sockets, files under load, child processes: inside the rooms that touch the world. And what puts another in a module's place. */
const io = [
  'test/agent/io/**/*.test.ts',
  'test/bin/metrics/metrics_server.test.ts',
  'test/bin/refusals.test.ts',
  'test/broker/{fleet,meter,mosquitto,trust}/**/*.test.ts',
  'test/broker/enrolment/enrolment.test.ts',
  'test/broker/revocation/{revoke,standings}.test.ts',
  'test/agent/enrolment/{key_file,renewal}.test.ts',
  'test/shared/control/topics_cost.test.ts',
  'test/shared/lint.test.ts',
];

/**
 * Plain numbers in, plain numbers out: files share a thread and the modules that are loaded in it, which halves the time. Nothing
 * there waits, so the limit is for what would never end: a second of arithmetic takes long where others have the cores.
 */
const pure = { pool: 'threads', isolate: false, testTimeout: 30_000 } as const;

export default defineConfig({
  test: {
    // Every core: vitest would leave one idle, which of two is half of the machine.
    maxWorkers: '100%',
    projects: [
      {
        test: {
          name: 'unit',
          ...pure,
          include: ['test/{agent,bench,bin,broker,shared}/**/*.test.ts'],
          exclude: io,
        },
      },
      { test: { name: 'sim', ...pure, include: ['test/sim/**/*.test.ts'] } },
      { test: { name: 'io', include: io, testTimeout: 30_000 } },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          // After all others: real processes take the cores that they find, and a fault below shows sooner.
          sequence: { groupOrder: 1 },
          // Time enough for a slow machine.
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'lab',
          include: ['test/lab/**/*.test.ts'],
          // Last and alone: rates and delays are measured.
          sequence: { groupOrder: 2 },
          fileParallelism: false,
          testTimeout: 60_000,
        },
      },
    ],
  },
});
