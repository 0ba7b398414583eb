import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { FleetStatus } from '../../broker/status/fleet_status.js';
import { INDEX_CHUNK } from '../../shared/limits.js';
import { CLOSE } from '../../shared/wire/frames/close.js';
import type { Command } from '../support/command.js';
import { type Agreed, Member } from './support/member.js';
import { type Artifact, Mesh, MIB, sha256Of } from './support/mesh.js';
import { GatedSource } from './support/source.js';

/** An agent that ends in the middle of a transfer, in order or not, and its return. */

const CHUNKS_BEFORE_THE_END = 40;
const DEVICE = 'cam-1';

interface Middle {
  readonly artifact: Artifact;
  readonly source: GatedSource;
  readonly member: Member;
  readonly device: Command;
  readonly session: Agreed;
  /** What the device said of itself last. */
  lastWord(): Promise<unknown>;
  restart(): Command;
}

/** A device that has verified 40 chunks of some 300 and gets no more for now. */
async function middleOfTransfer(): Promise<Middle> {
  const mesh = await Mesh.create();
  const broker = await mesh.broker();
  const artifact = await mesh.artifact('firmware.img', 20 * MIB);
  await mesh.publish(artifact, broker.url);
  const source = await GatedSource.make(artifact.bytes);
  source.allow(CHUNKS_BEFORE_THE_END);
  const member = await Member.join(await mesh.enroll('origin', { role: 'seed' }), source, broker.url);
  const device = await mesh.device(DEVICE, { broker: broker.url });
  const session = await member.until(DEVICE, ({ held }) => held.count === CHUNKS_BEFORE_THE_END);
  const lastWord = async (): Promise<unknown> => {
    const status = new FleetStatus({ credential: await mesh.credential('operator'), broker: broker.url });
    onTestFinished(() => status.close());
    await status.start();
    const row = () => status.rows().find(({ device: id }) => id === DEVICE);
    await vi.waitFor(() => expect(row()).toBeDefined());
    return row();
  };
  return {
    artifact,
    source,
    member,
    device,
    session,
    lastWord,
    restart: () => mesh.agent(DEVICE, { broker: broker.url }),
  };
}

/** Starts it again: it asks for nothing that it had verified, and ends with the right file. */
async function expectResumed({ artifact, source, member, session, restart }: Middle): Promise<void> {
  const before = member.sessions.length;
  const again = restart();
  const resumed = await member.until(DEVICE, ({ held }) => held.count >= CHUNKS_BEFORE_THE_END, before);
  expect([...resumed.held.held()]).toEqual([...session.held.held()]);
  source.allowAll();
  const done = await again.event('complete');
  expect(await sha256Of(String(done.path))).toBe(artifact.sha256);
  const held = [...session.held.held()];
  const kept = held.reduce((sum, chunk) => sum + source.index.chunkLength(chunk), 0);
  expect(done).toMatchObject({ fromSeed: artifact.size - kept, fromPeers: 0, state: 'complete' });
  for (const { asked } of member.sessions.slice(before)) {
    expect(held.filter((chunk) => asked.has(chunk))).toEqual([]);
    expect(asked.has(INDEX_CHUNK)).toBe(false);
  }
  expect(await again.stop()).toMatchObject({ status: 0, signal: null });
}

describe('an agent in the middle of a transfer', () => {
  it('ends cleanly at SIGTERM: its peers know at once (P-7.10), and it resumes with what was verified', async () => {
    const middle = await middleOfTransfer();
    const { device, member, session } = middle;
    const ended = member.until(DEVICE, ({ end }) => end !== undefined);
    const exit = device.stop();
    expect((await ended).end).toEqual({ reason: CLOSE.shutdown, byPeer: true });
    expect(await exit).toMatchObject({ status: 0, signal: null });
    expect(session.held.count).toBe(CHUNKS_BEFORE_THE_END);
    expect(device.warnings).toEqual([]);
    const rollouts = [{ state: 'fetching', held: CHUNKS_BEFORE_THE_END }];
    expect(await middle.lastWord()).toMatchObject({ online: false, rollouts });
    await expectResumed(middle);
  });

  it('resumes after kill -9 with what was verified', async () => {
    const middle = await middleOfTransfer();
    expect(await middle.device.kill()).toMatchObject({ status: null, signal: 'SIGKILL' });
    await expectResumed(middle);
  });
});
