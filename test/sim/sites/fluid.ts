/** How fast each flow of a network is where all share fairly: max-min, by filling each link until it is full (Bertsekas and Gallager, Data Networks, 6.5.2). */

export interface Flow {
  /** Indices of the links that it crosses. */
  readonly links: readonly number[];
  /** Bytes per second. */
  rate: number;
}

/** Sets the rate of every flow. @param capacities of the links, bytes per second */
export function share(flows: readonly Flow[], capacities: readonly number[]): void {
  const left = [...capacities];
  const crossing = capacities.map(() => 0);
  for (const { links } of flows) for (const link of links) crossing[link] = (crossing[link] ?? 0) + 1;
  let open = flows;
  while (open.length > 0) {
    let least = Number.POSITIVE_INFINITY;
    let full = -1;
    for (let link = 0; link < left.length; link++) {
      const count = crossing[link] ?? 0;
      if (count === 0 || (left[link] ?? 0) / count >= least) continue;
      least = (left[link] ?? 0) / count;
      full = link;
    }
    const rest: Flow[] = [];
    for (const flow of open) {
      if (full >= 0 && !flow.links.includes(full)) {
        rest.push(flow);
        continue;
      }
      flow.rate = least;
      for (const link of flow.links) {
        crossing[link] = (crossing[link] ?? 0) - 1;
        left[link] = Math.max(0, (left[link] ?? 0) - least);
      }
    }
    open = rest;
  }
}
