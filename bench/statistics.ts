/** What rounds amount to. Pure. */

export interface Sample {
  readonly subject: string;
  readonly metric: string;
  readonly unit: string;
  readonly value: number;
}

export interface Result {
  readonly subject: string;
  readonly metric: string;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The lower one of the two in the middle where there are two: a figure that was measured. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1] ?? Number.NaN;
}

/** One result for each subject and metric, in the order in which they came first. */
export function summarise(samples: readonly Sample[]): Result[] {
  const groups = new Map<string, Sample[]>();
  for (const sample of samples) {
    const key = `${sample.subject}\n${sample.metric}`;
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const { subject, metric, unit } = first;
    const values = group.map(({ value }) => value);
    return [{ subject, metric, unit, median: median(values), min: Math.min(...values), max: Math.max(...values) }];
  });
}

/** The median, or undefined where it was not measured. */
export function measured(results: readonly Result[], subject: string, metric: string): number | undefined {
  return results.find((result) => result.subject === subject && result.metric === metric)?.median;
}
