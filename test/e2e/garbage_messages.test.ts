import type { MqttClient } from 'mqtt';
import { expect, it, onTestFinished } from 'vitest';
import { TOPICS, topics } from '../../shared/control/topics.js';
import type { Credential } from '../../shared/identity/bundle.js';
import { connectMember } from '../support/broker_client.js';
import { garbageFor } from './support/garbage_messages.js';
import { Member } from './support/member.js';
import { Mesh, MIB, sha256Of } from './support/mesh.js';
import { GatedSource } from './support/source.js';

const DEVICES = ['cam-1', 'cam-2'];
const HELD_BEFORE = 10;
/** What a device says of garbage; anything else, E_INTERNAL above all, would be a fault. */
const REFUSAL =
  /^E_(MESSAGE_(MALFORMED|SIGNATURE|UNTRUSTED|TIME|RATE|TOO_LARGE)|TRUST_(VERSION|ROLLBACK|MALFORMED|MISMATCH)|CERT_\w+)$/;

it('garbage on every topic, random or nearly right, from members with valid certificates: agents live on and complete (P-2.1, P-3.4)', async () => {
  const mesh = await Mesh.create();
  const broker = await mesh.broker();
  const artifact = await mesh.artifact('firmware.img', 4 * MIB);
  const { artifact: named } = await mesh.publish(artifact, broker.url);
  const source = await GatedSource.make(artifact.bytes);
  source.allow(HELD_BEFORE);
  const origin = await Member.join(await mesh.enroll('origin', { role: 'seed' }), source, broker.url);
  const devices = await Promise.all(DEVICES.map((id) => mesh.device(id, { broker: broker.url })));
  for (const id of DEVICES) await origin.until(id, ({ session }) => session.isOpen);

  const join = async (credential: Credential): Promise<[Credential, MqttClient]> => {
    const client = await connectMember(credential, broker.port);
    onTestFinished(() => void client.end(true));
    return [credential, client];
  };
  const mallory = await join(await mesh.enroll('mallory'));
  const mole = await join(await mesh.enroll('mole', { role: 'seed' }));
  const operator = await join(await mesh.credential('operator'));
  const publisher = await join(await mesh.credential('publisher'));
  const registrar = await join(await mesh.credential('registrar'));
  const { prefix } = mesh;
  const floods: [string, [Credential, MqttClient]][] = [
    [topics.have(prefix, named, 0, 'mallory'), mallory],
    [topics.have(prefix, named, 0, 'mole'), mole],
    ...DEVICES.flatMap((id): typeof floods => [
      [topics.signal(prefix, 'default', id, 'mallory'), mallory],
      [topics.signal(prefix, 'default', id, 'mole'), mole],
    ]),
    [topics.status(prefix, 'mallory'), mallory],
    [topics.command(prefix, 'cam-1'), operator],
    [topics.revoked(prefix), operator],
    [topics.trust(prefix, 'default'), publisher],
    [topics.enroll(prefix, 'mallory'), mallory],
    [topics.enrolled(prefix, 'cam-1'), registrar],
  ];
  expect(Object.keys(TOPICS).every((name) => floods.some(([topic]) => topic.includes(`/${name}`)))).toBe(true);
  for (const [topic, [credential, client]] of floods) {
    const garbage = garbageFor(topic, credential, named, 'flood');
    // P-3.7: of each only the first 64 are read, so that the other begins at the end.
    if (credential.identity.id === 'mole') garbage.reverse();
    for (const [i, payload] of garbage.entries()) {
      const { retained } = topic.includes('/trust/') ? TOPICS.trust : TOPICS.have;
      await client.publishAsync(topic, Buffer.from(payload), { qos: 1, retain: retained && i % 2 === 0 });
    }
  }
  for (const device of devices) {
    await device.warning('E_TRUST_VERSION');
    await device.warning('E_MESSAGE_MALFORMED');
    await device.warning('E_MESSAGE_TIME');
    await device.warning('E_MESSAGE_RATE');
  }
  source.allowAll();
  for (const device of devices) {
    const done = await device.event('complete');
    expect(await sha256Of(String(done.path))).toBe(artifact.sha256);
  }
  // And the next rollout, begun after it all.
  const next = await mesh.artifact('next.img', 2 * MIB);
  await mesh.seed(broker.url, next);
  await mesh.publish(next, broker.url, '1.0.1');
  for (const device of devices) {
    const done = await device.event('complete', ({ version }) => version === '1.0.1');
    expect(await sha256Of(String(done.path))).toBe(next.sha256);
    expect(device.warnings.filter(({ code }) => !REFUSAL.test(String(code)))).toEqual([]);
    expect(device.events.filter(({ event }) => event === 'offline')).toEqual([]);
    expect(await device.stop()).toMatchObject({ status: 0, signal: null });
  }
});
