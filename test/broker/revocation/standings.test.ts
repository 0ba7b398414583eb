import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { readSealedList } from '../../../broker/revocation/sealed_list.js';
import { Standings } from '../../../broker/revocation/standings.js';
import { sealEnvelope } from '../../../shared/control/envelope.js';
import { encodeMessage } from '../../../shared/control/messages.js';
import { packRecords } from '../../../shared/control/revocation.js';
import { topics } from '../../../shared/control/topics.js';
import { MAX_CLOCK_AHEAD_SECONDS } from '../../../shared/limits.js';
import { FLEET, Issuer, type Member, NOW, PREFIX } from '../../support/members.js';
import { temporaryFolder } from '../../support/store_fixture.js';

const none = new Uint8Array();
const FAR = 4_000_000_000;

let issuer: Issuer;
let [thief, honest]: Member[] = [];
let folder: string;
let now = NOW;
beforeEach(async () => {
  now = NOW;
  vi.spyOn(Date, 'now').mockImplementation(() => now * 1000);
  issuer = await Issuer.authority();
  const operator = (id: string): Promise<Member> => issuer.member({ id, role: 'operator', groups: [] });
  [thief, honest] = [await operator('op-stolen'), await operator('operator')];
  folder = await temporaryFolder();
  await mkdir(join(folder, 'broker'));
  return () => vi.restoreAllMocks();
});

const standings = (): Standings =>
  new Standings(folder, { prefix: PREFIX, fleet: FLEET, ca: issuer.certificate }, pino({ level: 'silent' }));

function list(by: Member | undefined, version: number, revoked: readonly string[] = []): Uint8Array {
  if (by === undefined) throw new Error('made before each test');
  const records = packRecords(revoked.map((device) => ({ device, since: NOW })));
  const message = { t: 'revoked', v: 1, fleet: FLEET, version, at: version } as const;
  const payload = encodeMessage({ ...message, revoked: records, quarantined: none, wiped: none });
  return sealEnvelope(topics.revoked(PREFIX), payload, by);
}

describe('P-14.2 a broker', () => {
  it('takes no list of the future, which would be the newest for ever, and keeps none; the next one is in force', async () => {
    const broker = standings();
    expect(broker.heard(list(thief, FAR))).toBe(false);
    expect(await readSealedList(folder)).toBeNull();
    expect(broker.heard(list(honest, NOW, ['op-stolen']))).toBe(true);
    expect(broker.version).toBe(NOW);
  });

  it('takes none of the future from its folder either, when it starts', async () => {
    await writeFile(join(folder, 'broker/revoked'), list(thief, FAR), { mode: 0o600 });
    const broker = standings();
    expect([await broker.refresh(), broker.version, broker.envelope]).toEqual([false, 0, null]);
    expect(broker.heard(list(honest, NOW, ['op-stolen']))).toBe(true);
  });

  it('takes one that is ahead by as much as a list may be, and the next above it', () => {
    const broker = standings();
    expect(broker.heard(list(thief, NOW + MAX_CLOCK_AHEAD_SECONDS))).toBe(true);
    now = NOW + 1;
    expect(broker.heard(list(honest, NOW + MAX_CLOCK_AHEAD_SECONDS + 1, ['op-stolen']))).toBe(true);
    now = NOW + 2;
    expect(broker.heard(list(thief, NOW + MAX_CLOCK_AHEAD_SECONDS + 2))).toBe(false);
  });
});
