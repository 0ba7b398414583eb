import { createHash } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { INDEX_CHUNK } from '../../shared/limits.js';
import { seededBytes } from '../support/artifact_bytes.js';
import type { Command, Event } from '../support/command.js';
import { Member } from './support/member.js';
import { type Artifact, Mesh, MIB, sha256Of } from './support/mesh.js';
import { GatedSource } from './support/source.js';

/** A rollout that a newer version comes after while it is half fetched, and one that is taken back. */

const DEVICE = 'cam-1';
const SIZE = 12 * MIB;
/** The part of the new version that the old one has not. */
const CHANGED = SIZE / 10;
/** Chunks that may be sent in vain: on a slow machine the device has given up waiting for them. */
const SLACK = 8;
const PATIENCE = { timeout: 40_000 };

/** One version, and the only one that has it. */
interface Version {
  readonly name: string;
  readonly artifact: Artifact;
  readonly source: GatedSource;
  readonly member: Member;
}

class Stage {
  readonly mesh: Mesh;
  readonly broker: string;
  readonly old: Version;
  readonly next: Version;
  device: Command;

  private constructor(mesh: Mesh, broker: string, [old, next]: readonly [Version, Version], device: Command) {
    this.mesh = mesh;
    this.broker = broker;
    this.old = old;
    this.next = next;
    this.device = device;
  }

  /** The device has so many chunks of the old version and gets no more. */
  static async begun(chunks: (count: number) => number): Promise<Stage> {
    const mesh = await Mesh.create();
    const { url } = await mesh.broker();
    const bytes = seededBytes('superseded', SIZE);
    const changed = Buffer.concat([
      bytes.subarray(0, SIZE / 4),
      seededBytes('new', CHANGED),
      bytes.subarray(SIZE / 4 + CHANGED),
    ]);
    const old = await versionOf(mesh, url, '1.0.0', bytes);
    const next = await versionOf(mesh, url, '2.0.0', changed);
    const stage = new Stage(mesh, url, [old, next], await mesh.device(DEVICE, { broker: url }));
    await stage.publish(old);
    await stage.fetch(old, chunks(old.source.index.chunkCount));
    return stage;
  }

  async publish({ artifact, name }: Version): Promise<void> {
    await this.mesh.publish(artifact, this.broker, name);
  }

  /** So many chunks of it come over the network, a few less at least, and no more. @param had hashes of those that it has */
  async fetch({ source, member }: Version, chunks: number, had: ReadonlySet<string> = new Set()): Promise<void> {
    const { chunkCount } = source.index;
    const there = Array.from({ length: chunkCount }, (_, i) => i).filter((i) => had.has(hashOf(source, i))).length;
    source.allow(chunks);
    await member.until(DEVICE, ({ held }) => held.count >= there + chunks - SLACK);
  }

  async kill(): Promise<void> {
    await this.device.kill();
    this.device = this.mesh.agent(DEVICE, { broker: this.broker });
  }

  complete(version: Version, from = 0): Promise<Event> {
    return this.device.event('complete', (event) => event.version === version.name, from);
  }

  /** What the device asked for of the version, in all its sessions or all but the first. */
  asked({ source, member }: Version, from = 0): Set<string> {
    const asked = member.sessions.slice(from).flatMap((session) => [...session.asked]);
    return new Set(asked.filter((chunk) => chunk !== INDEX_CHUNK).map((chunk) => hashOf(source, chunk)));
  }

  get artifacts(): Promise<string[]> {
    return readdir(join(this.mesh.storeOf(DEVICE), 'artifacts'));
  }
}

const hashOf = ({ index }: GatedSource, chunk: number): string => Buffer.from(index.chunkHash(chunk)).toString('hex');

/** Bytes of the chunks of a version that the device told that it held of another, by hash. */
function sharedBytes({ source }: Version, hashes: ReadonlySet<string>): number {
  const { index } = source;
  let bytes = 0;
  for (let i = 0; i < index.chunkCount; i++) if (hashes.has(hashOf(source, i))) bytes += index.chunkLength(i);
  return bytes;
}

/** What the device holds of it by what it told. */
function toldOf({ source, member }: Version): Set<string> {
  return new Set(member.sessions.flatMap(({ held }) => [...held.held()].map((chunk) => hashOf(source, chunk))));
}

async function versionOf(mesh: Mesh, broker: string, name: string, bytes: Buffer): Promise<Version> {
  const path = join(mesh.root, `${name}.img`);
  await writeFile(path, bytes);
  const artifact = { path, bytes, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
  const source = await GatedSource.make(bytes);
  const member = await Member.join(
    await mesh.enroll(`has-${name.replaceAll('.', '-')}`, { role: 'seed' }),
    source,
    broker,
  );
  return { name, artifact, source, member };
}

const both = (a: ReadonlySet<string>, b: ReadonlySet<string>): string[] => [...a].filter((hash) => b.has(hash));

describe('a newer version of what is half fetched', () => {
  it('takes what came of the older one from disk, and asks for nothing of it', async () => {
    const stage = await Stage.begun((count) => count >> 1);
    const { old, next } = stage;
    const had = toldOf(old);
    const shared = sharedBytes(next, had);
    expect(shared).toBeGreaterThan(0.3 * SIZE);
    next.source.allowAll();
    await stage.publish(next);
    const done = await stage.complete(next);
    expect(await sha256Of(String(done.path))).toBe(next.artifact.sha256);
    // What was being written when the newer one came is taken too.
    expect(Number(done.fromDisk)).toBeGreaterThanOrEqual(shared);
    expect(Number(done.fromDisk) + Number(done.fromSeed)).toBe(SIZE);
    expect(both(stage.asked(next), had)).toEqual([]);
    // The older one is of no more use.
    await vi.waitFor(async () => expect(await stage.artifacts).toEqual([next.source.index.artifact]), PATIENCE);
    expect(stage.device.warnings).toEqual([]);
  });

  it('does so over kill -9 of the older, and of the newer in the middle of its own', async () => {
    const stage = await Stage.begun((count) => count >> 1);
    const { old, next } = stage;
    const had = toldOf(old);
    await stage.kill();
    await stage.publish(next);
    await stage.fetch(next, 20, had);
    const hadOfNext = toldOf(next);
    expect(both(stage.asked(next), had)).toEqual([]);
    const before = next.member.sessions.length;
    await stage.kill();
    next.source.allowAll();
    const done = await stage.complete(next);
    expect(await sha256Of(String(done.path))).toBe(next.artifact.sha256);
    expect(both(stage.asked(next), had)).toEqual([]);
    expect(both(stage.asked(next, before), hadOfNext)).toEqual([]);
    // A device that was never killed would have got as much, but for what was on its way.
    expect(next.source.read).toBeLessThan(next.source.index.chunkCount * 0.75);
    await vi.waitFor(async () => expect(await stage.artifacts).toEqual([next.source.index.artifact]), PATIENCE);
  });
});

describe('a publication that is taken back', () => {
  it('to a version that was handed over, costs nothing, though the newer one was half there', async () => {
    const stage = await Stage.begun((count) => count);
    const { old, next } = stage;
    await stage.complete(old);
    const sent = old.source.read;
    await stage.publish(next);
    await stage.fetch(next, 20, toldOf(old));
    const from = stage.device.events.length;
    await stage.publish(old);
    const done = await stage.complete(old, from);
    expect(await sha256Of(String(done.path))).toBe(old.artifact.sha256);
    expect(old.source.read).toBe(sent);
  });

  it('to a version that was half there, goes on where it was, with what the newer one brought', async () => {
    const stage = await Stage.begun((count) => count >> 1);
    const { old, next } = stage;
    const had = toldOf(old);
    await stage.publish(next);
    await stage.fetch(next, 20, had);
    const brought = toldOf(next);
    const sessions = old.member.sessions.length;
    old.source.allowAll();
    await stage.publish(old);
    const done = await stage.complete(old);
    expect(await sha256Of(String(done.path))).toBe(old.artifact.sha256);
    const again = stage.asked(old, sessions);
    expect([both(again, had), both(again, brought)]).toEqual([[], []]);
  });
});
