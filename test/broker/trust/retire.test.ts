import { describe, expect, it } from 'vitest';
import { changeKeys, ONLINE_DAYS } from '../../../broker/trust/ceremony.js';
import { retireArtifact } from '../../../broker/trust/retire.js';
import { releasedArtifact, unschedule } from '../../../broker/trust/schedule.js';
import { NOW, OfflineFleet, put } from '../../support/offline_fleet.js';

/** P-12.2: what release takes back, and what a director does. */

const GROUP = 'cameras';

async function released(fleet: OfflineFleet, name: string, version: string): Promise<boolean> {
  const { repository } = fleet;
  return (await releasedArtifact(repository, await repository.current(), name, version)) !== undefined;
}

async function withdraw(fleet: OfflineFleet, name: string): Promise<boolean> {
  const { repository } = fleet;
  const current = await repository.current();
  const signed = await unschedule(repository, current, { group: GROUP, name }, { now: NOW, days: ONLINE_DAYS });
  if (signed !== undefined) await repository.seal(current, signed, NOW, ONLINE_DAYS);
  return signed !== undefined;
}

describe('an artifact that is retired', () => {
  it('is none that a group is to have, nor one that release did not sign', async () => {
    const { fleet } = await OfflineFleet.ready(1, 1);
    await fleet.publish('firmware', '1');
    for (const [name, version] of [
      ['firmware', '1'],
      ['firmware', '2'],
      ['model', '1'],
    ] as const) {
      await expect(retireArtifact(fleet.repository, name, version, NOW)).rejects.toMatchObject({ code: 'E_ARGUMENT' });
    }
    expect(await fleet.staged()).toEqual([]);
  });

  it('goes once release has signed, and not before', async () => {
    const { fleet, state } = await OfflineFleet.ready(2, 2);
    await fleet.publish('firmware', '1');
    await fleet.publish('firmware', '2');
    expect(await retireArtifact(fleet.repository, 'firmware', '1', NOW)).toMatchObject([{ signatures: 0 }]);
    expect(await released(fleet, 'firmware', '1')).toBe(true);
    await fleet.signAll();
    expect(await fleet.promote()).toEqual([]);
    expect(await released(fleet, 'firmware', '1')).toBe(false);
    expect(await fleet.verify(state)).toMatchObject({ names: ['firmware 2'], code: undefined });
    await expect(retireArtifact(fleet.repository, 'firmware', '1', NOW)).rejects.toMatchObject({ code: 'E_ARGUMENT' });
  });

  it('stays so where the keys are changed before it is signed', async () => {
    const { fleet, state } = await OfflineFleet.ready(1, 1);
    await fleet.publish('firmware', '1');
    await fleet.publish('firmware', '2');
    await retireArtifact(fleet.repository, 'firmware', '1', NOW);
    await changeKeys(fleet.repository, put('release', fleet.elsewhere(1), 1), NOW);
    await expect(retireArtifact(fleet.repository, 'firmware', '1', NOW)).rejects.toMatchObject({
      code: 'E_TRUST_SIGNATURE',
    });
    await fleet.signAll();
    expect(await fleet.promote()).toEqual([]);
    expect(await released(fleet, 'firmware', '1')).toBe(false);
    expect(await fleet.verify(state)).toMatchObject({ names: ['firmware 2'], code: undefined });
  });

  it('is refused by a device that saw it go, whoever has the online keys and the old metadata', async () => {
    const { fleet, state } = await OfflineFleet.ready(1, 1);
    await fleet.publish('firmware', '1');
    await fleet.publish('firmware', '2');
    const thief = await fleet.copy();
    await retireArtifact(fleet.repository, 'firmware', '1', NOW);
    await fleet.signAll();
    await fleet.promote();
    const seen = await fleet.verify(state);
    expect(seen.code).toBeUndefined();
    for (let n = 0; n < 5; n++) await thief.schedule('firmware', '1');
    expect(await thief.verify(state)).toMatchObject({ names: ['firmware 1'], code: undefined });
    expect(await thief.verify(seen.state)).toMatchObject({ names: [], code: 'E_TRUST_ROLLBACK' });
  });
});

describe('a rollout that is withdrawn', () => {
  it('is the one of that name, and its artifact can be retired', async () => {
    const { fleet, state } = await OfflineFleet.ready(1, 1);
    await fleet.publish('firmware', '1');
    await fleet.publish('model', '7');
    const before = await fleet.verify(state);
    expect(await withdraw(fleet, 'other')).toBe(false);
    expect(await withdraw(fleet, 'firmware')).toBe(true);
    expect(await fleet.verify(before.state)).toMatchObject({ names: ['model 7'], code: undefined });
    await retireArtifact(fleet.repository, 'firmware', '1', NOW);
    await fleet.signAll();
    await fleet.promote();
    expect(await fleet.verify(before.state)).toMatchObject({ names: ['model 7'], code: undefined });
    expect(await withdraw(fleet, 'model')).toBe(true);
    expect(await fleet.verify(before.state)).toMatchObject({ names: [], code: undefined });
  });
});
