import { describe, expect, it } from 'vitest';
import { Swarm, type SwarmAction } from '../../../agent/swarm/swarm.js';
import { Bitfield } from '../../../shared/artifact/bitfield.js';

const LENGTH = 1024 * 1024;
const ONE = Uint8Array.of(0x80);

/** Chunks 1 and 2 are of the same bytes; of 0 to 3 these are missing. */
function stage(): { swarm: Swarm; actions: (now: number) => SwarmAction[]; held: Bitfield } {
  const held = new Bitfield(4);
  held.set(0);
  held.set(3);
  const swarm = new Swarm({
    held,
    verifying: new Set<number>(),
    chunkLength: () => LENGTH,
    random: () => 0.5,
    frugal: () => false,
    self: 'me',
    twins: (chunk) => (chunk === 1 || chunk === 2 ? [1, 2] : []),
  });
  for (const id of ['slow', 'quick', 'third']) swarm.addPeer(id, false);
  return { swarm, actions: (now) => swarm.schedule(now), held };
}

const requests = (actions: readonly SwarmAction[]): string[] =>
  actions.filter(({ kind }) => kind === 'request').map(({ peer, chunk }) => `${peer} ${chunk}`);

describe('P-10.11 a chunk that one peer owes under one number and another holds under another', () => {
  it('is taken over from who has not begun', () => {
    const { swarm, actions } = stage();
    swarm.onHave('slow', 1, ONE);
    expect(requests(actions(0))).toEqual(['slow 1']);
    swarm.onHave('quick', 2, ONE);
    const later = actions(5_000);
    expect(requests(later)).toEqual(['quick 2']);
    expect(later).toContainEqual({ kind: 'cancel', peer: 'slow', chunk: 1 });
  });

  it('is asked of one more where it comes a little now and then, and not of a third at once', () => {
    const { swarm, actions } = stage();
    swarm.onHave('slow', 1, ONE);
    actions(0);
    swarm.onHave('quick', 2, ONE);
    swarm.onHave('third', 2, ONE);
    const asked: string[] = [];
    for (let now = 1; now < 60_000 && asked.length === 0; now += 500) {
      swarm.onBytes('slow', 1, 600, now);
      asked.push(...requests(actions(now)));
    }
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatch(/^(quick|third) 2$/);
  });

  it('is wanted of nobody once it came', () => {
    const { swarm, actions, held } = stage();
    swarm.onHave('slow', 1, ONE);
    actions(0);
    swarm.onBytes('slow', 1, 2_000, 1);
    swarm.onHave('quick', 2, ONE);
    for (let now = 500; !swarm.isAsked('quick', 2) && now < 60_000; now += 500) {
      swarm.onBytes('slow', 1, 600, now);
      actions(now);
    }
    expect([swarm.isAsked('slow', 1), swarm.isAsked('quick', 2)]).toEqual([true, true]);
    held.set(2);
    expect(swarm.onVerified('quick', 2, 60_000)).toEqual([{ kind: 'cancel', peer: 'slow', chunk: 1 }]);
    expect(swarm.outstandingBytes).toBe(0);
  });
});
