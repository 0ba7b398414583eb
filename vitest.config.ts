import { defineConfig } from 'vitest/config';

/** Real sockets, files under load, child processes: inside the rooms that touch the world. */
const io = [
  'test/agent/io/**/*.test.ts',
  'test/broker/{fleet,meter,mosquitto}/**/*.test.ts',
  'test/shared/lint.test.ts',
];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/{agent,bin,broker,shared}/**/*.test.ts'],
          exclude: io,
        },
      },
      { test: { name: 'sim', include: ['test/sim/**/*.test.ts'], testTimeout: 30_000 } },
      { test: { name: 'io', include: io, testTimeout: 30_000 } },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          // Real processes share two cores: one file at a time, and time enough for a slow machine.
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
