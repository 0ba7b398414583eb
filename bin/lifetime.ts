import { output } from './output.js';

/** When a long-running command ends: a signal, or the end of stdin where a parent holds the other side. */

/** A clean stop that hangs is cut short, before a parent loses patience: by its own hand, a process takes its children along. */
const STOP_DEADLINE_MS = 7000;
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
/** The shell's convention for a death by signal: 128 + SIGINT. */
export const INTERRUPTED = 130;
/** One Ctrl-C may arrive twice, from the terminal and from npm: only a later one is a second wish. */
const SAME_WISH_MS = 300;

export interface LifetimeOptions {
  /** Stop when stdin ends: a pipe closes with the process that holds it, however that process dies. */
  readonly untilStdinEnds?: boolean;
}

/**
 * Resolves at the first request to stop; a second signal ends the process at once.
 * From then on the process has `STOP_DEADLINE_MS` to be gone.
 */
export function stopRequested({ untilStdinEnds = false }: LifetimeOptions = {}): Promise<string> {
  return new Promise((resolve) => {
    let askedAt: number | undefined;
    const stop = (why: string): void => {
      if (askedAt !== undefined) return;
      askedAt = performance.now();
      setTimeout(() => {
        output.note('the clean stop took too long; ending at once');
        process.exit(INTERRUPTED);
      }, STOP_DEADLINE_MS).unref();
      resolve(why);
    };
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        if (askedAt !== undefined && performance.now() - askedAt > SAME_WISH_MS) process.exit(INTERRUPTED);
        stop(signal);
      });
    }
    if (untilStdinEnds) {
      process.stdin.on('end', () => stop('end of stdin')).on('error', () => stop('end of stdin'));
      process.stdin.resume();
    }
  });
}
