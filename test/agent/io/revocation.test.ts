import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Agent } from '../../../agent/agent.js';
import type { AgentOptions } from '../../../agent/options.js';
import { openEnvelope } from '../../../shared/control/envelope.js';
import { decodeMessage, type StatusMessage } from '../../../shared/control/messages.js';
import { topics } from '../../../shared/control/topics.js';
import { CaptiveFleet, type Watched } from '../../support/captive_fleet.js';
import { NOW, PREFIX } from '../../support/members.js';
import { coded, Sample, temporaryFolder } from '../../support/store_fixture.js';

/** Agents on a broker in the test's hand, some of them revoked (P-14.2 to P-14.8): real sessions, real files. */

const sample = Sample.make('revoked', 3 * 2 ** 20);
const later = { timeout: 15_000, interval: 20 };
const codes = ({ warnings }: Watched): string[] => warnings.map(({ code }) => code);

async function pair() {
  const fleet = await CaptiveFleet.create();
  const seed = await fleet.agent('depot', 'seed', [await sample]);
  const cam = await fleet.agent('cam-1');
  return { fleet, seed, cam };
}
const signals = (fleet: CaptiveFleet, by: string) =>
  fleet.broker.said.filter(({ from, topic }) => from === by && topic.includes('/signal/'));

/** What the device said of itself last. */
function lastStatus(fleet: CaptiveFleet, device: string): StatusMessage {
  const said = fleet.broker.said.findLast(({ from, topic }) => from === device && topic.includes('/status/'));
  const envelope = said?.payload ?? Buffer.alloc(0);
  const { payload } = openEnvelope(PREFIX, topics.status(PREFIX, device), envelope, fleet.issuer.verifier(), NOW);
  return decodeMessage('status', payload);
}

describe('P-14.6 a device that is revoked', () => {
  it('loses its open sessions at once, its offers are refused and its announcements ignored', async () => {
    const fleet = await CaptiveFleet.create();
    const seed = await fleet.agent('depot', 'seed', [await sample]);
    // So slow that it is not done when it is thrown out.
    const cam = await fleet.agent('cam-1', 'device', [], { limits: { downRate: 100_000 } });
    fleet.publish(fleet.trust(1, await sample, '1'));
    await vi.waitFor(() => expect([seed, cam].map(({ agent }) => agent.status().peers)).toEqual([1, 1]), later);
    const before = signals(fleet, 'depot').length;
    await fleet.revoke({ version: 2, revoked: [{ device: 'cam-1', since: NOW }] });
    await vi.waitFor(() => expect(seed.agent.status().peers).toBe(0), { timeout: 1000, interval: 5 });
    expect(cam.completed).toEqual([]);
    const other = await fleet.agent('cam-2');
    await other.complete('1');
    expect(
      signals(fleet, 'depot')
        .slice(before)
        .some(({ topic }) => topic.endsWith('/cam-1/depot')),
    ).toBe(false);
  });

  it('is refused by who has the newer list, though it was given none itself', async () => {
    const { fleet, seed } = await pair();
    // A broker that keeps the list from the one whom it names.
    const { broker } = fleet;
    const tell = broker.tell.bind(broker);
    broker.tell = (id, topic, ...rest) => {
      if (id !== 'cam-2' || topic !== topics.revoked(PREFIX)) tell(id, topic, ...rest);
    };
    await fleet.revoke({ version: 2, revoked: [{ device: 'cam-2', since: NOW }] });
    const stolen = await fleet.agent('cam-2');
    fleet.publish(fleet.trust(1, await sample, '1'));
    await vi.waitFor(() => expect(codes(seed)).toContain('E_PEER_REVOKED'), later);
    expect(stolen.completed).toEqual([]);
    expect(signals(fleet, 'depot').filter(({ topic }) => topic.includes('/cam-2/'))).toEqual([]);
  });
});

describe('P-14.4 a broker that keeps the list from one device', () => {
  it('does not win: it agrees with nobody who names a newer one, and says why', async () => {
    const { fleet, cam, seed } = await pair();
    const { broker } = fleet;
    const tell = broker.tell.bind(broker);
    let withheld = 0;
    broker.tell = (id, topic, ...rest) => {
      if (id === 'cam-1' && topic === topics.revoked(PREFIX)) withheld++;
      else tell(id, topic, ...rest);
    };
    await fleet.revoke({ version: 2, revoked: [{ device: 'cam-9', since: NOW }] });
    fleet.publish(fleet.trust(1, await sample, '1'));
    await vi.waitFor(() => expect(codes(cam)).toContain('E_REVOCATION_BEHIND'), later);
    expect([cam.completed, cam.agent.status().peers, seed.agent.status().peers]).toEqual([[], 0, 0]);
    expect(withheld).toBeGreaterThan(1);
    broker.tell = tell;
    await cam.complete('1');
  });
});

describe('P-14.7 a device that finds itself on the list', () => {
  it('in quarantine closes its sessions, meets nobody, says so, and goes on when it is restored', async () => {
    const { fleet, cam, seed } = await pair();
    await fleet.revoke({ version: 2, quarantined: [{ device: 'cam-1', since: NOW }] });
    await vi.waitFor(() => expect(codes(cam)).toContain('E_REVOKED'), later);
    fleet.publish(fleet.trust(1, await sample, '1'));
    await vi.waitFor(() => expect(lastStatus(fleet, 'cam-1').rollouts).toHaveLength(1), later);
    // A hundred of the windows in which it would have announced itself.
    await delay(1000);
    expect(lastStatus(fleet, 'cam-1')).toMatchObject({ standing: 'quarantined', revoked: 2, online: true });
    expect(fleet.broker.said.filter(({ from, topic }) => from === 'cam-1' && topic.includes('/have/'))).toEqual([]);
    expect(seed.agent.status().peers).toBe(0);
    await fleet.revoke({ version: 3 });
    await cam.complete('1');
    await vi.waitFor(() => expect(lastStatus(fleet, 'cam-1')).not.toHaveProperty('standing'), later);
  });

  it('remembers that over a restart, whatever an old list says', async () => {
    const { fleet, cam } = await pair();
    await fleet.revoke({ version: 2, quarantined: [{ device: 'cam-1', since: NOW }] });
    await vi.waitFor(() => expect(codes(cam)).toContain('E_REVOKED'), later);
    await cam.agent.stop();
    await fleet.revoke({ version: 1 });
    const again = await fleet.agent('cam-1', 'device', [], { store: cam.store });
    expect(codes(again)).toContain('E_REVOKED');
    await vi.waitFor(() => expect(codes(again)).toContain('E_REVOCATION_ROLLBACK'), later);
    expect(again.agent.status()).toMatchObject({ standing: 'quarantined', revoked: 2 });
  });
});

describe('P-14.8 a device that is wiped', () => {
  async function wiped() {
    const { fleet, cam, seed } = await pair();
    fleet.publish(fleet.trust(1, await sample, '1'));
    const { path } = await cam.complete('1');
    return { fleet, cam, seed, path };
  }

  it('takes away all that it held, says so last, and stops', async () => {
    const { fleet, cam, path } = await wiped();
    const done = new Promise((resolve) => cam.agent.once('wiped', () => resolve(true)));
    await fleet.revoke({ version: 2, wiped: [{ device: 'cam-1', since: NOW }] });
    await done;
    expect(existsSync(path)).toBe(false);
    for (const folder of ['ready', 'artifacts', 'state'])
      expect(existsSync(join(cam.store, 'store', folder, 'x'))).toBe(false);
    expect(lastStatus(fleet, 'cam-1')).toMatchObject({ wiped: true, standing: 'wiped', online: false, rollouts: [] });
  });

  it('does not start again with what it had, nor leaves what a wipe that was cut short had left', async () => {
    const { fleet, cam } = await wiped();
    const bundle = join(await temporaryFolder(), 'bundle.json');
    const member = await fleet.member('cam-1');
    await writeFile(bundle, JSON.stringify(fleet.issuer.bundle(member)), { mode: 0o600 });
    const done = new Promise((resolve) => cam.agent.once('wiped', () => resolve(true)));
    await fleet.revoke({ version: 2, wiped: [{ device: 'cam-1', since: NOW }] });
    await done;
    const store = join(cam.store, 'store');
    const note = JSON.parse(await readFile(join(store, 'wipe.json'), 'utf8'));
    // As kill -9 between the note and the rest leaves it.
    await writeFile(join(store, 'wipe.json'), JSON.stringify({ ...note, done: false }));
    await mkdir(join(store, 'ready/firmware'), { recursive: true });
    await writeFile(join(store, 'ready/firmware/1'), 'secret');
    const start = (over: Partial<AgentOptions> = {}): Promise<void> => {
      const agent = new Agent({ credential: bundle, store, broker: 'mqtts://127.0.0.1:1', ...over });
      onTestFinished(() => agent.stop());
      return agent.start();
    };
    await expect(start()).rejects.toThrow(coded('E_WIPED'));
    expect([existsSync(bundle), existsSync(join(store, 'ready/firmware'))]).toEqual([false, false]);
    await expect(start()).rejects.toThrow(coded('E_WIPED'));
    const credential = fleet.issuer.credential(await fleet.issuer.member({ id: 'cam-1', groups: ['cameras'] }));
    await start({ credential, mqtt: fleet.broker.connect('cam-1') });
  }, 30_000);
});
