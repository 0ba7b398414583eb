import { escaped, plotSvg } from './svg.js';

/** Lines over axes, linear or logarithmic, as SVG. Pure. */

export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** By calculation, not measured. */
  readonly dashed?: boolean;
}

export interface Axis {
  readonly label: string;
  readonly log?: boolean;
  /** Part of the axis whether or not a line comes there. */
  readonly from?: number;
  readonly to?: number;
}

export interface LinePlot {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly Line[];
}

const WIDTH = 760;
const HEIGHT = 420;
const LEFT = 72;
const RIGHT = 16;
const TOP = 34;
const BOTTOM = 46;
const LEGEND_ROW = 16;
/** Told apart also by who sees few colours (Okabe and Ito, 2008). */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000'];
const MOST_TICKS = 6;

interface Scale {
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

/** 1,000, 2.5 million. */
function told(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))} million`;
  return value >= 1000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)));
}

/** The smallest of 1, 2 and 5 times a power of ten with which few steps are enough. */
function stepFor(span: number): number {
  const least = span / MOST_TICKS;
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= least) ?? 10);
}

function linear(low: number, high: number): { ticks: number[]; low: number; high: number } {
  const step = stepFor(high > low ? high - low : Math.abs(low) || 1);
  const first = Math.floor(low / step);
  const last = Math.max(Math.ceil(high / step), first + 1);
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  return { ticks, low: first * step, high: last * step };
}

function decades(low: number, high: number): { ticks: number[]; low: number; high: number } {
  const [first, last] = [
    Math.floor(Math.log10(low)),
    Math.max(Math.ceil(Math.log10(high)), Math.floor(Math.log10(low)) + 1),
  ];
  return { ticks: Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i)), low: first, high: last };
}

function scaleOf({ log = false, from, to }: Axis, values: readonly number[], start: number, end: number): Scale {
  const all = [...values, ...(from === undefined ? [] : [from]), ...(to === undefined ? [] : [to])].filter(
    (value) => !log || value > 0,
  );
  const [least, most] = [
    all.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY),
    all.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY),
  ];
  const { ticks, low, high } = log ? decades(least, most) : linear(least, most);
  const at = (value: number): number =>
    start + (((log ? Math.log10(value) : value) - low) / (high - low)) * (end - start);
  return { at, ticks };
}

/** @param plot with a point at least; of a logarithmic axis none at or below 0 */
export function linePlot({ title, x, y, lines }: LinePlot): string {
  const points = lines.flatMap((line) => line.points);
  const [across, up] = [
    scaleOf(
      x,
      points.map(([value]) => value),
      LEFT,
      WIDTH - RIGHT,
    ),
    scaleOf(
      y,
      points.map(([, value]) => value),
      HEIGHT - BOTTOM,
      TOP,
    ),
  ];
  const shapes: string[] = [];
  for (const tick of across.ticks) {
    const at = across.at(tick).toFixed(1);
    shapes.push(
      `<path d="M${at} ${TOP}V${HEIGHT - BOTTOM}" stroke="#ddd"/><text x="${at}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${told(tick)}</text>`,
    );
  }
  for (const tick of up.ticks) {
    const at = up.at(tick);
    shapes.push(
      `<path d="M${LEFT} ${at.toFixed(1)}H${WIDTH - RIGHT}" stroke="#ddd"/><text x="${LEFT - 6}" y="${(at + 4).toFixed(1)}" text-anchor="end">${told(tick)}</text>`,
    );
  }
  for (const [i, line] of lines.entries()) {
    const colour = COLOURS[i % COLOURS.length];
    const dash = line.dashed ? ' stroke-dasharray="6 4"' : '';
    const path = line.points.map(([px, py]) => `${across.at(px).toFixed(1)} ${up.at(py).toFixed(1)}`).join('L');
    const at = TOP + 12 + i * LEGEND_ROW;
    shapes.push(
      `<path d="M${path}" fill="none" stroke="${colour}" stroke-width="2"${dash}/>`,
      `<path d="M${LEFT + 10} ${at - 4}h24" stroke="${colour}" stroke-width="2"${dash}/><text x="${LEFT + 40}" y="${at}">${escaped(line.name)}</text>`,
    );
  }
  shapes.push(
    `<text x="${WIDTH - RIGHT}" y="${HEIGHT - 10}" text-anchor="end">${escaped(x.label)}</text>`,
    `<text transform="translate(16 ${HEIGHT - BOTTOM}) rotate(-90)">${escaped(y.label)}</text>`,
  );
  return plotSvg({ width: WIDTH, height: HEIGHT, left: LEFT, title, shapes });
}
