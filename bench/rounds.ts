import type { Sample } from './statistics.js';

/** One thing that is measured beside others. */
export interface Contender {
  readonly subject: string;
  /** How to provide it where it is absent, undefined where it is here. */
  readonly absent?: string | undefined;
  readonly run: () => Promise<Figure[]>;
}

export interface Figure {
  readonly metric: string;
  readonly unit: string;
  readonly value: number;
}

/**
 * Every contender once a round, so that what disturbs the machine for a while disturbs all alike. One that fails is told and left out of
 * that round. @param tell for a person, on stderr
 */
export async function runRounds(
  contenders: readonly Contender[],
  rounds: number,
  tell: (line: string) => void,
): Promise<Sample[]> {
  for (const { subject, absent } of contenders) if (absent !== undefined) tell(`absent: ${subject}: ${absent}`);
  const present = contenders.filter(({ absent }) => absent === undefined);
  const samples: Sample[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const { subject, run } of present) {
      tell(`round ${round} of ${rounds}: ${subject}`);
      try {
        for (const figure of await run()) samples.push({ subject, ...figure });
      } catch (error) {
        tell(`failed: ${subject}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  return samples;
}
