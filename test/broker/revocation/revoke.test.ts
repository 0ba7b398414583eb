import { access, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readRegister, writeRegister } from '../../../broker/revocation/register_file.js';
import { putOnList, takeOffLists } from '../../../broker/revocation/revoke.js';
import { recordName } from '../../../shared/control/revocation.js';
import { ChunkmeshError } from '../../../shared/errors.js';
import { TestFleet } from '../../support/test_fleet.js';

/** What the operator's verbs leave in the folder, where no broker is there to hear them. */

let fleet: TestFleet;
beforeEach(async () => {
  fleet = await TestFleet.create();
});
afterEach(() => fleet.remove());

const options = async (id = 'operator') => ({
  ...{ fleetFolder: fleet.folder, credential: await fleet.credential(id), broker: 'mqtts://127.0.0.1:1' },
});
const codeOf = (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => 'done',
    (error: unknown) => (error instanceof ChunkmeshError ? error.code : String(error)),
  );
const serialOf = (id: string): string => fleet.fleet.roster.find((member) => member.id === id)?.serial ?? '';

describe('P-14.2 a list whose signer it names', () => {
  it('is not made: everybody would refuse it; nothing is written', async () => {
    const before = await readFile(join(fleet.folder, 'revoked.json'), 'utf8');
    for (const list of ['revoked', 'quarantined', 'wiped'] as const) {
      expect(await codeOf(putOnList(await options(), 'operator', list, 'stolen'))).toBe('E_PEER_REVOKED');
    }
    expect(await readFile(join(fleet.folder, 'revoked.json'), 'utf8')).toBe(before);
  });

  it('is made with the bundle of another operator, after which the first can say nothing more, nor take itself off', async () => {
    await fleet.enroll('ada', { role: 'operator' });
    await fleet.enroll('cam-1');
    expect(await codeOf(putOnList(await options('ada'), 'operator', 'revoked', 'stolen'))).toBe('E_BROKER_UNREACHABLE');
    expect(await codeOf(putOnList(await options(), 'cam-1', 'revoked', 'x'))).toBe('E_PEER_REVOKED');
    expect(await codeOf(takeOffLists(await options(), 'operator'))).toBe('E_PEER_REVOKED');
    const { entries } = await readRegister(fleet.folder);
    expect(entries).toMatchObject([{ device: 'operator', by: 'ada', list: 'revoked' }]);
  });
});

describe('P-14.9 the folder says so', () => {
  it('also one that has nothing of a broker yet: whoever revokes may be elsewhere', async () => {
    await fleet.enroll('cam-1');
    for (const other of ['broker', 'ca.key']) await rm(join(fleet.folder, other), { recursive: true });
    expect(await codeOf(putOnList(await options(), 'cam-1', 'revoked', 'lost'))).toBe('E_BROKER_UNREACHABLE');
    const acl = await readFile(join(fleet.folder, 'broker/acl'), 'utf8');
    expect(acl).toContain('revoked: cam-1');
    expect(acl).not.toContain('user cam-1');
    await access(join(fleet.folder, 'broker/revoked'));
  });

  it('before a number of the future ends the command: register, access list and CRL', async () => {
    await fleet.enroll('cam-1');
    const register = await readRegister(fleet.folder);
    const [acl, crl] = await Promise.all(
      ['acl', 'ca.crl'].map((name) => readFile(join(fleet.folder, 'broker', name), 'utf8')),
    );
    await writeRegister(fleet.folder, { ...register, version: 4_000_000_000 });
    expect(await codeOf(putOnList(await options(), 'cam-1', 'revoked', 'stolen'))).toBe('E_REVOCATION_SPENT');
    expect((await readRegister(fleet.folder)).entries).toMatchObject([{ device: 'cam-1' }]);
    expect(await readFile(join(fleet.folder, 'broker/acl'), 'utf8')).not.toBe(acl);
    expect(await readFile(join(fleet.folder, 'broker/ca.crl'), 'utf8')).not.toBe(crl);
  });

  it('in the CRL of every certificate that the member had and that has not ended', async () => {
    await fleet.enroll('cam-1');
    const first = serialOf('cam-1');
    await fleet.fleet.enroll('cam-1', { renew: true });
    const second = serialOf('cam-1');
    await fleet.fleet.enroll('cam-1', { renew: true });
    await codeOf(putOnList(await options(), 'cam-1', 'revoked', 'stolen'));
    const [entry] = (await readRegister(fleet.folder)).entries;
    expect(entry?.name).toBe(recordName('cam-1'));
    expect(new Set(entry?.serials)).toEqual(new Set([first, second, serialOf('cam-1')]));
    expect(new Set(entry?.serials).size).toBe(3);
  });
});
