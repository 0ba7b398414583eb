import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SuperSeed } from '../../../agent/swarm/super_seed.js';
import { Bitfield } from '../../../shared/artifact/bitfield.js';

const CHUNK = 512 * 1024;
/** In chunks, of one that is alone; of two, and of each of more, it is two. */
const WINDOW = 4;
const LATE_MS = 2_000;

/** A seed, and what each peer was told. */
class Stage {
  readonly seed: SuperSeed;
  readonly told = new Map<string, Set<number>>();
  readonly #length: number;

  constructor(chunks: number, length = CHUNK, held = Bitfield.full(chunks)) {
    this.#length = length;
    this.seed = new SuperSeed(chunks, () => this.#length, held);
  }

  join(id: string, now = 0, site = 'a'): this {
    this.seed.addPeer(id, site, now);
    this.seed.open(id);
    this.told.set(id, new Set());
    return this;
  }

  leave(id: string): void {
    this.seed.removePeer(id);
    this.told.delete(id);
  }

  /** @returns what is told now, by peer. */
  tell(now = 0): Record<string, number[]> {
    const news = this.seed.news(now);
    for (const { peer, chunks } of news) {
      for (const chunk of chunks) {
        expect(this.told.get(peer)?.has(chunk), `${peer} was told of ${chunk} before`).toBe(false);
        this.told.get(peer)?.add(chunk);
      }
    }
    return Object.fromEntries(news.map(({ peer, chunks }) => [peer, [...chunks]]));
  }

  holds(id: string, chunk: number, now = 0): boolean {
    return this.seed.onHave(id, chunk, Uint8Array.of(0x80), now);
  }
}

describe('P-10.6 each chunk to one peer first', () => {
  it('tells each of two peers of chunks of its own', () => {
    const stage = new Stage(100).join('a').join('b');
    expect(stage.tell()).toEqual({ a: [0, 2], b: [1, 3] });
    expect(stage.tell()).toEqual({});
  });

  it('tells one that is alone for 2 s of everything, and who comes then of what is for it alone', () => {
    const stage = new Stage(20).join('a');
    expect(stage.tell(100)).toEqual({ a: [0, 1, 2, 3] });
    expect(stage.seed.nextDeadline()).toBe(2_000 + 100);
    expect(stage.tell(2_099)).toEqual({});
    expect(stage.tell(2_100).a).toHaveLength(16);
    expect(stage.tell(2_101)).toEqual({});
    expect(stage.seed.nextDeadline()).toBeGreaterThan(2_101);
    stage.join('b', 2_200);
    expect(stage.tell(2_200)).toEqual({ b: [4, 5] });
  });

  it('does not count as alone who cannot be reached, or was one of two until now', () => {
    const stage = new Stage(20);
    stage.seed.addPeer('a', 'x', 0);
    expect(stage.seed.news(5_000)).toEqual([]);
    stage.join('b', 5_000).tell(5_000);
    stage.leave('b');
    stage.join('c', 5_000).tell(6_000);
    stage.seed.removePeer('a');
    expect(Object.values(stage.tell(6_500)).flat().length).toBeLessThan(5);
    expect(stage.tell(8_000)).toEqual({});
    expect(stage.tell(8_500).c?.length).toBeGreaterThan(10);
  });

  it('tells of one more for each that came', () => {
    const stage = new Stage(100).join('a');
    stage.tell();
    stage.holds('a', 0);
    stage.holds('a', 1);
    expect(stage.tell()).toEqual({ a: [4, 5] });
  });

  it('tells a fast peer of as much as it takes in 0.75 s', () => {
    const stage = new Stage(1000, 64 * 1024).join('a');
    for (let now = 0; now <= 1000; now += 10) {
      stage.tell(now);
      // 100 chunks a second.
      stage.holds('a', now / 10, now);
    }
    const ahead = (stage.told.get('a')?.size ?? 0) - 101;
    expect(ahead).toBeGreaterThan(60);
    expect(ahead).toBeLessThan(90);
  });

  it('tells of two chunks at least, however large they are', () => {
    expect(new Stage(10, 21 * 2 ** 20).join('a').tell()).toEqual({ a: [0, 1] });
  });

  it('tells nobody first of what a device holds, nor a peer of what it holds itself', () => {
    const stage = new Stage(6).join('a').join('b');
    for (const chunk of [0, 1, 2]) stage.holds('b', chunk);
    expect(stage.tell()).toEqual({ a: [3, 5], b: [4] });
  });

  it('tells nothing to a peer before a path to it has answered', () => {
    const stage = new Stage(100);
    stage.seed.addPeer('a', 'a', 0);
    expect(stage.tell()).toEqual({});
    stage.seed.open('a');
    stage.told.set('a', new Set());
    expect(stage.tell()).toEqual({ a: [0, 1, 2, 3] });
  });

  it('tells of what others hold once every chunk is with somebody, and not before', () => {
    const stage = new Stage(4).join('a').join('b');
    stage.tell();
    for (const chunk of [0, 2]) stage.holds('a', chunk);
    stage.holds('b', 1);
    expect(stage.tell()).toEqual({});
    stage.holds('b', 3);
    expect(stage.tell()).toEqual({ a: [1, 3], b: [0, 2] });
  });

  it('tells everyone of the rest though what was told twice does not come', () => {
    const stage = new Stage(3).join('slow').join('quick').join('other');
    expect(stage.tell()).toEqual({ slow: [0], quick: [1], other: [2] });
    stage.holds('quick', 1);
    stage.holds('other', 2);
    expect(stage.tell(LATE_MS - 1)).toEqual({});
    // Chunk 0 is told to another, and the rest to everyone.
    const told = stage.tell(LATE_MS);
    expect(told).toEqual({ slow: [1, 2], quick: [0, 2], other: [1] });
  });

  it('tells nobody of what the seed does not hold, also where devices do', () => {
    const held = Bitfield.full(4);
    for (const chunk of [0, 3]) held.set(chunk, false);
    const stage = new Stage(4, CHUNK, held).join('a').join('b');
    stage.holds('a', 3);
    expect(stage.tell()).toEqual({ a: [1], b: [2] });
    stage.holds('a', 1);
    stage.holds('b', 2);
    expect(stage.tell()).toEqual({ a: [2], b: [1] });
  });

  it('says that a peer holds everything', () => {
    const stage = new Stage(10).join('a');
    expect(stage.seed.onHave('a', 0, Uint8Array.of(0xff), 0)).toBe(false);
    expect(stage.seed.onHave('a', 8, Uint8Array.of(0xc0), 0)).toBe(true);
    expect(stage.tell()).toEqual({});
  });

  it('ignores what it hears of chunks that do not exist, and of peers that it does not know', () => {
    const stage = new Stage(10).join('a');
    expect(stage.seed.onHave('a', 9, Uint8Array.of(0xff, 0xff), 0)).toBe(false);
    expect(stage.seed.onHave('x', 0, Uint8Array.of(0xff, 0xff), 0)).toBe(false);
    stage.seed.removePeer('x');
    expect(stage.tell().a).toEqual([0, 1, 2, 3]);
  });
});

describe('P-10.6 sites', () => {
  const TURN_MS = 10_000;
  /** Peers that were told of anything, by site. */
  const sites = (told: Record<string, number[]>): number[] =>
    ['a', 'b'].map((site) => Object.keys(told).filter((id) => id.startsWith(site)).length);

  function two(a: number, b: number): Stage {
    const stage = new Stage(1000);
    for (let i = 0; i < a; i++) stage.join(`a${i}`, 0, 'a');
    for (let i = 0; i < b; i++) stage.join(`b${i}`, 0, 'b');
    return stage;
  }

  it.each([
    [20, 20, 20, 20],
    [48, 6, 6, 6],
    [30, 1, 4, 1],
    [30, 0, 30, 0],
  ])(
    'gives first copies to as many of a site with %d peers and one with %d as to the other, four at least',
    (a, b, nowA, nowB) => {
      expect(sites(two(a, b).tell())).toEqual([nowA, nowB]);
    },
  );

  it('has the devices of a site take turns', () => {
    const stage = two(12, 1);
    const first = Object.keys(stage.tell()).filter((id) => id.startsWith('a'));
    const second = Object.keys(stage.tell(TURN_MS)).filter((id) => id.startsWith('a'));
    const third = Object.keys(stage.tell(2 * TURN_MS)).filter((id) => id.startsWith('a'));
    expect(new Set([...first, ...second, ...third]).size).toBe(12);
  });

  it.each([
    [5, TURN_MS],
    [4, Number.POSITIVE_INFINITY],
  ])('is due when a turn ends for which another waits: of %d devices in %d ms', (devices, due) => {
    const stage = two(devices, 1);
    const told = stage.tell();
    // So that nothing is on its way that could be late.
    for (const [id, chunks] of Object.entries(told)) for (const chunk of chunks) stage.holds(id, chunk);
    expect(stage.seed.nextDeadline()).toBe(due);
  });

  it('tells all of them of what devices hold', () => {
    const stage = new Stage(2);
    for (let i = 0; i < 12; i++) stage.join(`a${i}`, 0, 'a');
    stage.join('b', 0, 'b');
    stage.holds('a0', 0);
    stage.holds('b', 1);
    expect(Object.values(stage.tell()).flat()).toHaveLength(2 * 13 - 2);
  });
});

describe('P-10.5 peers that do not say what they hold', () => {
  const MINUTES = 10;
  /** What each of them lacks; they ask for that alone, and have the rest as twins, of their own files, or over HTTP. */
  type Lacks = Map<string, Set<number>>;

  function lacking(stage: Stage, peers: number, lacks: (chunk: number) => boolean, chunks: number): Lacks {
    const missing = Array.from({ length: chunks }, (_, chunk) => chunk).filter(lacks);
    const ids = Array.from({ length: peers }, (_, i) => `m${i}`);
    for (const id of ids) stage.join(id);
    return new Map(ids.map((id) => [id, new Set(missing)]));
  }

  /** As Telling does it: chunks are told of when something came, or when that is due. @returns when all had everything, s */
  function serve({ seed }: Stage, lacks: Lacks, from = 0): number {
    for (let now = from; now < MINUTES * 60_000; now += 100) {
      if (now > from && now < seed.nextDeadline()) continue;
      for (let more = true; more; ) {
        more = false;
        for (const { peer, chunks } of seed.news(now)) {
          for (const chunk of chunks) {
            if (!lacks.get(peer)?.delete(chunk)) continue;
            seed.onServed(peer, chunk, now);
            more = true;
          }
        }
      }
      if ([...lacks.values()].every((missing) => missing.size === 0)) return (now - from) / 1000;
    }
    return Number.POSITIVE_INFINITY;
  }

  it.each([
    [1, 2],
    [2, 1],
    [2, 2],
    [2, 100],
    [5, 4],
    [40, 4],
  ])('each of %d gets all that it asks for though that is one chunk of %d', (peers, every) => {
    const stage = new Stage(400, 64 * 1024);
    expect(
      serve(
        stage,
        lacking(stage, peers, (chunk) => chunk % every === 0, 400),
      ),
    ).toBeLessThan(120);
  });

  it('who has most of it already is soon told of the rest: a window at the least in 2 s, 8 MiB once it took any', () => {
    const stage = new Stage(1_000, 64 * 1024);
    expect(
      serve(
        stage,
        lacking(stage, 2, (chunk) => chunk % 4 === 3, 1_000),
      ),
    ).toBeLessThan(60);
  });

  it('who said so once and then no more is told of everything, 30 s after it fell silent', () => {
    const stage = new Stage(100, 64 * 1024);
    const lacks = lacking(stage, 2, (chunk) => chunk % 10 === 9, 100);
    for (const [id, chunks] of Object.entries(stage.tell())) {
      for (const chunk of chunks) lacks.get(id)?.delete(chunk);
      stage.holds(id, chunks[0] ?? 0, 1_000);
    }
    expect(serve(stage, lacks, 1_000)).toBeGreaterThan(29);
    expect([...lacks.values()].every((missing) => missing.size === 0)).toBe(true);
  });

  it('keeps who says so no longer waiting: what the silent ones owe is told to it once it is late', () => {
    const stage = new Stage(60, 64 * 1024);
    lacking(stage, 8, () => false, 60);
    stage.join('speaks');
    let now = 0;
    const held = new Set<number>();
    for (; held.size < 60 && now < MINUTES * 60_000; now += 50) {
      for (const chunk of stage.tell(now).speaks ?? []) {
        held.add(chunk);
        stage.holds('speaks', chunk, now);
      }
    }
    expect(held.size).toBe(60);
    expect(now).toBeLessThan(30_000);
  });

  it('is due when one of several owes nothing any more, and for one alone when that is told of everything', () => {
    const stage = new Stage(400, 64 * 1024).join('a').join('b');
    stage.tell();
    for (const chunk of stage.told.get('a') ?? []) stage.seed.onHave('b', chunk, Uint8Array.of(0x80), 0);
    for (const chunk of stage.told.get('b') ?? []) stage.seed.onHave('a', chunk, Uint8Array.of(0x80), 0);
    expect(stage.seed.nextDeadline()).toBe(30_000);
    stage.leave('b');
    stage.tell();
    expect(stage.seed.nextDeadline()).toBe(2_000);
  });
});

describe('P-10.6 nobody is starved', () => {
  it('what only one that left with everything held is not told anew to one first', () => {
    const stage = new Stage(4).join('a').join('b');
    for (const chunk of [0, 1, 2, 3]) stage.holds('a', chunk);
    stage.leave('a');
    // All at once: somebody has them.
    expect(stage.tell()).toEqual({ b: [0, 1, 2, 3] });
  });

  it('gives what a peer that left was told of to another at once', () => {
    const stage = new Stage(4).join('a').join('b');
    expect(stage.tell()).toEqual({ a: [0, 2], b: [1, 3] });
    stage.leave('a');
    // Alone, it gets twice as much at a time.
    expect(stage.tell()).toEqual({ b: [0, 2] });
  });

  it('gives what only a peer that left held to another', () => {
    const stage = new Stage(3).join('a').join('b');
    stage.holds('a', 0);
    stage.holds('a', 1);
    stage.leave('a');
    expect(stage.tell()).toEqual({ b: [0, 1, 2] });
  });

  it('gives what a slow peer was told of to another, once nothing else is left', () => {
    const stage = new Stage(WINDOW + 2).join('slow');
    expect(stage.tell()).toEqual({ slow: [0, 1, 2, 3] });
    stage.join('quick');
    expect(stage.tell()).toEqual({ quick: [4, 5] });
    for (const chunk of [4, 5]) stage.holds('quick', chunk, 100);
    expect(stage.tell(100)).toEqual({});
    expect(stage.seed.nextDeadline()).toBe(LATE_MS);
    expect(stage.tell(LATE_MS - 1)).toEqual({});
    expect(stage.tell(LATE_MS)).toEqual({ slow: [4, 5], quick: [0, 1] });
    stage.holds('quick', 0, LATE_MS);
    expect(stage.tell(LATE_MS).quick).toEqual([2]);
  });

  it.each([1, 2, 5, 13])('tells %d peers that take nothing of no more than their windows, and of no less', (count) => {
    const stage = new Stage(20);
    for (let i = 0; i < count; i++) stage.join(`d${i}`);
    let now = 0;
    for (let round = 0; round < 200; round++) {
      stage.tell(now);
      now = Math.max(now + 1, Math.min(now + 1_000, stage.seed.nextDeadline()));
    }
    // Windows are full of what was told first: as much as a plain seed is asked for before it has sent anything.
    const known = new Set([...stage.told.values()].flatMap((chunks) => [...chunks]));
    expect(known.size).toBeGreaterThanOrEqual(Math.min(20, count * 2));
  });

  it('goes on with one that never says what it holds, and gives the same to others', () => {
    const stage = new Stage(8).join('silent');
    stage.tell();
    for (let chunk = 0; chunk < 8; chunk++) {
      stage.seed.onServed('silent', chunk, chunk);
      stage.tell(chunk);
    }
    expect(stage.told.get('silent')?.size).toBe(8);
    expect(stage.join('other').tell(8)).toEqual({ other: [0, 1] });
  });

  it('whatever comes, each chunk reaches everyone that goes on', () => {
    const event = fc.record({
      what: fc.constantFrom('join', 'leave', 'wait', 'fetch', 'fetch', 'swap'),
      peer: fc.nat(5),
      ms: fc.nat(3_000),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 80 }), (events) => {
        const stage = new Stage(24);
        const held = new Map<string, Bitfield>();
        let now = 0;
        const take = (id: string, chunk: number): void => {
          held.get(id)?.set(chunk);
          stage.holds(id, chunk, now);
        };
        const fetch = (id: string): void => {
          const next = [...(stage.told.get(id) ?? [])].find((chunk) => held.get(id)?.get(chunk) === false);
          if (next !== undefined) take(id, next);
        };
        for (const { what, peer, ms } of events) {
          const id = `d${peer}`;
          now += what === 'wait' ? ms : 1;
          if (what === 'join' && !held.has(id)) {
            stage.join(id, now);
            held.set(id, new Bitfield(24));
          }
          if (what === 'leave' && held.delete(id)) stage.leave(id);
          if (what === 'fetch') fetch(id);
          if (what === 'swap' && held.has(id)) {
            const others = [...held].filter(([other]) => other !== id);
            for (const [, chunks] of others) for (const chunk of [...chunks.held()].slice(0, 1)) take(id, chunk);
          }
          stage.tell(now);
        }
        // From here on all of them ask for what they were told of.
        for (let round = 0; round < 400; round++) {
          now += 100;
          for (const id of held.keys()) fetch(id);
          stage.tell(now);
        }
        for (const [id, chunks] of held) expect(chunks.count, id).toBe(24);
      }),
      { numRuns: 200 },
    );
  });
});
