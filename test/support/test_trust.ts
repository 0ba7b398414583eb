import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { changeKeys, initTrust, keysNow, ONLINE_DAYS } from '../../broker/trust/ceremony.js';
import type { KeyedRole, KeysOfRole } from '../../broker/trust/metadata_edits.js';
import { TrustRepository } from '../../broker/trust/repository.js';
import { releaseArtifact, releasedArtifact, schedule } from '../../broker/trust/schedule.js';
import type { Audience } from '../../shared/trust/audience.js';
import type { RolloutCustom } from '../../shared/trust/verify.js';

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
    await initTrust(repository, now);
    const { count = 1, threshold = 1 } = keys;
    const more = async (role: KeyedRole, { keys: list }: KeysOfRole): Promise<KeysOfRole> => {
      const added = [...list];
      while (added.length < count) added.push(await repository.keys.create(role));
      return { keys: added, threshold };
    };
    if (count > 1) {
      const current = await keysNow(repository, await repository.current());
      const [root, release] = [await more('root', current.root), await more('release', current.release)];
      await changeKeys(repository, (all) => ({ ...all, root, release }), now);
    }
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
