import { describe, expect, it } from 'vitest';
import { STALL_MS } from '../../../agent/swarm/limits.js';
import { Bitfield } from '../../../shared/artifact/bitfield.js';
import { MAX_SESSIONS_PER_ARTIFACT } from '../../../shared/limits.js';
import { CLOSE } from '../../../shared/wire/frames/close.js';
import { REJECT } from '../../../shared/wire/frames/reject.js';
import { sampleArtifact } from '../../support/memory_artifact.js';
import { TransferStage } from '../../support/transfer_stage.js';

const CHUNKS = 32;
const SAMPLE = sampleArtifact(CHUNKS);
const UNFED_MS = 10_000;
const MAX_NAMES = 32;

const names = (count: number): { site: string; device: string }[] =>
  Array.from({ length: count }, (_, i) => ({ site: 'default', device: `d${i}` }));

describe('a device names, for whoever operates it,', () => {
  it('P-10.4: who sent wrong bytes, once, however many came', async () => {
    const stage = await TransferStage.start(SAMPLE);
    const session = stage.join('mallory');
    for (const chunk of session.requests.slice(0, 3)) session.events.onData(chunk, 0, Buffer.alloc(65_536));
    await stage.settle();
    expect(stage.misbehaved).toEqual([['mallory', 'wrong-bytes']]);
  });

  it('P-10.4: who sent a wrong index', async () => {
    const stage = await TransferStage.start(SAMPLE, { indexed: false });
    const session = stage.join('mallory');
    const [index = 0] = session.requests;
    await stage.send(session, index, Buffer.alloc(SAMPLE.index.bytes.length));
    expect(stage.misbehaved).toEqual([['mallory', 'wrong-bytes']]);
  });

  it('P-7.8: who rejects as not held what it claimed, and not who is busy or never claimed it', async () => {
    const stage = await TransferStage.start(SAMPLE);
    const mallory = stage.join('mallory');
    const busy = stage.join('busy');
    const [first = 0, second = 0] = mallory.requests;
    mallory.events.onReject(first, REJECT.notHeld);
    mallory.events.onReject(first, REJECT.notHeld);
    mallory.events.onReject(second, REJECT.busy);
    busy.events.onReject(busy.requests[0] ?? 0, REJECT.busy);
    expect(stage.misbehaved).toEqual([['mallory', 'false-have']]);
  });

  it('who owes chunks and sends nothing, or a byte now and then', async () => {
    const stage = await TransferStage.start(SAMPLE);
    const [silent, trickling] = [stage.join('silent'), stage.join('trickling')];
    for (stage.now = 0; stage.now < STALL_MS; stage.now += 500) {
      trickling.events.onData(trickling.requests[0] ?? 0, stage.now / 500, Buffer.alloc(1));
    }
    stage.now = STALL_MS;
    stage.tick();
    expect(silent.cancels.length).toBeGreaterThan(0);
    expect(stage.misbehaved).toEqual([
      ['silent', 'stalled'],
      ['trickling', 'stalled'],
    ]);
  });

  it('P-10.4: for whom another brought a chunk', async () => {
    const stage = await TransferStage.start(SAMPLE, { held: CHUNKS - 1 });
    const late = stage.join('late');
    await stage.send(late, CHUNKS - 1, SAMPLE.chunk(CHUNKS - 1).subarray(0, 10_000));
    stage.now = 4_000;
    const good = stage.join('good');
    stage.tick();
    expect(good.requests).toEqual([CHUNKS - 1]);
    await stage.send(good, CHUNKS - 1);
    expect(stage.misbehaved).toEqual([['late', 'slow']]);
  });

  it('P-10.3: who took a place and brought nothing, once it had to make room, and not who brought least', async () => {
    const stage = await TransferStage.start(SAMPLE);
    const sessions = Array.from({ length: MAX_SESSIONS_PER_ARTIFACT }, (_, i) =>
      stage.join(`d${i}`, new Bitfield(CHUNKS)),
    );
    stage.now = UNFED_MS;
    stage.transfer.makeRoom();
    expect(stage.misbehaved).toEqual([['d0', 'idle']]);
    expect(sessions[0]?.closed).toBe(CLOSE.noRoom);
  });

  it('P-7.2: who agreed on a session of which no path opened', async () => {
    const stage = await TransferStage.start(SAMPLE);
    stage.connect('nowhere').end('no path');
    stage.connect('gone').end('idle');
    expect(stage.misbehaved).toEqual([['nowhere', 'unreachable']]);
  });

  it('P-7: who broke the protocol, and not who says that this device did', async () => {
    const stage = await TransferStage.start(SAMPLE);
    stage.join('mallory').end(CLOSE.protocolError, false);
    stage.join('accuser').end(CLOSE.protocolError, true);
    const garbled = stage.join('garbled');
    garbled.stats.rejected.malformed = 3;
    garbled.end(CLOSE.done);
    expect(stage.misbehaved).toEqual([
      ['mallory', 'protocol'],
      ['garbled', 'protocol'],
    ]);
  });

  it(`P-7.9: who names more than ${MAX_NAMES} devices`, async () => {
    const stage = await TransferStage.start(SAMPLE);
    const session = stage.join('mallory');
    for (let i = 0; i < 2; i++) session.events.onPeers(names(MAX_NAMES / 2));
    expect(stage.misbehaved).toEqual([]);
    session.events.onPeers(names(1));
    expect(stage.misbehaved).toEqual([['mallory', 'flood']]);
  });

  it('nobody in a transfer as it should be', async () => {
    const stage = await TransferStage.start(SAMPLE, { indexed: false });
    const peers = [stage.join('a'), stage.join('b')];
    for (let round = 0; !stage.transfer.complete && round < 100; round++) {
      for (const session of peers) {
        const chunk = session.requests.shift();
        if (chunk !== undefined) await stage.send(session, chunk);
      }
      stage.now += 50;
      stage.tick();
    }
    expect(stage.transfer.complete).toBe(true);
    expect(stage.misbehaved).toEqual([]);
  });
});
