import { describe, expect, it } from 'vitest';
import { Bitfield } from '../../../shared/artifact/bitfield.js';
import { CLOSE } from '../../../shared/wire/frames/close.js';
import { REJECT } from '../../../shared/wire/frames/reject.js';
import { sampleArtifact } from '../../support/memory_artifact.js';
import { TransferStage } from '../../support/transfer_stage.js';

const CHUNKS = 16;
const SAMPLE = sampleArtifact(CHUNKS);
const HALF = CHUNKS / 2;

/** A device that holds the first half, or all. */
async function holding(count: number, metered: boolean): Promise<TransferStage> {
  const stage = await TransferStage.start(SAMPLE, { held: count });
  set(stage, metered);
  return stage;
}

function set(stage: TransferStage, metered: boolean): void {
  stage.metered = metered;
  stage.transfer.onMetered();
}

const firstHalf = (): Bitfield => {
  const half = new Bitfield(CHUNKS);
  for (let i = 0; i < HALF; i++) half.set(i);
  return half;
};

/** What a device announces that holds these. */
const have = (held: Bitfield) => ({ t: 'have' as const, at: 0, held: held.count, room: 12, digest: held.toBytes() });

describe('over a metered link a device', () => {
  it('announces nothing that it holds, and room for who gives', async () => {
    const stage = await holding(HALF, true);
    expect(stage.transfer.announcement(0)).toMatchObject({ held: 0, room: 12, digest: Uint8Array.of(0, 0) });
    set(stage, false);
    expect(stage.transfer.announcement(0)).toMatchObject({ held: HALF, digest: Uint8Array.of(0xff, 0) });
  });

  it('has no room once it holds everything, and room again once the link is another', async () => {
    const stage = await holding(CHUNKS, true);
    expect([stage.transfer.room, stage.transfer.lonely]).toEqual([0, false]);
    set(stage, false);
    expect(stage.transfer.room).toBe(12);
  });

  it('P-10.2: has interest in who holds what it lacks, and none in who lacks what it holds', async () => {
    const stage = await holding(HALF, true);
    const interest = () =>
      [firstHalf(), new Bitfield(CHUNKS), Bitfield.full(CHUNKS)].map((held) => {
        return stage.transfer.isOfInterest(have(held));
      });
    expect(interest()).toEqual([false, false, true]);
    set(stage, false);
    expect(interest()).toEqual([false, true, true]);
  });

  it('tells no session of a chunk, neither of those it held nor of those that come', async () => {
    const stage = await holding(HALF, true);
    const peer = stage.join('peer');
    const [chunk = -1] = peer.requests;
    await stage.send(peer, chunk);
    expect([stage.stored.held.get(chunk), peer.haves]).toEqual([true, 0]);
    set(stage, false);
    expect(peer.haves).toBe(1);
  });

  it('P-7.8: is busy for who asks all the same, for the index too, and serves nothing', async () => {
    const stage = await holding(HALF, true);
    const peer = stage.join('peer');
    peer.events.onRequest(0, 0, 100);
    peer.events.onRequest(0xffff_ffff, 0, 100);
    await stage.settle();
    expect([peer.rejects, peer.reasons, peer.served]).toEqual([[0, 0xffff_ffff], new Set([REJECT.busy]), []]);
  });

  it('closes its sessions when it is complete', async () => {
    const stage = await holding(HALF, true);
    const [peer, other] = [stage.join('peer'), stage.join('other', firstHalf())];
    const asked = new Set<number>();
    for (let chunk = peer.requests[0]; chunk !== undefined; chunk = peer.requests.find((one) => !asked.has(one))) {
      asked.add(chunk);
      await stage.send(peer, chunk);
    }
    expect(stage.transfer.complete).toBe(true);
    expect([peer.closed, other.closed]).toEqual([CLOSE.done, CLOSE.done]);
  });
});

describe('a device whose link becomes metered', () => {
  it('refuses what it was asked for, keeps who gives, and lets go who does not', async () => {
    const stage = await holding(HALF, false);
    const [gives, useless, unheard] = [
      stage.join('gives'),
      stage.join('useless', firstHalf()),
      stage.connect('unheard'),
    ];
    const requests = gives.requests.length;
    expect(requests).toBeGreaterThan(0);
    set(stage, true);
    expect([gives.closed, useless.closed, unheard.closed]).toEqual([null, CLOSE.noRoom, null]);
    expect([gives.rejectedAll, gives.reasons, gives.cancels]).toEqual([1, new Set([REJECT.busy]), []]);
    const [chunk = -1] = gives.requests;
    await stage.send(gives, chunk);
    expect(stage.stored.held.get(chunk)).toBe(true);
  });

  it('lets everyone go where it holds everything', async () => {
    const stage = await holding(CHUNKS, false);
    const [taker, unheard] = [stage.join('taker', firstHalf()), stage.connect('unheard')];
    set(stage, true);
    expect([taker.closed, unheard.closed]).toEqual([CLOSE.noRoom, CLOSE.noRoom]);
  });

  it('and is not any more serves again, sessions that were there included', async () => {
    const stage = await holding(HALF, false);
    const peer = stage.join('peer');
    set(stage, true);
    set(stage, false);
    peer.events.onRequest(0, 0, 100);
    await stage.settle();
    expect(peer.served.map(({ chunk }) => chunk)).toEqual([0]);
  });

  it('fetches on in the same sessions where it was metered and is not any more', async () => {
    const stage = await holding(HALF, true);
    const peer = stage.join('peer');
    set(stage, false);
    expect([peer.closed, peer.rejectedAll]).toEqual([null, 0]);
  });
});
