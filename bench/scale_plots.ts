import type { ScaleRun } from '../test/sim/swarm/scale.js';
import { type Line, linePlot } from './line_plot.js';

/** The curves of docs/SCALING.md. Pure. */

/** The fleet whose joining is drawn second by second. */
const JOINING = 1_000;

/** @returns name of the file, SVG */
export function drawScale(runs: readonly ScaleRun[]): [string, string][] {
  const plots: [string, string][] = [['scale-cost.svg', costPlot(runs)]];
  const joining = runs.find(({ devices }) => devices === JOINING);
  if (joining !== undefined) plots.push(['scale-join.svg', joinPlot(joining)]);
  return plots;
}

function costPlot(runs: readonly ScaleRun[]): string {
  const kinds = ['have', 'offer', 'answer', 'status', 'trust'] as const;
  const line = (name: string, of: (run: ScaleRun) => number): Line => {
    return { name, points: runs.map((run) => [run.devices, of(run) / 1000] as const) };
  };
  return linePlot({
    title: 'Through the broker for each device, in and out: a rollout of 64 MB',
    x: { label: 'devices', log: true },
    y: { label: 'kB', from: 0 },
    lines: [
      { name: '0.1 % of the payload', points: runs.map(({ devices }) => [devices, 64] as const), dashed: true },
      line('all', ({ brokerBytesIn, brokerBytesOut }) => brokerBytesIn + brokerBytesOut),
      ...kinds.map((kind) => line(kind, ({ byKind }) => byKind[kind].bytes)),
    ],
  });
}

function joinPlot({ devices, messagesBySecond, completedBySecond }: ScaleRun): string {
  const line = (name: string, values: readonly number[]): Line => ({
    name,
    points: values.map((value, i) => [i, value] as const),
  });
  return linePlot({
    title: `${devices} devices see a rollout in the same second`,
    x: { label: 'seconds since the rollout' },
    y: { label: 'messages a second; devices', from: 0 },
    lines: [
      line('messages through the broker, in and out, but the trust message', messagesBySecond),
      line('devices that have everything', completedBySecond),
    ],
  });
}
