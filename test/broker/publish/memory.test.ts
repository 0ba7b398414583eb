import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PublishMemory } from '../../../broker/publish/memory.js';
import type { TrustMessage } from '../../../shared/control/messages.js';
import { coded, temporaryFolder } from '../../support/store_fixture.js';

const message: TrustMessage = {
  t: 'trust',
  v: 1,
  fleet: 'acme',
  group: 'cams',
  seq: 4,
  at: 1,
  expires: 2,
  rollouts: [{ name: 'a', version: '1', artifact: new Uint8Array(32).fill(7), size: 1, chunks: 1, shards: 1 }],
};

describe('PublishMemory', () => {
  it('knows nothing of a group before its first publish', async () => {
    expect(await new PublishMemory(await temporaryFolder()).read('cams')).toEqual({ seq: 0 });
  });

  it('remembers the number that was spent and the message that was confirmed, for each group', async () => {
    const folder = await temporaryFolder();
    await new PublishMemory(folder).write('cams', { seq: 5, confirmed: message });
    await new PublishMemory(folder).write('other', { seq: 1 });
    const read = await new PublishMemory(folder).read('cams');
    expect(read.seq).toBe(5);
    expect(read.confirmed?.rollouts[0]?.name).toBe('a');
    expect(Buffer.from(read.confirmed?.rollouts[0]?.artifact ?? []).equals(Buffer.alloc(32, 7))).toBe(true);
    expect(await new PublishMemory(folder).read('other')).toEqual({ seq: 1 });
    expect((await stat(join(folder, 'published/cams.json'))).mode & 0o777).toBe(0o600);
  });

  it('refuses to go on from a file it cannot read: a number would be used twice (P-4.3)', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'published'));
    for (const text of ['', '{}', '{"v":1,"seq":-1}', '{"v":1,"seq":1,"confirmed":"AAAA"}']) {
      await writeFile(join(folder, 'published/cams.json'), text);
      await expect(new PublishMemory(folder).read('cams')).rejects.toThrow(coded('E_FILE_UNREADABLE') as Error);
    }
  });

  it('says where it cannot write', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'published'), 'a file in the way');
    await expect(new PublishMemory(folder).write('cams', { seq: 1 })).rejects.toThrow(coded('E_STORE_IO') as Error);
  });
});
