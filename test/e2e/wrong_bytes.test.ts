import { describe, expect, it } from 'vitest';
import { CLOSE } from '../../shared/wire/frames/close.js';
import { Member } from './support/member.js';
import { Mesh, MIB, sha256Of } from './support/mesh.js';
import { GatedSource } from './support/source.js';

/** A fleet member with a valid certificate that serves what it should not. */

const GOOD_CHUNKS = 5;

describe('a peer', () => {
  it('that serves wrong bytes loses its chunk and its place, and the transfer completes from others (P-9.8, P-10.4)', async () => {
    const mesh = await Mesh.create();
    const broker = await mesh.broker();
    const artifact = await mesh.artifact('firmware.img', 10 * MIB);
    await mesh.publish(artifact, broker.url);
    let served = 0;
    const source = await GatedSource.make(artifact.bytes, (_, bytes) => {
      if (++served > GOOD_CHUNKS) bytes[served % bytes.length] = (bytes[served % bytes.length] ?? 0) ^ 1;
    });
    source.allowAll();
    const liar = await Member.join(await mesh.enroll('mallory'), source, broker.url);
    const device = await mesh.device('cam-1', { broker: broker.url });

    const warning = await device.warning('E_CHUNK_WRONG');
    expect(warning.message).toMatch(/^chunk \d+ from mallory$/);
    const banned = await liar.until('cam-1', ({ end }) => end !== undefined);
    expect(banned.end).toEqual({ reason: CLOSE.wrongBytes, byPeer: true });
    // It comes back at once, by announcement and by offer, and is not answered any more.
    liar.announce();
    liar.offer('cam-1');

    await mesh.seed(broker.url, artifact);
    const done = await device.event('complete');
    expect(await sha256Of(String(done.path))).toBe(artifact.sha256);
    expect(liar.sessions.filter((session) => session.device === 'cam-1')).toHaveLength(1);
    const { fromPeers, fromSeed, wasted } = done;
    expect(Number(fromPeers)).toBeGreaterThan(0);
    expect(Number(fromPeers) + Number(fromSeed)).toBe(artifact.size);
    expect(Number(wasted)).toBeGreaterThan(0);
    expect(device.warnings.map(({ code }) => code)).toEqual(['E_CHUNK_WRONG']);
  });

  it('that serves a wrong index is banned for it, and the transfer completes from others (P-9.7, P-10.4)', async () => {
    const mesh = await Mesh.create();
    const broker = await mesh.broker();
    const artifact = await mesh.artifact('firmware.img', MIB);
    await mesh.publish(artifact, broker.url);
    const source = await GatedSource.make(artifact.bytes);
    const index = source.index.bytes;
    index[index.length - 1] = (index[index.length - 1] ?? 0) ^ 1;
    const liar = await Member.join(await mesh.enroll('mallory'), source, broker.url);
    const device = await mesh.device('cam-1', { broker: broker.url });
    expect((await device.warning('E_CHUNK_WRONG')).message).toBe('index from mallory');
    const banned = await liar.until('cam-1', ({ end }) => end !== undefined);
    expect(banned.end).toEqual({ reason: CLOSE.wrongBytes, byPeer: true });
    await mesh.seed(broker.url, artifact);
    const done = await device.event('complete');
    expect(await sha256Of(String(done.path))).toBe(artifact.sha256);
    expect(done).toMatchObject({ fromPeers: 0, fromSeed: artifact.size });
  });
});
