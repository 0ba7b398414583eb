import { copyFile, cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Key } from '@tufjs/models';
import { expect, onTestFinished } from 'vitest';
import { type AllKeys, OFFLINE_DAYS, ONLINE_DAYS, promote, stage } from '../../broker/trust/ceremony.js';
import {
  type KeyedRole,
  makeRoot,
  makeTargets,
  type SigningKeyLike,
  sign,
  tufKey,
} from '../../broker/trust/metadata_edits.js';
import { TrustRepository } from '../../broker/trust/repository.js';
import { releaseArtifact, releasedArtifact, schedule } from '../../broker/trust/schedule.js';
import { parseFileName, parseMetadata, stored } from '../../broker/trust/trust_folder.js';
import { SigningKey } from '../../shared/crypto/signature.js';
import { unpackBundle } from '../../shared/trust/bundle.js';
import type { TrustState } from '../../shared/trust/trusted_set.js';
import { verifyBundle } from '../../shared/trust/verify.js';
import { testIndex } from './test_trust.js';

/** A fleet whose ceremonies go as they do outside of tests: keys are elsewhere, files are carried. */

export const NOW = 1_800_000_000;
const GROUP = 'cameras';
export const ONLINE: readonly KeyedRole[] = ['director', 'snapshot', 'timestamp'];

/** Its root and release keys are in other places. */
export class OfflineFleet {
  readonly folder: string;
  repository: TrustRepository;
  /** By key id: what would be on sticks and cards. */
  readonly offline = new Map<string, SigningKeyLike>();
  #seed = 0;

  private constructor(folder: string, repository: TrustRepository) {
    this.folder = folder;
    this.repository = repository;
  }

  static async create(count: number, threshold: number): Promise<{ fleet: OfflineFleet; keys: AllKeys }> {
    const folder = await mkdtemp(join(tmpdir(), 'chunkmesh-ceremony-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const fleet = new OfflineFleet(folder, await TrustRepository.open(folder));
    const keys = {
      root: { keys: fleet.elsewhere(count), threshold },
      release: { keys: fleet.elsewhere(count), threshold },
      director: { keys: [await fleet.repository.keys.create('director')], threshold: 1 },
      snapshot: { keys: [await fleet.repository.keys.create('snapshot')], threshold: 1 },
      timestamp: { keys: [await fleet.repository.keys.create('timestamp')], threshold: 1 },
    };
    return { fleet, keys };
  }

  /** Begun and signed. */
  static async ready(count = 3, threshold = 2): Promise<{ fleet: OfflineFleet; keys: AllKeys; state: TrustState }> {
    const { fleet, keys } = await OfflineFleet.create(count, threshold);
    await fleet.begin(keys);
    await fleet.signAll();
    expect(await fleet.promote()).toEqual([]);
    const [first] = await fleet.repository.roots();
    return { fleet, keys, state: { root: first?.bytes.toString('utf8') ?? '' } };
  }

  /** The folder as it lies there, with the same keys elsewhere. */
  async copy(): Promise<OfflineFleet> {
    const folder = await mkdtemp(join(tmpdir(), 'chunkmesh-ceremony-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    await cp(this.folder, folder, { recursive: true });
    const fleet = new OfflineFleet(folder, await TrustRepository.open(folder));
    for (const [id, key] of this.offline) fleet.offline.set(id, key);
    return fleet;
  }

  /** A first root and targets wait for those who hold the keys. */
  async begin(keys: AllKeys) {
    const at = { version: 1, expires: NOW + OFFLINE_DAYS * 86_400 };
    await stage(this.repository, 'targets', makeTargets(keys.release, keys.director, at), keys.release);
    await stage(this.repository, 'root', makeRoot(keys, at), keys.root);
    return this.promote();
  }

  elsewhere(count: number): Key[] {
    return Array.from({ length: count }, () => {
      const key = SigningKey.generate();
      const id = tufKey(key.publicKey);
      this.offline.set(id.keyID, key);
      return id;
    });
  }

  promote() {
    return promote(this.repository, NOW, ONLINE_DAYS);
  }

  /** One key signs the staged files, in a folder of its own, and the files go back. */
  async signBy(keyId: string, only?: string): Promise<void> {
    const key = this.offline.get(keyId);
    if (key === undefined) throw new Error('that key is nowhere');
    const stick = await mkdtemp(join(tmpdir(), 'chunkmesh-stick-'));
    const staged = this.repository.staged.path;
    for (const file of await readdir(staged)) {
      if (only !== undefined && !file.includes(only)) continue;
      await copyFile(join(staged, file), join(stick, file));
      const role = parseFileName(file)?.role ?? '';
      const { metadata } = parseMetadata(role, await readFile(join(stick, file)), file);
      sign(metadata, key);
      await writeFile(join(stick, file), stored(metadata).bytes);
      await copyFile(join(stick, file), join(staged, file));
    }
    await rm(stick, { recursive: true });
  }

  async signAll(): Promise<void> {
    for (const id of this.offline.keys()) await this.signBy(id);
  }

  /** Released by keys that are elsewhere, and scheduled. */
  async publish(name: string, version: string): Promise<void> {
    const index = testIndex(++this.#seed);
    const release = async () =>
      releaseArtifact(this.repository, await this.repository.current(), { name, version, index }, NOW);
    await expect(release()).rejects.toMatchObject({ code: 'E_TRUST_SIGNATURE' });
    await this.signAll();
    expect(await this.promote()).toEqual([]);
    expect(await release()).toBeNull();
    await this.schedule(name, version);
  }

  async schedule(name: string, version: string): Promise<void> {
    const current = await this.repository.current();
    const released = await releasedArtifact(this.repository, current, name, version);
    if (released === undefined) throw new Error(`${name} is not released`);
    const at = { now: NOW, days: ONLINE_DAYS };
    const what = { group: GROUP, name, version, how: { shards: 1 } };
    await this.repository.seal(current, await schedule(this.repository, current, released, what, at), NOW, ONLINE_DAYS);
  }

  async verify(
    state: TrustState,
  ): Promise<{ names: string[]; state: TrustState; code: string | undefined; root: number }> {
    const bundle = await this.repository.bundle(await this.repository.current(), GROUP);
    const verdict = verifyBundle(state, unpackBundle(bundle), GROUP, () => NOW);
    const names = verdict.rollouts.map(({ name, version }) => `${name} ${version}`).sort();
    return {
      names,
      state: verdict.state,
      code: verdict.error?.code ?? verdict.refused[0]?.code,
      root: verdict.rootVersion,
    };
  }

  async reopen(): Promise<void> {
    this.repository = await TrustRepository.open(this.folder);
  }

  staged(): Promise<string[]> {
    return this.repository.staged.list().then((files) => files.map(({ file }) => file).sort());
  }
}

export const ids = (keys: AllKeys, role: KeyedRole): string[] => keys[role].keys.map(({ keyID }) => keyID);
export const put =
  (role: KeyedRole, keys: readonly Key[], threshold: number) =>
  (all: AllKeys): AllKeys => ({
    ...all,
    [role]: { keys, threshold },
  });
