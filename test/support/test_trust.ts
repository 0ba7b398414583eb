import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { initTrust, ONLINE_DAYS } from '../../broker/trust/ceremony.js';
import type { KeyedRole } from '../../broker/trust/metadata_edits.js';
import { TrustRepository } from '../../broker/trust/repository.js';
import { releaseArtifact, releasedArtifact, schedule } from '../../broker/trust/schedule.js';
import type { Audience, RolloutCustom } from '../../shared/trust/verify.js';

/** A fleet's trust in a temporary folder, with every key in it. */

export const DAY = 86_400;

export interface TestArtifact {
  readonly name: string;
  readonly version: string;
  readonly audience?: Audience;
}

/** An index that nobody looks into. */
export function testIndex(seed: number) {
  const sha256 = new Uint8Array(32).fill(seed);
  return { artifact: Buffer.from(sha256).toString('hex'), size: 1000 + seed, chunkCount: 3, sha256 };
}

export class TestTrust {
  readonly repository: TrustRepository;
  readonly folder: string;
  #seeds = 0;

  private constructor(repository: TrustRepository, folder: string) {
    this.repository = repository;
    this.folder = folder;
  }

  /** @param keys how many keys of root and release, and how many of them are to sign */
  static async create(
    now: number,
    keys: { readonly count?: number; readonly threshold?: number } = {},
  ): Promise<TestTrust> {
    const folder = await mkdtemp(join(tmpdir(), 'chunkmesh-trust-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const repository = await TrustRepository.open(folder);
    const { count = 1, threshold = 1 } = keys;
    const make = async (role: KeyedRole, n: number, least: number) => {
      const list = [];
      for (let i = 0; i < n; i++) list.push(await repository.keys.create(role));
      return { keys: list, threshold: least };
    };
    const all = {
      root: await make('root', count, threshold),
      release: await make('release', count, threshold),
      director: await make('director', 1, 1),
      snapshot: await make('snapshot', 1, 1),
      timestamp: await make('timestamp', 1, 1),
    };
    await initTrust(repository, all, now);
    return new TestTrust(repository, folder);
  }

  async firstRoot(): Promise<string> {
    return (await this.repository.roots())[0]?.bytes.toString('utf8') ?? '';
  }

  /** Releases and schedules, at once. */
  async publish(
    group: string,
    { name, version, audience }: TestArtifact,
    now: number,
    how: RolloutCustom = { shards: 1 },
    days = ONLINE_DAYS,
  ): Promise<void> {
    const index = testIndex(++this.#seeds % 256);
    const before = await this.repository.current();
    const bin = await releaseArtifact(
      this.repository,
      before,
      { name, version, index, ...(audience !== undefined && { audience }) },
      now,
    );
    if (bin !== null) await this.repository.seal(before, new Map([[bin.role, bin.metadata]]), now, days);
    const current = await this.repository.current();
    const released = await releasedArtifact(this.repository, current, name, version);
    if (released === undefined) throw new Error(`${name} is not released`);
    const changed = await schedule(this.repository, current, released, { group, name, version, how }, { now, days });
    await this.repository.seal(current, changed, now, days);
  }
}
