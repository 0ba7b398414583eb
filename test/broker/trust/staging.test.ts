import { copyFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Key } from '@tufjs/models';
import { describe, expect, it } from 'vitest';
import { changeKeys, initTrust } from '../../../broker/trust/ceremony.js';
import type { KeyedRole } from '../../../broker/trust/metadata_edits.js';
import type { TrustRepository } from '../../../broker/trust/repository.js';
import { parseFileName } from '../../../broker/trust/trust_folder.js';
import { ids, NOW, OfflineFleet, put } from '../../support/offline_fleet.js';

/** What is staged (P-12.8): crashes in between, and files that were carried wrongly. */

describe('P-12.8: a crash between two writes', () => {
  /** Has the n-th write or removal of the repository throw, as a power cut would end all after it. */
  function crashAt(repository: TrustRepository, n: number): () => boolean {
    let left = n;
    let crashed = false;
    for (const folder of [repository.metadata, repository.staged]) {
      for (const step of ['writeBytes', 'remove'] as const) {
        const real = folder[step].bind(folder) as (...all: unknown[]) => Promise<void>;
        Object.assign(folder, {
          [step]: async (...all: unknown[]) => {
            if (crashed || left-- === 0) {
              crashed = true;
              throw new Error('power cut');
            }
            return real(...all);
          },
        });
      }
    }
    return () => crashed;
  }

  it('of seal leaves what counted, and a repository that goes on', async () => {
    const { fleet: prepared, state } = await OfflineFleet.ready(1, 1);
    await prepared.publish('firmware', '1');
    const before = await prepared.verify(state);
    for (let n = 0, crashed = true; crashed; n++) {
      const fleet = await prepared.copy();
      const isCrashed = crashAt(fleet.repository, n);
      await fleet.schedule('firmware', '1').catch(() => undefined);
      crashed = isCrashed();
      await fleet.reopen();
      expect(await fleet.verify(before.state), `write ${n}`).toMatchObject({ names: ['firmware 1'], code: undefined });
      await fleet.publish('model', '7');
      const after = await fleet.verify(before.state);
      expect(after, `write ${n}`).toMatchObject({ names: ['firmware 1', 'model 7'], code: undefined });
      expect(n).toBeLessThan(20);
    }
  });

  it('of promote leaves what counted or what is to count, and the next promote does the rest', async () => {
    const { fleet: prepared, state } = await OfflineFleet.ready(1, 1);
    await prepared.publish('firmware', '1');
    const before = await prepared.verify(state);
    const [root, release] = [prepared.elsewhere(1), prepared.elsewhere(1)];
    const timestamp = [await prepared.repository.keys.create('timestamp')];
    const snapshot = [await prepared.repository.keys.create('snapshot')];
    for (const [role, keys] of Object.entries({ root, release, timestamp, snapshot }) as [KeyedRole, Key[]][]) {
      await changeKeys(prepared.repository, put(role, keys, 1), NOW);
    }
    await prepared.signAll();
    for (let n = 0, crashed = true; crashed; n++) {
      const fleet = await prepared.copy();
      const isCrashed = crashAt(fleet.repository, n);
      await fleet.promote().catch(() => undefined);
      crashed = isCrashed();
      await fleet.reopen();
      // Whoever serves the folder meanwhile has the old, or the new, or a root whose timestamp is still to come.
      const meanwhile = await fleet.verify(before.state);
      if (meanwhile.code !== undefined) expect([meanwhile.code, meanwhile.root]).toEqual(['E_TRUST_SIGNATURE', 2]);
      expect(await fleet.promote(), `write ${n}`).toEqual([]);
      expect(await fleet.staged()).toEqual([]);
      for (const from of [state, before.state, meanwhile.state]) {
        const names = ['firmware 1'];
        expect(await fleet.verify(from), `write ${n}`).toMatchObject({ names, code: undefined, root: 2 });
      }
      await fleet.publish('model', '7');
      expect((await fleet.verify(before.state)).names).toEqual(['firmware 1', 'model 7']);
      expect(n).toBeLessThan(40);
    }
  });

  it('of init can be begun again', async () => {
    for (let n = 0, crashed = true; crashed; n++) {
      const { fleet } = await OfflineFleet.create(1, 1);
      const isCrashed = crashAt(fleet.repository, n);
      await initTrust(fleet.repository, NOW).catch(() => undefined);
      crashed = isCrashed();
      await fleet.reopen();
      await initTrust(fleet.repository, NOW).catch((error) => expect(error.code).toBe('E_FLEET_EXISTS'));
      expect(await fleet.promote(), `write ${n}`).toEqual([]);
      expect(await fleet.repository.root()).toBeDefined();
      expect(n).toBeLessThan(15);
    }
  });
});

describe('P-12.8: what is carried wrongly', () => {
  it('is refused: of another version than its name, of another role, of before, of later', async () => {
    const { fleet, keys } = await OfflineFleet.ready(1, 1);
    const { staged, metadata } = fleet.repository;
    const cases: [string, string, string][] = [
      ['1.root.json', '2.root.json', 'E_TRUST_MISMATCH'],
      ['1.root.json', '2.targets.json', 'E_TRUST_MALFORMED'],
      ['1.director.json', '2.director.json', 'E_TRUST_MISMATCH'],
      ['1.director.json', '1.director.json', 'E_TRUST_MISMATCH'],
      ['1.snapshot.json', '1.snapshot.json', 'E_TRUST_MISMATCH'],
      ['timestamp.json', 'timestamp.json', 'E_TRUST_MISMATCH'],
    ];
    for (const [from, to, code] of cases) {
      await mkdir(staged.path, { recursive: true });
      await copyFile(join(metadata.path, from), join(staged.path, to));
      await expect(fleet.promote(), `${from} as ${to}`).rejects.toMatchObject({ code });
      await staged.remove(to);
    }
    // What counts already is no change.
    await copyFile(join(metadata.path, '1.root.json'), join(staged.path, '1.root.json'));
    expect(await fleet.promote()).toEqual([]);
    expect(await fleet.staged()).toEqual([]);
    expect(ids(keys, 'root')).toHaveLength(1);
  });

  it('is refused: a root of a version that was another’s, or that is not the next', async () => {
    const { fleet } = await OfflineFleet.ready(1, 1);
    const { staged } = fleet.repository;
    await changeKeys(fleet.repository, put('root', fleet.elsewhere(1), 1), NOW);
    await fleet.signAll();
    const old = await readFile(join(staged.path, '2.root.json'));
    await changeKeys(fleet.repository, put('root', fleet.elsewhere(1), 1), NOW);
    await fleet.signAll();
    expect(await fleet.promote()).toEqual([]);
    await writeFile(join(staged.path, '2.root.json'), old);
    await expect(fleet.promote()).rejects.toMatchObject({ code: 'E_TRUST_ROLLBACK' });
    await staged.remove('2.root.json');
    await changeKeys(fleet.repository, put('root', fleet.elsewhere(1), 1), NOW);
    await rename(join(staged.path, '3.root.json'), join(staged.path, '4.root.json'));
    await expect(fleet.promote()).rejects.toMatchObject({ code: 'E_TRUST_MISMATCH' });
    await staged.remove('4.root.json');
    await writeFile(join(staged.path, '3.root.json'), '{"signatures":[],"signed":{}}');
    await expect(fleet.promote()).rejects.toMatchObject({ code: 'E_TRUST_MALFORMED' });
    await writeFile(join(staged.path, '3.root.json'), ' '.repeat(300_000));
    await expect(fleet.promote()).rejects.toMatchObject({ code: 'E_FILE_UNREADABLE' });
  });

  it('names that are none of metadata are left alone', async () => {
    const { fleet } = await OfflineFleet.ready(1, 1);
    await mkdir(fleet.repository.staged.path, { recursive: true });
    for (const name of ['notes.txt', '2.root.json~', '.2.root.json.swp', 'root.json', '02.root.json']) {
      expect(parseFileName(name)).toBeNull();
      await writeFile(join(fleet.repository.staged.path, name), 'x');
    }
    expect(await fleet.promote()).toEqual([]);
  });
});
