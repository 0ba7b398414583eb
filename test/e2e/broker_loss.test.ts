import { describe, expect, it } from 'vitest';
import { ownPort } from '../support/own_port.js';
import { Member } from './support/member.js';
import { Mesh, MIB, sha256Of } from './support/mesh.js';
import { Relay } from './support/relay.js';
import { GatedSource } from './support/source.js';

/** A broker that is not there yet, and one that goes away. */

/** What ControlLink promises, in ms: the first delay is from half of this to the whole, and each next one up to twice as long. */
const FIRST_BACKOFF_MS = 500;
/** A timer may fire this early by the clock of another process. */
const CLOCK_GRAIN_MS = 5;
const ATTEMPTS = 3;
const DEVICES = ['cam-1', 'cam-2'];

/** Time from each attempt to connect to the next. */
const gaps = (attempts: readonly number[]): number[] => attempts.slice(1).map((at, i) => at - (attempts[i] ?? 0));

describe('a broker', () => {
  it('that is down at the start is waited for: the agent stays up, says so, and the transfer completes', async () => {
    const mesh = await Mesh.create();
    const artifact = await mesh.artifact('firmware.img', 4 * MIB);
    const port = await ownPort();
    const url = `mqtts://127.0.0.1:${port}`;
    const device = await mesh.device('cam-1', { broker: url });
    const warning = await device.warning('E_BROKER_UNREACHABLE');
    expect(warning.message).toContain(url);
    expect(warning.remedy).toContain('broker runs');
    const seed = await mesh.seed(url, artifact);
    await seed.warning('E_BROKER_UNREACHABLE');
    expect([device.running, seed.running]).toEqual([true, true]);
    await mesh.broker(port);
    await mesh.publish(artifact, url);
    const done = await device.event('complete');
    expect(await sha256Of(String(done.path))).toBe(artifact.sha256);
    expect(device.events.filter(({ event }) => event === 'online')).toHaveLength(1);
  });

  it('that dies in the middle is not needed by sessions; control comes back with back-off and jitter', async () => {
    const mesh = await Mesh.create();
    const artifact = await mesh.artifact('firmware.img', 20 * MIB);
    const broker = await mesh.broker(await ownPort());
    await mesh.publish(artifact, broker.url);
    const source = await GatedSource.make(artifact.bytes);
    source.allow(20);
    const origin = await Member.join(await mesh.enroll('origin', { role: 'seed' }), source, broker.url);
    const relays = await Promise.all(DEVICES.map(() => Relay.open(broker.port)));
    const devices = await Promise.all(DEVICES.map((id, i) => mesh.device(id, { broker: relays[i]?.url ?? '' })));
    for (const id of DEVICES) await origin.until(id, ({ session }) => session.isOpen);

    await broker.process.kill();
    await Promise.all(devices.map((device) => device.event('offline')));
    source.allowAll();
    for (const device of devices) {
      const done = await device.event('complete');
      expect(await sha256Of(String(done.path))).toBe(artifact.sha256);
      expect(device.events.filter(({ event }) => event === 'online')).toHaveLength(1);
    }

    // The first connection was made before the broker died.
    await Promise.all(relays.map((relay) => relay.untilAttempts(1 + ATTEMPTS)));
    const waits = relays.map((relay) => gaps(relay.attempts.slice(1, 1 + ATTEMPTS)));
    for (const [i, wait] of waits.flatMap((list) => [...list.entries()])) {
      expect(wait).toBeGreaterThanOrEqual((FIRST_BACKOFF_MS * 2 ** (i + 1)) / 2 - CLOCK_GRAIN_MS);
    }
    expect(waits[0]?.map(Math.round)).not.toEqual(waits[1]?.map(Math.round));

    await mesh.broker(broker.port);
    const [device] = devices;
    const next = await mesh.artifact('next.img', MIB);
    await mesh.publish(next, broker.url, '1.0.1');
    expect(await device?.event('rollout', ({ version }) => version === '1.0.1')).toMatchObject({ size: MIB });
    expect(device?.events.filter(({ event }) => event === 'online')).toHaveLength(2);
  });
});
