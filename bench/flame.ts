import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { escaped } from './svg.js';

/** A CPU profile of V8 (`node --cpu-prof`) as a flame graph: callers above, what they call below, as wide as the time that it took. */

export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  /** us, one for each sample. */
  readonly timeDeltas: readonly number[];
}

/** What one function took in one place of the stack, us. */
export interface Frame {
  readonly name: string;
  own: number;
  total: number;
  readonly calls: Map<string, Frame>;
}

const SUFFIX = '.cpuprofile';
const WIDTH = 1600;
const ROW = 17;
const TEXT_ABOVE = 3;
/** Narrower than this nobody can point at. */
const MIN_WIDTH = 0.5;
const CHARACTER = 6.6;
/** Waiting, which is not work. `(program)` is: the kernel's work for a read of libuv's, for one. */
const IDLE = '(idle)';

const newFrame = (name: string): Frame => ({ name, own: 0, total: 0, calls: new Map() });

function nameOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const file = url.replace(/^.*\/dist\//, '').replace(/^.*\/node_modules\//, '');
  return `${functionName || '(anonymous)'}${file === '' ? '' : ` ${file}:${lineNumber + 1}`}`;
}

/** The same functions under the same callers as one frame. Idle time is left out. */
export function framesOf({ nodes, samples, timeDeltas }: CpuProfile): Frame {
  const own = new Map<number, number>();
  samples.forEach((id, i) => void own.set(id, (own.get(id) ?? 0) + (timeDeltas[i] ?? 0)));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const all = newFrame('all');
  const add = (id: number, into: Frame): number => {
    const node = byId.get(id);
    if (node === undefined || node.callFrame.functionName === IDLE) return 0;
    const name = nameOf(node.callFrame);
    const frame = into.calls.get(name) ?? newFrame(name);
    into.calls.set(name, frame);
    let total = own.get(id) ?? 0;
    frame.own += total;
    for (const child of node.children ?? []) total += add(child, frame);
    frame.total += total;
    return total;
  };
  const [root] = nodes;
  for (const child of root?.children ?? []) all.total += add(child, all);
  return all;
}

function colour(name: string): string {
  let sum = 0;
  for (const character of name) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 360;
  return `hsl(${15 + (sum % 45)} 85% ${62 + (sum % 12)}%)`;
}

export function flameGraph(title: string, all: Frame): string {
  const shapes: string[] = [];
  let deepest = 0;
  const draw = (frame: Frame, x: number, depth: number): void => {
    const width = (frame.total / all.total) * WIDTH;
    if (width < MIN_WIDTH) return;
    deepest = Math.max(deepest, depth);
    const y = (depth + 1) * ROW;
    const share = ((frame.total / all.total) * 100).toFixed(1);
    const label = frame.name.slice(0, Math.floor(width / CHARACTER));
    shapes.push(
      `<g><title>${escaped(frame.name)}, ${share} %</title><rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" ` +
        `height="${ROW - 1}" fill="${colour(frame.name)}"/>` +
        `<text x="${(x + 2).toFixed(1)}" y="${y + ROW - 1 - TEXT_ABOVE}">${escaped(label.length > 2 ? label : '')}</text></g>`,
    );
    let at = x;
    for (const call of [...frame.calls.values()].sort((a, b) => b.total - a.total)) {
      draw(call, at, depth + 1);
      at += (call.total / all.total) * WIDTH;
    }
  };
  draw(all, 0, 0);
  const height = (deepest + 3) * ROW;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="monospace" font-size="11">`,
    `<title>${escaped(title)}</title><rect width="100%" height="100%" fill="#fff"/><text x="2" y="12">${escaped(title)}</text>`,
    ...shapes,
    '</svg>\n',
  ].join('\n');
}

/** Writes a flame graph beside each profile of the folder. */
export async function drawProfiles(folder: string, title: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.endsWith(SUFFIX)) continue;
    const member = name.slice(0, -SUFFIX.length);
    const profile = JSON.parse(await readFile(join(folder, name), 'utf8')) as CpuProfile;
    await writeFile(join(folder, `${member}.svg`), flameGraph(`${title}, ${member}`, framesOf(profile)));
  }
}
