import { describe, expect, it } from 'vitest';
import type { Links } from '../../../agent/transfer/link.js';
import type { Shelf } from '../../../agent/transfer/serving.js';
import { Telling } from '../../../agent/transfer/telling.js';
import type { Session } from '../../../agent/transport/session.js';
import { Bitfield } from '../../../shared/artifact/bitfield.js';
import { sampleArtifact } from '../../support/memory_artifact.js';

const CHUNKS = 200;
/** Of one peer that is alone, and of one of two: 2 MiB in all. */
const ALONE = 32;
const { index } = sampleArtifact(CHUNKS);

class Stage {
  now = 0;
  readonly told = new Map<string, number[]>();
  readonly telling: Telling;

  constructor() {
    const links = { get: (device: string) => ({ session: this.session(device) }) };
    this.telling = new Telling(links as unknown as Links, () => this.now);
  }

  session(device: string): Session {
    const have = (first: number, bits: Uint8Array): void => {
      const chunks = [...Array(bits.length * 8).keys()].filter((i) => ((bits[i >> 3] ?? 0) & (0x80 >> (i & 7))) !== 0);
      this.told.set(device, [...(this.told.get(device) ?? []), ...chunks.map((i) => first + i)]);
    };
    return { have } as unknown as Session;
  }

  join(device: string, held: Bitfield | null = Bitfield.full(CHUNKS)): void {
    this.telling.connected({ device, site: 'a', seed: false }, this.session(device), held);
    this.telling.opened(device);
    this.telling.pump();
  }
}

const shelfOf = (held: Bitfield): Shelf => ({ source: { held }, index }) as unknown as Shelf;

describe('P-7.6 a device', () => {
  it('tells all that it holds at once, and nothing where nothing is to be told', () => {
    const stage = new Stage();
    stage.join('a');
    stage.join('b', null);
    stage.join('c', new Bitfield(CHUNKS));
    expect([stage.told.get('a')?.length, stage.told.has('b'), stage.told.has('c')]).toEqual([CHUNKS, false, false]);
    expect(stage.telling.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('P-10.6 a seed', () => {
  function seed(held = Bitfield.full(CHUNKS)): Stage {
    const stage = new Stage();
    stage.telling.superSeed(null);
    stage.telling.superSeed(shelfOf(held));
    return stage;
  }

  it('tells nobody anything before a path is open, and two peers of different chunks', () => {
    const stage = seed();
    stage.telling.connected({ device: 'a', site: 'a', seed: false }, stage.session('a'), Bitfield.full(CHUNKS));
    expect(stage.telling.pump()).toBe(false);
    stage.telling.opened('a');
    stage.telling.pump();
    stage.join('b');
    const [a = [], b = []] = [stage.told.get('a'), stage.told.get('b')];
    expect([a.length, b.length]).toEqual([ALONE, ALONE / 2]);
    expect(new Set([...a, ...b]).size).toBe(a.length + b.length);
  });

  it('tells more once it hears of what came, or sent it, and once a peer is late', () => {
    const stage = seed();
    stage.join('a');
    expect(stage.telling.pump()).toBe(false);
    stage.telling.onHave('a', 0, Uint8Array.of(0x80));
    expect(stage.telling.pump()).toBe(true);
    stage.telling.served('a', 1);
    expect(stage.telling.pump()).toBe(true);
    expect(stage.told.get('a')?.length).toBe(ALONE + 2);
    stage.telling.connected({ device: 'b', site: 'a', seed: false }, stage.session('b'), null);
    stage.now = stage.telling.nextDeadline();
    stage.telling.opened('b');
    stage.telling.pump();
    expect(stage.told.get('b')?.length).toBe(ALONE / 2);
    stage.telling.gone('b');
    expect(stage.telling.onHave('b', 0, Uint8Array.of(0xff))).toBe(false);
  });

  it('tells of nothing that it does not hold itself, or lost since', () => {
    const held = Bitfield.full(CHUNKS);
    held.set(0, false);
    const stage = seed(held);
    held.set(2, false);
    stage.join('a');
    expect(stage.told.get('a')?.slice(0, 3)).toEqual([1, 3, 4]);
  });

  it('sees when a peer holds everything', () => {
    const stage = seed();
    stage.join('a');
    expect(stage.telling.onHave('a', 0, Bitfield.full(CHUNKS).toBytes())).toBe(true);
  });
});
