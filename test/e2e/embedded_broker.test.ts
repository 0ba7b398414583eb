import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import type { MqttClient } from 'mqtt';
import { describe, expect, it, vi } from 'vitest';
import { Authority, validFor } from '../../broker/fleet/authority.js';
import { topics } from '../../shared/control/topics.js';
import { MAX_MESSAGE_BYTES } from '../../shared/limits.js';
import { connectMember, connectRaw, untilClosed, withTls } from '../support/broker_client.js';
import { countingRelay } from '../support/counting_relay.js';
import { EmbeddedStage } from '../support/embedded_stage.js';
import { bytes, connectPacket, subscribePacket } from '../support/raw_mqtt.js';
import { TestFleet } from '../support/test_fleet.js';

const stage = new EmbeddedStage();
const closed = (client: MqttClient): Promise<void> => new Promise((resolve) => client.once('close', () => resolve()));

describe('who comes in', () => {
  it('is a member, and one that was enrolled while it runs', async () => {
    await stage.expectWell();
    const late = await stage.fleet.enroll(`late-${Date.now()}`);
    await expect(stage.member(late)).resolves.toBeDefined();
  });

  it('is nobody without a certificate, and is told so', async () => {
    const socket = await connectRaw(null, stage.port);
    socket.write(connectPacket('cam-1'));
    expect([...(await untilClosed(socket))]).toEqual([0x20, 2, 0, 5]);
    expect(stage.broker.stats().refused.connections).toBe(1);
  });

  it('is nobody of another CA, even one of the same name, and is told so', async () => {
    for (const name of ['acme', 'other']) {
      const foreign = await TestFleet.create(name);
      const impostor = await foreign.enroll('cam-1');
      await foreign.remove();
      await expect(stage.member(withTls(impostor, { ca: stage.credential('cam-1').ca }))).rejects.toMatchObject({
        code: 5,
      });
    }
    expect(stage.broker.stats().refused.connections).toBe(2);
    await stage.expectWell();
  });

  it('is nobody whose certificate has expired, is not for a client, or was issued past the roster', async () => {
    const device = stage.credential('cam-1');
    const { identity, key, ca } = device;
    const authority = await Authority.fromPem(await readFile(join(stage.fleet.folder, 'ca.key'), 'utf8'), ca);
    const past = { notBefore: new Date(Date.now() - 2000), notAfter: new Date(Date.now() - 1000) };
    const valid = validFor(Date.now(), 1);
    for (const certificate of [
      await authority.issueMember(identity, key.publicKey, past),
      await authority.issueServer('acme', [], key.publicKey, valid),
      await authority.issueMember(identity, key.publicKey, valid),
    ]) {
      await expect(stage.member(withTls(device, { certificate }))).rejects.toMatchObject({ code: 5 });
    }
    await stage.expectWell();
  });

  it('is nobody whose certificate the roster does not have, and who leaves it is cut off', async () => {
    const path = join(stage.fleet.folder, 'fleet.json');
    const text = await readFile(path, 'utf8');
    const client = await stage.member(stage.credential('cam-2'));
    const cutOff = closed(client);
    const file = JSON.parse(text) as { roster: { id: string }[] };
    file.roster = file.roster.filter(({ id }) => id !== 'cam-2');
    await writeFile(`${path}.new`, JSON.stringify(file));
    await rename(`${path}.new`, path);
    try {
      await cutOff;
      await expect(stage.member(stage.credential('cam-2'))).rejects.toMatchObject({ code: 5 });
    } finally {
      await writeFile(`${path}.new`, text);
      await rename(`${path}.new`, path);
    }
    await expect(stage.member(stage.credential('cam-2'))).resolves.toBeDefined();
  });

  it.each(['cam-2', '', 'CAM-1', '__proto__', 'constructor', 'a/b', '\u0000', '#', 'x'.repeat(3000)])(
    'is nobody by the client id %j that is not its certificate (P-2.5)',
    async (clientId) => {
      const victim = await stage.member(stage.credential('cam-2'));
      await expect(stage.member(stage.credential('cam-1'), { clientId })).rejects.toThrow();
      await victim.publishAsync(stage.status('cam-2'), 'still here', { qos: 1 });
      await stage.expectWell();
    },
  );

  it('is nobody with a will that the table refuses (P-2.2, P-2.6)', async () => {
    const payload = Buffer.from('x');
    const signal = topics.signal(stage.fleet.prefix, 'default', 'cam-2', 'cam-1');
    for (const will of [
      { topic: stage.status('cam-2'), payload },
      { topic: `${stage.fleet.prefix}/#`, payload },
      { topic: signal, payload },
      { topic: stage.status('cam-1'), payload: Buffer.alloc(MAX_MESSAGE_BYTES + 1) },
    ]) {
      await expect(
        stage.member(stage.credential('cam-1'), { will: { ...will, qos: 1, retain: true } }),
        will.topic,
      ).rejects.toThrow();
    }
    await stage.expectWell();
  });

  it('keeps the last of two connections of one id', async () => {
    const first = await stage.member(stage.credential('cam-1'));
    const cutOff = closed(first);
    const second = await stage.member(stage.credential('cam-1'));
    await cutOff;
    expect(second.connected).toBe(true);
    await second.publishAsync(stage.status('cam-1'), 'second', { qos: 1 });
  });
});

describe('what it passes on', () => {
  it('delivers the will of a client that vanishes', async () => {
    const { next } = await stage.watch();
    const will = { topic: stage.status('cam-1'), payload: Buffer.from('gone'), qos: 1 as const, retain: true };
    const client = await stage.member(stage.credential('cam-1'), { will });
    client.stream.destroy();
    expect((await next()).payload.toString()).toBe('gone');
  });

  it('retains a status for who comes later, and takes no retained message on command or signal (P-2.6)', async () => {
    const client = await stage.member(stage.credential('cam-1'));
    await client.publishAsync(stage.status('cam-1'), 'kept', { qos: 1, retain: true });
    const signal = topics.signal(stage.fleet.prefix, 'default', 'cam-2', 'cam-1');
    await client.publishAsync(signal, 'retained', { qos: 1, retain: true });
    await client.publishAsync(signal, 'plain', { qos: 1 });
    const { next } = await stage.watch();
    expect((await next()).payload.toString()).toBe('kept');
    const receiver = await stage.member(stage.credential('cam-2'));
    const seen: string[] = [];
    receiver.on('message', (_, payload) => seen.push(payload.toString()));
    await receiver.subscribeAsync(topics.signal(stage.fleet.prefix, 'default', 'cam-2', '+'), { qos: 1 });
    await client.publishAsync(signal, 'sentinel', { qos: 1 });
    await vi.waitFor(() => expect(seen).toContain('sentinel'));
    expect(seen).toEqual(['sentinel']);
    expect(stage.broker.stats().refused.publishes).toBe(1);
  });

  it('drops what the table refuses, counts it and keeps the connection (P-2.2)', async () => {
    const { next } = await stage.watch();
    const client = await stage.member(stage.credential('cam-1'));
    for (const topic of [
      stage.status('cam-2'),
      `${stage.fleet.prefix}/revoked`,
      '$SYS/x',
      'chunkmesh/other/status/cam-1',
      'a//b',
    ]) {
      await client.publishAsync(topic, 'no', { qos: 1, retain: true });
    }
    await client.publishAsync(stage.status('cam-1'), 'yes', { qos: 1 });
    const { topic, payload } = await next();
    expect([topic, payload.toString()]).toEqual([stage.status('cam-1'), 'yes']);
    expect(stage.broker.stats().refused.publishes).toBe(5);
    expect(client.connected).toBe(true);
  });

  it.each([
    '#',
    'a+',
    'a#',
    '+b',
    'x/y+',
    '$SYS/#',
    '+/+/status/+',
    '/',
    'chunkmesh/acme/#',
    'chunkmesh/acme/status/+',
  ])('answers a device that subscribes %s with 0x80 and keeps the connection (P-2.3)', async (filter) => {
    const socket = await connectRaw(stage.credential('cam-1'), stage.port);
    socket.write(connectPacket('cam-1'));
    expect([...(await bytes(socket, 4))]).toEqual([0x20, 2, 0, 0]);
    socket.write(subscribePacket(filter));
    // `x/y+` is for aedes itself malformed; it ends the connection.
    const answer = filter === 'x/y+' ? await untilClosed(socket) : await bytes(socket, 5);
    expect([...answer]).toEqual(filter === 'x/y+' ? [] : [0x90, 3, 0, 7, 0x80]);
    socket.destroy();
  });

  it('grants what is allowed beside what is refused, in the order asked', async () => {
    const client = await stage.member(stage.credential('cam-1'));
    const granted = await client
      .subscribeAsync([
        topics.command(stage.fleet.prefix, 'cam-1'),
        topics.command(stage.fleet.prefix, 'cam-2'),
        topics.revoked(stage.fleet.prefix),
      ])
      .catch((error: unknown) => error);
    expect(granted).toBeDefined();
    expect(stage.broker.stats().refused.subscriptions).toBe(1);
    const sender = await stage.member(stage.credential('operator'));
    const received = new Promise<string>((resolve) => client.once('message', (_, payload) => resolve(String(payload))));
    await sender.publishAsync(topics.command(stage.fleet.prefix, 'cam-2'), 'not yours', { qos: 1 });
    await sender.publishAsync(topics.command(stage.fleet.prefix, 'cam-1'), 'yours', { qos: 1 });
    expect(await received).toBe('yours');
  });

  it('bounds the subscriptions of one client', async () => {
    const client = await stage.member(await stage.fleet.enroll(`seed-${Date.now()}`, { role: 'seed' }));
    const ask = async (i: number): Promise<void> => {
      const [grant] = await client.subscribeAsync(`${stage.fleet.prefix}/have/a${i}/0/+`);
      if (grant === undefined || grant.qos === 128) throw new Error('refused');
    };
    for (let i = 0; i < 512; i++) await ask(i);
    await expect(ask(512)).rejects.toThrow();
    await client.unsubscribeAsync(`${stage.fleet.prefix}/have/a0/0/+`);
    await ask(512);
  });
});

describe('what it counts', () => {
  it('is every byte at the sockets, both ways, garbage and closed ones included', async () => {
    const relay = await countingRelay(stage.port);
    const client = await connectMember(stage.credential('cam-1'), relay.port);
    await client.publishAsync(stage.status('cam-1'), randomBytes(50_000), { qos: 1 });
    await client.subscribeAsync(topics.revoked(stage.fleet.prefix));
    await client.endAsync();
    const garbage = connectTcp(relay.port, '127.0.0.1');
    garbage.on('error', () => {});
    garbage.end('GET / HTTP/1.1\r\n\r\n');
    await once(garbage, 'close');
    await vi.waitFor(() => expect(stage.broker.stats().connections).toBe(0));
    await vi.waitFor(() =>
      expect(stage.broker.stats().controlBytes).toEqual({ received: relay.up(), sent: relay.down() }),
    );
    expect(relay.up()).toBeGreaterThan(50_000);
    relay.close();
  });

  it('is nothing before anyone came', () => {
    expect(stage.broker.stats()).toEqual({
      connections: 0,
      controlBytes: { received: 0, sent: 0 },
      messages: 0,
      payloadBytes: 0,
      unscanned: 0,
      refused: { connections: 0, publishes: 0, subscriptions: 0, oversized: 0 },
    });
  });
});
