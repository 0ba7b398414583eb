import { describe, expect, it } from 'vitest';
import { changeOf } from '../../../broker/publish/rollout_change.js';
import type { NewArtifact } from '../../../broker/trust/schedule.js';
import type { RolloutCustom, Verdict } from '../../../shared/trust/verify.js';
import { coded } from '../../support/store_fixture.js';
import { DAY, TestTrust, testIndex } from '../../support/test_trust.js';

const NOW = 1_800_000_000;

interface Over extends Pick<NewArtifact, 'audience'> {
  readonly group?: string;
  readonly bytes?: number;
  readonly days?: number;
  readonly how?: RolloutCustom;
}

/** A repository, and what a publish makes of it. */
class Publishing {
  readonly #trust: TestTrust;

  private constructor(trust: TestTrust) {
    this.#trust = trust;
  }

  static async create(): Promise<Publishing> {
    return new Publishing(await TestTrust.create(NOW));
  }

  change(name: string, version = '1.0.0', over: Over = {}): Promise<string | undefined> {
    const { group = 'cams', bytes = 1, days = 30, how = { shards: 1 }, audience } = over;
    const artifact = { name, version, index: testIndex(bytes), ...(audience !== undefined && { audience }) };
    return changeOf(artifact, { group, name, version, how }, days)(this.#trust.repository, NOW);
  }

  async verdict(group = 'cams'): Promise<Verdict> {
    const { repository } = this.#trust;
    return repository.verify(await repository.current(), group, NOW);
  }

  async names(group = 'cams'): Promise<string[]> {
    const { error, refused, rollouts } = await this.verdict(group);
    expect([error, refused]).toEqual([undefined, []]);
    return rollouts.map(({ name, version }) => `${name} ${version}`);
  }

  async timestamp(): Promise<number> {
    return (await this.#trust.repository.current()).timestampVersion;
  }
}

describe('a publish (P-4.1, P-12.2)', () => {
  it('starts a group, and expires in so many days', async () => {
    const publishing = await Publishing.create();
    await publishing.change('firmware', '1.0.0', { days: 2, how: { shards: 16, priority: 7 } });
    const verdict = await publishing.verdict();
    expect(verdict.rollouts).toEqual([
      {
        ...{ name: 'firmware', version: '1.0.0', artifact: new Uint8Array(Buffer.from('01'.repeat(32), 'hex')) },
        ...{ size: 1001, chunks: 3, shards: 16, priority: 7, audience: {} },
      },
    ]);
    expect(verdict.expires).toBe(NOW + 2 * DAY);
  });

  it('replaces the rollout of that name and keeps the others, and their order', async () => {
    const publishing = await Publishing.create();
    await publishing.change('model');
    await publishing.change('firmware');
    await publishing.change('firmware', '2.0.0', { bytes: 2 });
    expect(await publishing.names()).toEqual(['model 1.0.0', 'firmware 2.0.0']);
    await publishing.change('model', '1.1.0', { bytes: 3 });
    expect(await publishing.names()).toEqual(['firmware 2.0.0', 'model 1.1.0']);
  });

  it('never goes below a number that was used (P-12.5)', async () => {
    const publishing = await Publishing.create();
    const numbers = [await publishing.timestamp()];
    for (const version of ['1', '2', '1', '1']) {
      await publishing.change('firmware', version);
      numbers.push(await publishing.timestamp());
    }
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  });

  it('takes 16 rollouts and refuses one more', async () => {
    const publishing = await Publishing.create();
    for (let i = 1; i <= 16; i++) await publishing.change(`r-${i}`, '1.0.0', { bytes: i });
    await expect(publishing.change('r-17')).rejects.toThrow(coded('E_ARGUMENT') as Error);
    await publishing.change('r-16', '2.0.0');
    expect(await publishing.names()).toHaveLength(16);
    // Another group has its own.
    await publishing.change('r-17', '1.0.0', { group: 'all' });
    expect(await publishing.names('all')).toEqual(['r-17 1.0.0']);
  });

  it('tells what had the name and version before, where it was other bytes', async () => {
    const publishing = await Publishing.create();
    expect(await publishing.change('firmware')).toBeUndefined();
    expect(await publishing.change('firmware')).toBeUndefined();
    expect(await publishing.change('firmware', '1.0.0', { bytes: 2 })).toBe('01'.repeat(32));
    expect(await publishing.change('firmware', '2.0.0', { bytes: 1 })).toBeUndefined();
  });

  it('refuses other bytes for a name and version that another group has', async () => {
    const publishing = await Publishing.create();
    await publishing.change('firmware');
    const other = publishing.change('firmware', '1.0.0', { group: 'all', bytes: 2 });
    await expect(other).rejects.toThrow(coded('E_ARGUMENT') as Error);
    expect(await publishing.names()).toEqual(['firmware 1.0.0']);
    await publishing.change('firmware', '1.0.0', { group: 'all' });
    expect(await publishing.names('all')).toEqual(['firmware 1.0.0']);
  });

  it('P-12.3: keeps an audience that is not given anew, and changes one that is', async () => {
    const publishing = await Publishing.create();
    const audience = async () => (await publishing.verdict()).rollouts[0]?.audience;
    await publishing.change('firmware', '1.0.0', { audience: { sites: ['north'] } });
    await publishing.change('firmware', '1.0.0', { how: { shards: 2 } });
    expect(await audience()).toEqual({ sites: ['north'] });
    // As the command line gives it.
    await publishing.change('firmware', '1.0.0', { audience: { groups: ['cams'], sites: undefined } });
    expect(await audience()).toEqual({ groups: ['cams'] });
    await publishing.change('firmware', '1.0.0', { audience: {} });
    expect(await audience()).toEqual({});
  });
});
