import { Bench, type Figure, linkOf, type Scenario } from './scenario.js';

/** What TCP CUBIC makes of the same links: to compare with, no bar of ours. */
function alone(loss: number) {
  return (seed: number): Figure[] => {
    const bench = new Bench(seed, linkOf(100, 1, { loss }));
    const tcp = bench.tcp();
    bench.world.run(30_000);
    return [{ metric: 'of the link', unit: '%', value: bench.usedByTcp(tcp, 0, 30_000) }];
  };
}

export const tcpScenarios: readonly Scenario[] = [0, 0.001, 0.01, 0.05].map((loss) => ({
  name: `${loss * 100} % loss`,
  seeds: 3,
  run: alone(loss),
}));
