import { describe, expect, it } from 'vitest';
import { EXPLORE_MS, MIN_FAR_PIPELINE_BYTES } from '../../../agent/swarm/limits.js';
import { Swarm, type SwarmAction } from '../../../agent/swarm/swarm.js';
import { COMING_MS } from '../../../agent/swarm/uplink.js';
import { Bitfield } from '../../../shared/artifact/bitfield.js';
import { SeededRandom } from '../../sim/random.js';

const CHUNK = 64 * 1024;
const FAR_PIPELINE = MIN_FAR_PIPELINE_BYTES / CHUNK;
/** So many that every pipeline is filled with some left. */
const CHUNKS = 200;
const TURN_MS = 100;

interface Member {
  readonly seed?: boolean;
  readonly far?: boolean;
  readonly worth?: number;
  readonly have?: Bitfield;
}

class Stage {
  readonly held: Bitfield;
  readonly swarm: Swarm;

  constructor(chunks = CHUNKS, members: Record<string, Member> = {}) {
    const random = new SeededRandom(1);
    this.held = new Bitfield(chunks);
    this.swarm = new Swarm({
      ...{ held: this.held, verifying: new Set<number>(), self: 'self' },
      ...{ chunkLength: () => CHUNK, random: () => random.next(), frugal: () => false },
    });
    for (const [id, member] of Object.entries(members)) this.join(id, member);
  }

  join(id: string, { seed = false, far = false, worth = 1, have = Bitfield.full(this.held.length) }: Member): void {
    this.swarm.addPeer(id, seed, !far, worth);
    this.swarm.onHave(id, 0, have.bytes);
  }

  /** @returns the chunks asked now, by peer. */
  asked(now: number): Record<string, number[]> {
    return byPeer(this.swarm.schedule(now), 'request');
  }

  bring(id: string, chunk: number, now: number): SwarmAction[] {
    this.swarm.onBytes(id, chunk, CHUNK, now);
    this.held.set(chunk);
    return this.swarm.onVerified(id, chunk, now);
  }
}

function byPeer(actions: readonly SwarmAction[], kind: SwarmAction['kind']): Record<string, number[]> {
  const chunks: Record<string, number[]> = {};
  for (const action of actions) {
    if (action.kind === kind) chunks[action.peer] = [...(chunks[action.peer] ?? []), action.chunk];
  }
  return chunks;
}

const only = (chunks: number, ...those: number[]): Bitfield => {
  const field = new Bitfield(chunks);
  for (const chunk of those) field.set(chunk);
  return field;
};

describe('P-10.7 who is asked for what several hold', () => {
  it('is a device of the site, not its seed, nor anybody elsewhere', () => {
    const stage = new Stage(CHUNKS, {
      'far seed': { seed: true, far: true },
      far: { far: true },
      seed: { seed: true },
      near: {},
    });
    expect(Object.keys(stage.asked(1000))).toEqual(['near']);
    stage.swarm.removePeer('near');
    expect(Object.keys(stage.asked(1001))).toEqual(['seed']);
    stage.swarm.removePeer('seed');
    expect(Object.keys(stage.asked(1002))).toEqual(['far']);
    stage.swarm.removePeer('far');
    expect(Object.keys(stage.asked(1003))).toEqual(['far seed']);
  });

  it('is asked of a seed where no device holds it', () => {
    const stage = new Stage(4, { near: { have: only(4, 0, 1) }, seed: { seed: true } });
    expect(stage.asked(1000)).toEqual({
      near: [expect.any(Number), expect.any(Number)],
      seed: [expect.any(Number), expect.any(Number)],
    });
  });

  it('is the next one where a device rejects it', () => {
    const stage = new Stage(1, { near: {}, seed: { seed: true } });
    expect(stage.asked(1000)).toEqual({ near: [0] });
    stage.swarm.onReject('near', 0, false, 1001);
    expect(stage.asked(1001)).toEqual({ seed: [0] });
  });

  it('is a seed too, once in a while', () => {
    const stage = new Stage(CHUNKS, { near: {}, seed: { seed: true } });
    const explored: number[] = [];
    let owed: number[] = [];
    for (let now = 1000; now < 1000 + 2 * EXPLORE_MS; now += 500) {
      const asked = stage.asked(now);
      owed = [...owed, ...(asked.near ?? [])];
      for (const chunk of asked.seed ?? []) {
        explored.push(now);
        stage.bring('seed', chunk, now);
      }
      // More than the seed adds to it.
      for (const next of owed.splice(0, 4)) stage.bring('near', next, now);
    }
    expect(explored).toHaveLength(1);
    expect(explored[0]).toBeGreaterThanOrEqual(1000 + EXPLORE_MS);
  });

  it('is the fastest first, before them who is not known, and of those who was worth most', () => {
    const stage = new Stage(CHUNKS, { slow: { have: only(CHUNKS, 0) }, quick: { have: only(CHUNKS, 1) } });
    stage.asked(0);
    stage.bring('quick', 1, 10);
    stage.bring('slow', 0, 1000);
    for (const id of ['slow', 'quick']) stage.swarm.onHave(id, 0, Bitfield.full(CHUNKS).bytes);
    stage.join('poor', { worth: 0.5 });
    stage.join('rich', { worth: 1.5 });
    const first = stage.swarm.schedule(1001).map(({ peer }) => peer);
    expect(first.slice(0, 4)).toEqual(['rich', 'poor', 'quick', 'slow']);
  });
});

describe('P-10.7 what crosses the uplink', () => {
  it('is told to the devices of the site that lack it, once each', () => {
    const stage = new Stage(2, {
      far: { far: true },
      a: { have: only(2, 1) },
      b: { have: new Bitfield(2) },
      seed: { seed: true, have: new Bitfield(2) },
    });
    const actions = [0, 1, 2].flatMap((turn) => stage.swarm.schedule(turn * TURN_MS));
    const told = actions.filter(({ kind }) => kind === 'coming');
    // Chunk 1 is here, at a.
    for (const { chunk } of told) expect(chunk).toBe(0);
    expect(told.map(({ peer }) => peer).sort()).toEqual(['a', 'b']);
  });

  it('waits its turn, and is then asked without another event', () => {
    const stage = new Stage(CHUNKS, { a: { have: new Bitfield(CHUNKS) }, far: { far: true } });
    expect(stage.asked(0)).toEqual({});
    expect(stage.swarm.nextDeadline()).toBeLessThan(TURN_MS);
    const asked = stage.asked(2 * TURN_MS).far ?? [];
    // Little at a time, while it is not known what comes from there.
    expect(asked).toHaveLength(FAR_PIPELINE);
  });

  it('is told on to those whom the one that asked may not know', () => {
    const none = { have: new Bitfield(2) };
    const stage = new Stage(2, {
      a: none,
      b: none,
      c: { have: only(2, 0) },
      far: { far: true },
      seed: { seed: true, ...none },
    });
    expect(stage.swarm.onComing('a', 0, 0)).toEqual([{ kind: 'coming', peer: 'b', chunk: 0 }]);
    expect(stage.swarm.onComing('b', 0, 0)).toEqual([]);
    stage.held.set(1);
    expect(stage.swarm.onComing('b', 1, 0)).toEqual([]);
  });

  it('is left to a neighbour that said that it comes, until it is there, or that one leaves, or takes too long', () => {
    for (const ends of ['there', 'leaves', 'late'] as const) {
      const stage = new Stage(1, { a: { have: new Bitfield(1) } });
      stage.swarm.onComing('a', 0, 0);
      stage.join('far', { far: true });
      expect(stage.asked(COMING_MS - 1)).toEqual({});
      if (ends === 'there') {
        stage.swarm.onHave('a', 0, Uint8Array.of(0x80));
        expect(stage.asked(COMING_MS - 1)).toEqual({ a: [0] });
      } else if (ends === 'leaves') {
        stage.swarm.removePeer('a');
        expect(stage.asked(COMING_MS - 1)).toEqual({ far: [0] });
      } else {
        expect(stage.asked(COMING_MS + 2 * TURN_MS)).toEqual({ far: [0] });
      }
    }
  });

  it('is asked elsewhere where the devices of the site that claim it do not bring it', () => {
    const stage = new Stage(1, { liar: {}, far: { far: true } });
    expect(stage.asked(0)).toEqual({ liar: [0] });
    let asked: Record<string, number[]> = {};
    for (let now = 0; asked.far === undefined && now < 60_000; now += 100) {
      stage.swarm.onBytes('liar', 0, 10, now);
      asked = stage.asked(now);
    }
    expect(asked.far).toEqual([0]);
    stage.bring('far', 0, 10_000);
    expect(stage.swarm.peers.get('liar')?.failures).toBe(1);
  });
});

describe('P-10.4 what another has not begun', () => {
  it('is taken over by a peer that is far quicker, and nothing comes twice', () => {
    const stage = new Stage(12, { slow: { have: only(12, 0, 1, 2, 3) }, quick: { have: only(12, 8, 9, 10, 11) } });
    stage.asked(0);
    stage.bring('slow', 0, 5000);
    for (const chunk of [8, 9, 10, 11]) stage.bring('quick', chunk, chunk * 10);
    stage.swarm.onBytes('slow', 1, 10, 5000);
    stage.swarm.onHave('quick', 0, Bitfield.full(12).bytes);
    const actions = stage.swarm.schedule(5001);
    expect(byPeer(actions, 'cancel')).toEqual({});
    for (const chunk of byPeer(actions, 'request').quick ?? []) stage.bring('quick', chunk, 5100);
    // Chunks 1, 2 and 3 are left, and wait for the slow one: 5 s each.
    const next = stage.swarm.schedule(5101);
    expect(byPeer(next, 'request').quick).toHaveLength(1);
    expect(byPeer(next, 'cancel').slow).toEqual(byPeer(next, 'request').quick);
    expect(stage.swarm.peers.get('slow')?.failures).toBe(0);
  });
});

describe('what else is due', () => {
  it('P-10.5: over a metered link nobody is told of what comes, since nobody would be given it', () => {
    const swarm = new Swarm({
      ...{ held: new Bitfield(2), verifying: new Set<number>(), self: 'self' },
      ...{ chunkLength: () => CHUNK, random: () => 0, frugal: () => true },
    });
    for (const id of ['a', 'b']) swarm.addPeer(id, false);
    swarm.addPeer('far', false, false);
    swarm.onHave('far', 0, Uint8Array.of(0xc0));
    const actions = [0, TURN_MS, 3 * TURN_MS].flatMap((now) => swarm.schedule(now));
    expect(byPeer(actions, 'request').far).toHaveLength(2);
    expect(byPeer(actions, 'coming')).toEqual({});
    expect(swarm.onComing('a', 0, 0)).toEqual([]);
  });

  it('is a seed that is to be tried, without another event', () => {
    const stage = new Stage(CHUNKS, { near: {}, seed: { seed: true } });
    stage.asked(0);
    stage.swarm.onBytes('near', 0, CHUNK, 1000);
    for (let now = 0; now < 3 * EXPLORE_MS; now = stage.swarm.nextDeadline()) {
      stage.swarm.onBytes('near', 0, CHUNK, now);
      if (stage.asked(now).seed !== undefined) return;
    }
    expect.unreachable();
  });
});
