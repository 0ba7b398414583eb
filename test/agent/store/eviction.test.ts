import { describe, expect, it } from 'vitest';
import { type InForce, type KeptArtifact, outlived, whatToEvict } from '../../../agent/store/eviction.js';

function kept(artifact: string, usedAt: number, over: Partial<KeptArtifact> = {}): KeptArtifact {
  const names = [{ name: 'firmware', version: artifact }];
  return { artifact, bytes: 100, usedAt, names, wantedAs: names, begun: true, open: false, ...over };
}

const inForce = (artifact: string, name = 'firmware'): InForce => ({ artifact, name, version: artifact });
const names = (evicted: readonly KeptArtifact[]): string[] => evicted.map(({ artifact }) => artifact);

describe('whatToEvict', () => {
  it('removes nothing where there is room, to the last byte', () => {
    expect(whatToEvict(100, 300, [kept('a', 1), kept('b', 2)], [])).toEqual({ evicted: [], short: 0 });
    expect(names(whatToEvict(101, 300, [kept('a', 1), kept('b', 2)], []).evicted)).toEqual(['a']);
  });

  it('removes what was used longest ago first, and no more than is needed', () => {
    const all = [kept('b', 2), kept('c', 3), kept('a', 1)];
    expect(names(whatToEvict(100, 300, all, []).evicted)).toEqual(['a']);
    expect(names(whatToEvict(150, 300, all, []).evicted)).toEqual(['a', 'b']);
  });

  it('never removes what a rollout in force names, or what is open', () => {
    const all = [kept('a', 1), kept('b', 2, { open: true }), kept('c', 3)];
    expect(names(whatToEvict(100, 300, all, [inForce('a')]).evicted)).toEqual(['c']);
    expect(whatToEvict(101, 300, all, [inForce('a')])).toEqual({ evicted: [], short: 1 });
  });

  it('leaves the version before one that is not handed over yet: the device runs it, and the new one takes from it', () => {
    const all = [kept('a', 1), kept('b', 2), kept('new', 9, { names: [], open: true })];
    const rollouts = [inForce('new')];
    expect(names(whatToEvict(100, 300, all, rollouts).evicted)).toEqual(['a']);
    expect(whatToEvict(200, 300, all, rollouts)).toEqual({ evicted: [], short: 100 });
  });

  it('removes the version before once its successor is handed over, or nothing of its name is wanted', () => {
    const all = [kept('a', 1), kept('new', 9)];
    expect(names(whatToEvict(200, 300, all, [inForce('new')]).evicted)).toEqual(['a']);
    expect(names(whatToEvict(200, 300, all, []).evicted)).toEqual(['a']);
    const model = kept('m', 0, { names: [{ name: 'model', version: '1' }] });
    expect(names(whatToEvict(200, 300, [model, kept('a', 1)], [inForce('new')]).evicted)).toEqual(['m']);
  });

  it('knows a version by all of its names, and by that under which the rollout asks for it', () => {
    const twice = kept('a', 1, {
      names: [
        { name: 'model', version: '1' },
        { name: 'firmware', version: 'a' },
      ],
    });
    expect(whatToEvict(300, 300, [twice], [inForce('new')]).short).toBe(100);
    // The same bytes, not handed over under the version that is in force now.
    const rollouts = [{ artifact: 'b', name: 'firmware', version: '2' }];
    expect(whatToEvict(200, 300, [kept('a', 1), kept('b', 2)], rollouts).short).toBe(100);
  });

  it('removes what never was whole after all else, where a version of its name is still to come, and first where none is', () => {
    const all = [kept('part', 1, { names: [] }), kept('a', 2), kept('b', 3)];
    expect(names(whatToEvict(100, 300, all, [inForce('new')]).evicted)).toEqual(['a']);
    expect(names(whatToEvict(200, 300, all, [inForce('new')]).evicted)).toEqual(['a', 'part']);
    expect(names(whatToEvict(100, 300, all, [inForce('new', 'model')]).evicted)).toEqual(['part']);
    expect(names(whatToEvict(100, 300, all, []).evicted)).toEqual(['part']);
  });

  it('removes nothing for what cannot fit', () => {
    expect(whatToEvict(301, 300, [kept('a', 1), kept('b', 2)], [])).toEqual({ evicted: [], short: 1 });
  });

  it('comes below a quota that was lowered as far as it can, where nothing more is needed', () => {
    const all = [kept('a', 1), kept('b', 2), kept('c', 3, { open: true })];
    expect(names(whatToEvict(0, 250, all, []).evicted)).toEqual(['a']);
    const { evicted, short } = whatToEvict(0, 50, all, []);
    expect([names(evicted), short]).toEqual([['a', 'b'], 50]);
  });
});

describe('outlived', () => {
  const part = kept('part', 1, { names: [] });
  const pending = kept('new', 9, { names: [], open: true });
  const done = kept('new', 9, { open: true });

  it('is what never was whole, once its successor is handed over', () => {
    expect(outlived([part, pending], [inForce('new')])).toEqual([]);
    expect(outlived([part, done], [inForce('new')])).toEqual([part]);
  });

  it('is nothing that is open, in force, handed over, or of a name that has no rollout', () => {
    const rollouts = [inForce('new')];
    expect(outlived([{ ...part, open: true }, done], rollouts)).toEqual([]);
    expect(outlived([part, done], [...rollouts, inForce('part', 'model')])).toEqual([]);
    expect(outlived([kept('a', 1), done], rollouts)).toEqual([]);
    expect(outlived([{ ...part, wantedAs: [] }, done], rollouts)).toEqual([]);
    expect(outlived([part, done], [])).toEqual([]);
    expect(outlived([part, done], [inForce('other', 'model')])).toEqual([]);
  });

  it('is all but the last of them, while none after them is handed over', () => {
    const all = [kept('a', 1, { names: [] }), kept('c', 3, { names: [] }), kept('b', 2, { names: [] }), pending];
    expect(names(outlived(all, [inForce('new')]))).toEqual(['a', 'b']);
    const model = kept('m', 9, { names: [], wantedAs: [{ name: 'model', version: '1' }] });
    expect(names(outlived([part, model, pending], [inForce('new')]))).toEqual([]);
    // What is open or in force is not yet one of those that are over.
    expect(outlived([part, { ...model, wantedAs: part.wantedAs, open: true }, pending], [inForce('new')])).toEqual([]);
    expect(outlived([part, kept('b', 2, { names: [] })], [inForce('b')])).toEqual([]);
  });

  it('is nothing for the sake of one of which nothing came, and which took nothing from it', () => {
    const [a, b, c] = [1, 2, 3].map((at) => kept(`${at}`, at, { names: [], begun: at === 1 }));
    if (a === undefined || b === undefined || c === undefined) throw new Error('not all were made');
    expect(names(outlived([a, b, pending], [inForce('new')]))).toEqual([]);
    expect(names(outlived([a, b, c, pending], [inForce('new')]))).toEqual(['2']);
    expect(names(outlived([a, b, { ...c, begun: true }, pending], [inForce('new')]))).toEqual(['1', '2']);
    expect(names(outlived([a, b, done], [inForce('new')]))).toEqual(['1', '2']);
  });

  it('is nothing that a rollout of another of its names, or of another group, is still to take from', () => {
    const both = { ...part, wantedAs: [...part.wantedAs, { name: 'model', version: '1' }] };
    expect(outlived([both, done], [inForce('new')])).toEqual([]);
    expect(outlived([both, done], [inForce('new'), inForce('m', 'model')])).toEqual([]);
    expect(outlived([part, done], [inForce('new'), inForce('newer')])).toEqual([]);
  });
});
