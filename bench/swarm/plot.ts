import { escaped, plotSvg } from '../svg.js';

/** How many devices had the whole file by when, as SVG. Pure. */

export interface Curve {
  readonly name: string;
  readonly seconds: readonly number[];
}

const WIDTH = 900;
const HEIGHT = 420;
const MARGIN = { left: 50, right: 20, top: 40, bottom: 45 };
const LEGEND_ROW = 18;
const COLOURS = ['#0b6e4f', '#7cb518', '#c1121f', '#e07a5f', '#3d5a80', '#8d99ae', '#000000'];
/** Seconds between the lines of the grid: the first with which there are few enough. */
const STEPS = [1, 2, 5, 10, 20, 50, 100];
const MAX_LINES = 14;

/** @param limit the fluid limit, seconds */
export function completionPlot(title: string, devices: number, limit: number, curves: readonly Curve[]): string {
  const last = Math.max(limit, ...curves.flatMap(({ seconds }) => [...seconds])) * 1.05;
  const step = STEPS.find((seconds) => last / seconds <= MAX_LINES) ?? last;
  const width = WIDTH - MARGIN.left - MARGIN.right;
  const height = HEIGHT - MARGIN.top - MARGIN.bottom;
  const x = (seconds: number): string => (MARGIN.left + (seconds / last) * width).toFixed(1);
  const y = (done: number): string => (MARGIN.top + height - (done / devices) * height).toFixed(1);
  const shapes: string[] = [];
  for (let at = 0; at <= last; at += step) {
    shapes.push(
      `<path d="M${x(at)} ${y(0)}V${y(devices)}" stroke="#ddd"/>`,
      `<text x="${x(at)}" y="${HEIGHT - MARGIN.bottom + 16}" text-anchor="middle">${at}</text>`,
    );
  }
  for (let done = 0; done <= devices; done += 2)
    shapes.push(
      `<text x="${MARGIN.left - 8}" y="${y(done)}" text-anchor="end" dominant-baseline="middle">${done}</text>`,
    );
  shapes.push(`<path d="M${x(limit)} ${y(0)}V${y(devices)}" stroke="#555" stroke-dasharray="4 3"/>`);
  curves.forEach(({ name, seconds }, i) => {
    const colour = COLOURS[i % COLOURS.length];
    const steps = seconds.toSorted((a, b) => a - b).map((at, done) => `H${x(at)}V${y(done + 1)}`);
    const row = MARGIN.top + height - (curves.length - i) * LEGEND_ROW;
    shapes.push(
      `<path d="M${x(0)} ${y(0)}${steps.join('')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      `<path d="M${WIDTH - 230} ${row}h20" stroke="${colour}" stroke-width="2"/>`,
      `<text x="${WIDTH - 205}" y="${row}" dominant-baseline="middle">${escaped(name)}</text>`,
    );
  });
  shapes.push(
    `<text x="${WIDTH / 2}" y="${HEIGHT - 8}" text-anchor="middle">seconds; dashed: the fluid limit, headers included</text>`,
  );
  return plotSvg({ width: WIDTH, height: HEIGHT, left: MARGIN.left, title, shapes });
}
