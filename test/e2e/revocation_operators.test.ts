import { once } from 'node:events';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Enrolment } from '../../broker/enrolment/enrolment.js';
import { Registrar } from '../../broker/enrolment/registrar.js';
import { Fleet } from '../../broker/fleet/fleet.js';
import { FleetQuarantine } from '../../broker/guard/fleet_quarantine.js';
import { standingIn } from '../../broker/revocation/register.js';
import { readRegister } from '../../broker/revocation/register_file.js';
import { putOnList, type RevocationOptions } from '../../broker/revocation/revoke.js';
import { Standings } from '../../broker/revocation/standings.js';
import { openEnvelope, sealEnvelope } from '../../shared/control/envelope.js';
import { decodeMessage, encodeMessage } from '../../shared/control/messages.js';
import { topics } from '../../shared/control/topics.js';
import { ChunkmeshError } from '../../shared/errors.js';
import type { Credential } from '../../shared/identity/bundle.js';
import { makeRequest } from '../../shared/identity/request.js';
import { MAX_CLOCK_AHEAD_SECONDS } from '../../shared/limits.js';
import { connectMember, connectRaw } from '../support/broker_client.js';
import { EmbeddedStage } from '../support/embedded_stage.js';
import { bytes, connectPacket, publishPacket } from '../support/raw_mqtt.js';

/** Operators against each other, a thief among them, and what a broker makes of it; each test on members of its own. */

const stage = new EmbeddedStage();
const none = new Uint8Array();
const seconds = (): number => Date.now() / 1000;

const options = async (id = 'operator'): Promise<RevocationOptions> => ({
  ...{ fleetFolder: stage.fleet.folder, credential: await stage.fleet.credential(id) },
  broker: `mqtts://localhost:${stage.port}`,
});
const codeOf = (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => 'done',
    (error: unknown) => (error instanceof ChunkmeshError ? error.code : String(error)),
  );
const knock = (credential: Credential): Promise<string> =>
  connectMember(credential, stage.port).then(
    (client) => {
      client.end(true);
      return 'let in';
    },
    () => 'refused',
  );

/** An empty list, of the highest number that there may be now, or of one that is further ahead. */
function highest(thief: Credential, ahead = MAX_CLOCK_AHEAD_SECONDS): Buffer {
  const version = Math.floor(Date.now() / 1000) + ahead;
  const { fleet } = thief.identity;
  const list = {
    t: 'revoked',
    v: 1,
    fleet,
    version,
    at: version,
    revoked: none,
    quarantined: none,
    wiped: none,
  } as const;
  return Buffer.from(sealEnvelope(topics.revoked(thief.prefix), encodeMessage(list), thief));
}

describe('P-14.2 an operator', () => {
  it('that revokes itself is refused, and revokes others as before; another operator revokes it', async () => {
    await stage.fleet.enroll('ada', { role: 'operator' });
    const spare = await stage.fleet.enroll('spare', { role: 'operator' });
    expect(await codeOf(putOnList(await options('spare'), 'spare', 'revoked', 'stolen'))).toBe('E_PEER_REVOKED');
    const gone = await stage.fleet.enroll('gone');
    expect(await codeOf(putOnList(await options('spare'), 'gone', 'revoked', 'stolen'))).toBe('done');
    expect(await knock(gone)).toBe('refused');
    expect(await codeOf(putOnList(await options('ada'), 'spare', 'revoked', 'stolen'))).toBe('done');
    expect(await knock(spare)).toBe('refused');
    expect(await codeOf(putOnList(await options('spare'), 'cam-2', 'revoked', 'x'))).toBe('E_PEER_REVOKED');
  });

  it.each([
    ['once', 3600_000],
    ['ten times a second', 100],
  ])('revokes a thief of an operator’s key who spends the numbers of the next 300 s, %s', async (_, everyMs) => {
    const id = `thief-${everyMs}`;
    const thief = await stage.fleet.enroll(id, { role: 'operator' });
    const client = await stage.member(thief);
    const publish = (): void =>
      void client.publish(topics.revoked(thief.prefix), highest(thief), { qos: 1, retain: true });
    publish();
    const timer = setInterval(publish, everyMs);
    try {
      await delay(300);
      expect(await codeOf(putOnList(await options(), id, 'revoked', 'stolen'))).toBe('done');
    } finally {
      clearInterval(timer);
    }
    expect(await knock(thief)).toBe('refused');
    const device = await stage.fleet.enroll(`cam-${everyMs}`);
    expect(await codeOf(putOnList(await options(), `cam-${everyMs}`, 'revoked', 'stolen'))).toBe('done');
    expect(await knock(device)).toBe('refused');
  });
});

describe('P-14.9 the embedded broker', () => {
  it('P-14.2 gives nobody a list from after its signer’s certificate, and goes on retaining the one before', async () => {
    const thief = await stage.fleet.enroll('futurist', { role: 'operator' });
    const held = await putOnList(await options(), 'cam-2', 'quarantined', 'odd');
    const client = await stage.member(thief);
    await client.publishAsync(topics.revoked(thief.prefix), highest(thief, 400 * 86_400), { qos: 1, retain: true });
    const listener = await stage.member(stage.credential('cam-1'));
    const versions: number[] = [];
    listener.on('message', (topic, payload) => {
      const { payload: list } = openEnvelope(thief.prefix, topic, new Uint8Array(payload), thief.verifier, seconds());
      versions.push(decodeMessage('revoked', list).version);
    });
    await listener.subscribeAsync(topics.revoked(thief.prefix), { qos: 1 });
    await expect.poll(() => versions).toEqual([held.version]);
  });

  it('refuses a device that was revoked between its handshake and its CONNECT', async () => {
    const device = await stage.fleet.enroll('patient');
    const spare = await connectRaw(device, stage.port);
    await delay(300);
    await putOnList(await options(), 'patient', 'revoked', 'stolen');
    spare.write(connectPacket('patient'));
    expect((await bytes(spare, 4)).toString('hex')).toBe('20020005');
  });

  it('gives one that was put in quarantine in between what is left to it, and no more', async () => {
    const device = await stage.fleet.enroll('odd');
    const spare = await connectRaw(device, stage.port);
    await delay(300);
    await putOnList(await options(), 'odd', 'quarantined', 'odd');
    const before = stage.broker.stats().refused.publishes;
    spare.write(connectPacket('odd'));
    expect((await bytes(spare, 4)).toString('hex')).toBe('20020000');
    spare.write(publishPacket(topics.have(device.prefix, 'a'.repeat(64), 0, 'odd')));
    await expect.poll(() => stage.broker.stats().refused.publishes).toBe(before + 1);
    spare.destroy();
  });
});

describe('P-14.11 a guard', () => {
  it('leaves a device revoked that an operator revoked while it looked', async () => {
    const device = await stage.fleet.enroll('liar');
    const guard = new FleetQuarantine(await options());
    const { out } = await guard.standing();
    expect(out.has('liar')).toBe(false);
    await putOnList(await options(), 'liar', 'revoked', 'stolen');
    await guard.quarantine('liar', 'wrong bytes by report of a, b');
    const register = await readRegister(stage.fleet.folder);
    expect([standingIn(register, 'liar', device.notBefore), await knock(device)]).toEqual(['revoked', 'refused']);
  });
});

describe('P-14.6 a registrar', () => {
  it('hears the list that another folder published, and gives whom it names no answer', async () => {
    const device = await stage.fleet.enroll('listed');
    const [here, elsewhere] = ['registrar-folder', 'operator-folder'].map((name) => join(stage.fleet.root, name)) as [
      string,
      string,
    ];
    for (const copy of [here, elsewhere]) await cp(stage.fleet.folder, copy, { recursive: true });
    const list = new Standings(here, stage.fleet.fleet, pino({ level: 'silent' }));
    const enrolment = new Enrolment({ fleet: await Fleet.open(here), list, now: seconds });
    const broker = `mqtts://localhost:${stage.port}`;
    const heard: boolean[] = [];
    const credential = await stage.fleet.credential('registrar');
    const registrar = new Registrar({
      ...{ credential, enrolment, broker, now: seconds },
      listHeard: (envelope) => heard.push(list.heard(envelope)),
    });
    onTestFinished(() => registrar.close());
    const refused: string[] = [];
    registrar.on('refused', ({ code }, by) => refused.push(`${by} ${code}`));
    await once(registrar, 'online');
    await putOnList({ ...(await options()), fleetFolder: elsewhere, forceId: true }, 'ghost', 'revoked', 'x');
    await expect.poll(() => list.of({ id: 'ghost' }, 0)).toBe('revoked');
    expect(heard).toContain(true);

    // In the registrar's own folder alone: the broker lets the device in, which a broker of the list would not.
    const noBroker = { ...(await options()), fleetFolder: here, broker: 'mqtts://127.0.0.1:1' };
    expect(await codeOf(putOnList(noBroker, 'listed', 'quarantined', 'odd'))).toBe('E_BROKER_UNREACHABLE');
    const client = await stage.member(device);
    const answers: string[] = [];
    client.on('message', (topic) => answers.push(topic));
    await client.subscribeAsync(topics.enrolled(device.prefix, 'listed'), { qos: 1 });
    const topic = topics.enroll(device.prefix, 'listed');
    const csr = makeRequest('listed', device.key);
    const question = encodeMessage({ t: 'enroll', at: Math.floor(seconds()), csr });
    await client.publishAsync(topic, Buffer.from(sealEnvelope(topic, question, device)), { qos: 1 });
    await expect.poll(() => refused).toEqual(['listed E_PEER_REVOKED']);
    await delay(300);
    expect(answers).toEqual([]);
  });
});
