import { createHash } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { byKey, keyOf } from '../../agent/transfer/twins.js';
import { type ArtifactIndex, Bitfield } from '../../shared/artifact/index.js';
import { indexFile } from '../../shared/artifact_file.js';
import { seededBytes } from '../support/artifact_bytes.js';
import { type Command, chunkmesh, type Event } from '../support/command.js';
import { flip } from '../support/file_damage.js';
import { type AgentFlags, type Artifact, Mesh, MIB, sha256Of } from './support/mesh.js';

/** One swarm across versions (P-10.10): devices whose owners hold v2 back give its swarm what their v1 shares with it. */

const PATIENCE = { timeout: 60_000 };
/** A dozen processes each, which a busy machine takes its time to start. */
vi.setConfig({ testTimeout: 300_000 });
const SIZE = 8 * MIB;
const HELD = ['old-1', 'old-2', 'old-3'];
/** A seed's uplink: what the others can bring is not to be its to bring. */
const THIN = ['--up-rate', '500k'];

async function artifactOf(mesh: Mesh, name: string, bytes: Buffer): Promise<Artifact> {
  const path = join(mesh.root, name);
  await writeFile(path, bytes);
  return { path, bytes, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** The next build: two places of 400 kB are others, and what follows has moved. */
async function nextBuild(mesh: Mesh, { bytes }: Artifact, name: string): Promise<Artifact> {
  const [first, second] = [seededBytes(`${name} one`, 410_000), seededBytes(`${name} two`, 400_000)];
  const parts = [bytes.subarray(0, MIB), first, bytes.subarray(MIB + 400_000, 5 * MIB), second];
  return artifactOf(mesh, name, Buffer.concat([...parts, bytes.subarray(5 * MIB + 400_000)]));
}

interface Shared {
  readonly index: ArtifactIndex;
  /** Chunks of the new build that the old one has, and their bytes. */
  readonly chunks: number;
  readonly bytes: number;
}

async function sharedBy(before: Artifact, after: Artifact): Promise<Shared> {
  const [old, index] = [await indexFile(before.path), await indexFile(after.path)];
  const known = byKey(old, Bitfield.full(old.chunkCount).held());
  const chunks = [...Bitfield.full(index.chunkCount).held()].filter((chunk) => known.has(keyOf(index, chunk)));
  return { index, chunks: chunks.length, bytes: chunks.reduce((sum, chunk) => sum + index.chunkLength(chunk), 0) };
}

const sumOf = ({ fromSeed, fromPeers, fromDisk }: Event): number =>
  Number(fromSeed) + Number(fromPeers) + Number(fromDisk);

const heldBack = (agent: Command, version: string, chunks: number, from = 0): Promise<Event> =>
  agent.event('progress', (row) => row.version === version && row.hold === true && row.held === chunks, from);

interface Fleet {
  readonly mesh: Mesh;
  readonly broker: string;
  readonly before: Artifact;
  readonly after: Artifact;
  readonly shared: Shared;
}

/** Devices that have v1 of a seed that has gone since, and v2 to come. */
async function fleetOnV1(
  ids: readonly string[],
  flags: (mesh: Mesh) => Promise<Partial<AgentFlags>> = async () => ({}),
) {
  const mesh = await Mesh.create();
  const { url: broker } = await mesh.broker();
  const before = await mesh.artifact('v1', SIZE);
  const after = await nextBuild(mesh, before, 'v2');
  const seed = await mesh.seed(broker, before);
  await mesh.publish(before, broker, '1');
  const agents = [];
  for (const id of ids) agents.push(await mesh.device(id, { broker, ...(await flags(mesh)) }));
  for (const agent of agents) await agent.event('complete', ({ version }) => version === '1');
  await seed.stop();
  const shared = await sharedBy(before, after);
  return { mesh, broker, before, after, shared, agents };
}

async function depot({ mesh, broker, after }: Fleet): Promise<Command> {
  await mesh.enroll('depot', { role: 'seed' });
  return mesh.agent('depot', { broker, seeds: [after.path], more: THIN });
}

describe('a fleet of which half is on v1 and holds v2 back', () => {
  it('has what both share from these, and from the seed little more than what is new', async () => {
    const fleet = await fleetOnV1(HELD);
    const { mesh, broker, before, after, shared } = fleet;
    await Promise.all(fleet.agents.map((agent) => agent.stop()));
    const more = ['--hold', 'firmware'];
    const held = HELD.map((id) => mesh.agent(id, { broker, more }));
    // What was complete before it was held back still is.
    for (const agent of held) await agent.event('complete', ({ version }) => version === '1');

    await mesh.publish(after, broker, '2');
    await depot(fleet);
    expect(shared.bytes).toBeGreaterThan(0.8 * after.size);
    for (const agent of held) await heldBack(agent, '2', shared.chunks);

    // Nobody else has any of v2 but the seed: what comes from peers comes from devices that are on v1.
    const first = await (await mesh.device('new-1', { broker })).event('complete');
    expect(await sha256Of(String(first.path))).toBe(after.sha256);
    expect(sumOf(first)).toBe(after.size);
    expect(Number(first.fromPeers)).toBeGreaterThan(0.75 * shared.bytes);
    expect(Number(first.fromPeers)).toBeLessThanOrEqual(shared.bytes);

    const others = [
      await mesh.device('new-2', { broker }),
      await mesh.device('new-3', { broker, seeds: [before.path] }),
    ];
    for (const agent of others) {
      const done = await agent.event('complete');
      expect(await sha256Of(String(done.path))).toBe(after.sha256);
      expect(sumOf(done)).toBe(after.size);
      expect(Number(done.fromSeed)).toBeLessThan(0.25 * after.size);
    }
    expect((await others[1]?.event('complete'))?.fromDisk).toBe(shared.bytes);

    for (const [i, agent] of held.entries()) {
      const rows = agent.events.filter(({ event, version }) => event === 'progress' && version === '2');
      expect(rows.filter((row) => row.state !== 'paused' && row.state !== 'waiting')).toEqual([]);
      expect(rows.at(-1)).toMatchObject({ hold: true, held: shared.chunks, fromSeed: 0, fromPeers: 0, fromDisk: 0 });
      const artifacts = await readdir(join(mesh.storeOf(HELD[i] ?? ''), 'artifacts'));
      expect(artifacts).not.toContain(shared.index.artifact);
      expect(agent.warnings).toEqual([]);
    }
    await vi.waitFor(async () => {
      const { stdout } = await chunkmesh(['status', '--fleet', mesh.folder, '--broker', broker]);
      expect(stdout).toMatch(/old-1 .* firmware +2 +held /);
    }, PATIENCE);
  });

  it('has it so too where all of them hear of v2 at the same time', async () => {
    const fleet = await fleetOnV1(HELD);
    const { mesh, broker, after, shared } = fleet;
    await Promise.all(fleet.agents.map((agent) => agent.stop()));
    await mesh.publish(after, broker, '2');
    await depot(fleet);
    for (const id of HELD) mesh.agent(id, { broker, more: ['--hold', 'firmware'] });
    const fetching = await Promise.all(['new-1', 'new-2', 'new-3'].map((id) => mesh.device(id, { broker })));
    let fromSeed = 0;
    for (const agent of fetching) {
      const done = await agent.event('complete');
      expect(await sha256Of(String(done.path))).toBe(after.sha256);
      expect(sumOf(done)).toBe(after.size);
      fromSeed += Number(done.fromSeed);
    }
    // What is shared and did not come from the seed can only have come from a device that is on v1.
    expect(fromSeed).toBeGreaterThanOrEqual(after.size - shared.bytes);
    expect(fromSeed).toBeLessThan(0.6 * after.size);
  });

  it('P-9.8: gets no wrong byte of a file that changed after it was looked into', async () => {
    const fleet = await fleetOnV1(['old-1']);
    const { mesh, broker, after, shared } = fleet;
    await fleet.agents[0]?.stop();
    const held = mesh.agent('old-1', { broker, more: ['--hold', 'all'] });
    await mesh.publish(after, broker, '2');
    await depot(fleet);
    await heldBack(held, '2', shared.chunks);
    await flip(join(mesh.storeOf('old-1'), 'ready/firmware/1'), 3 * MIB);
    const device = await mesh.device('new-1', { broker });
    const done = await device.event('complete');
    expect(await sha256Of(String(done.path))).toBe(after.sha256);
    expect(device.warnings).toEqual([]);
    await heldBack(held, '2', shared.chunks - 1);
    expect(held.warnings).toEqual([]);
  });
});

describe('a device that is told to hold while it runs', () => {
  it('gives way to v3, and fetches that once it is let go, by its file and SIGUSR2', async () => {
    const settings = (mesh: Mesh): string => join(mesh.root, 'agent.json');
    const write = (mesh: Mesh, limits: object): Promise<void> => writeFile(settings(mesh), JSON.stringify(limits));
    const fleet = await fleetOnV1(['old-1'], async (mesh) => {
      await write(mesh, {});
      return { more: ['--config', settings(mesh)] };
    });
    const { mesh, broker, after, shared } = fleet;
    const [agent] = fleet.agents;
    if (agent === undefined) throw new Error('no agent');
    await write(mesh, { hold: 'model, firmware' });
    agent.signal('SIGUSR2');
    await vi.waitFor(() => expect(agent.stderr).toContain('"hold":"model, firmware"'), PATIENCE);
    await mesh.publish(after, broker, '2');
    const seed = await depot(fleet);
    await heldBack(agent, '2', shared.chunks);

    const last = await nextBuild(mesh, after, 'v3');
    const common = await sharedBy(fleet.before, last);
    await mesh.enroll('depot-3', { role: 'seed' });
    mesh.agent('depot-3', { broker, seeds: [last.path] });
    await mesh.publish(last, broker, '3');
    await heldBack(agent, '3', common.chunks);
    await seed.stop();

    await write(mesh, { hold: 'model firmware' });
    agent.signal('SIGUSR2');
    await vi.waitFor(() => expect(agent.stderr).toContain('hold: \\"model firmware\\" is no name'), PATIENCE);
    await write(mesh, { hold: 'model' });
    agent.signal('SIGUSR2');
    const done = await agent.event('complete', ({ version }) => version === '3');
    expect(await sha256Of(String(done.path))).toBe(last.sha256);
    expect(done).toMatchObject({ fromDisk: common.bytes, fromSeed: last.size - common.bytes, fromPeers: 0 });
    expect((await readdir(join(mesh.storeOf('old-1'), 'ready/firmware'))).sort()).toEqual(['1', '3']);
  });
});
