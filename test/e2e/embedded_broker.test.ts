import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, readFile, rename, writeFile } from 'node:fs/promises';
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { IClientOptions, MqttClient } from 'mqtt';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { EmbeddedBroker } from '../../broker/embedded/embedded_broker.js';
import { Authority, validFor } from '../../broker/fleet/authority.js';
import { topics } from '../../shared/control/topics.js';
import type { Credential } from '../../shared/identity/bundle.js';
import { MAX_MESSAGE_BYTES } from '../../shared/limits.js';
import { connectMember, connectRaw, untilClosed } from '../support/broker_client.js';
import { TestFleet } from '../support/test_fleet.js';

let fleet: TestFleet;
let device: Credential;
let other: Credential;
let operator: Credential;
let broker: EmbeddedBroker;
let port: number;
const clients: MqttClient[] = [];

beforeAll(async () => {
  fleet = await TestFleet.create();
  device = await fleet.enroll('cam-1');
  other = await fleet.enroll('cam-2');
  operator = await fleet.credential('operator');
});
afterAll(() => fleet.remove());

beforeEach(async () => {
  broker = await start();
  port = broker.address.port;
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.end(true);
  await broker.close();
});

const start = (onPort = 0): Promise<EmbeddedBroker> =>
  EmbeddedBroker.start({ fleetDir: fleet.folder, host: '127.0.0.1', port: onPort, logger: pino({ level: 'silent' }) });

async function member(credential: Credential, options: Partial<IClientOptions> = {}): Promise<MqttClient> {
  const client = await connectMember(credential, port, options);
  clients.push(client);
  return client;
}

const closed = (client: MqttClient): Promise<void> => new Promise((resolve) => client.once('close', () => resolve()));

const status = (id: string): string => topics.status(fleet.prefix, id);

/** The operator watches every status; resolves with the next one. */
async function watch(): Promise<{ next: () => Promise<{ topic: string; payload: Buffer }> }> {
  const client = await member(operator);
  const seen: { topic: string; payload: Buffer }[] = [];
  client.on('message', (topic, payload) => seen.push({ topic, payload }));
  await client.subscribeAsync(`${fleet.prefix}/status/+`, { qos: 1 });
  return { next: () => vi.waitFor(() => seen.shift() ?? Promise.reject(new Error('no message yet'))) };
}

/** Publishes and subscribes still work. */
async function expectWell(): Promise<void> {
  const { next } = await watch();
  const text = randomBytes(8).toString('hex');
  const client = await member(device);
  await client.publishAsync(status('cam-1'), text, { qos: 1 });
  const { topic, payload } = await next();
  expect([topic, payload.toString()]).toEqual([status('cam-1'), text]);
}

describe('who comes in', () => {
  it('is a member, and one that was enrolled while it runs', async () => {
    await expectWell();
    const late = await fleet.enroll(`late-${Date.now()}`);
    await expect(member(late)).resolves.toBeDefined();
  });

  it('is nobody without a certificate, and is told so', async () => {
    const socket = await connectRaw(null, port);
    socket.write(connectPacket('cam-1'));
    expect([...(await untilClosed(socket))]).toEqual([0x20, 2, 0, 5]);
    expect(broker.stats().refused.connections).toBe(1);
  });

  it('is nobody of another CA, even one of the same name, and is told so', async () => {
    for (const name of ['acme', 'other']) {
      const foreign = await TestFleet.create(name);
      const impostor = await foreign.enroll('cam-1');
      await foreign.remove();
      await expect(member({ ...impostor, ca: device.ca })).rejects.toMatchObject({ code: 5 });
    }
    expect(broker.stats().refused.connections).toBe(2);
    await expectWell();
  });

  it('is nobody whose certificate has expired, or is not for a client', async () => {
    const authority = await Authority.fromPem(await readFile(join(fleet.folder, 'ca.key'), 'utf8'), device.ca);
    const past = { notBefore: new Date(Date.now() - 2000), notAfter: new Date(Date.now() - 1000) };
    const expired = await authority.issueMember(device.identity, device.key.publicKey, past);
    await expect(member({ ...device, certificate: expired })).rejects.toMatchObject({ code: 5 });
    const valid = validFor(Date.now(), 1);
    const server = await authority.issueServer('acme', [], device.key.publicKey, valid);
    await expect(member({ ...device, certificate: server })).rejects.toMatchObject({ code: 5 });
    const unlisted = await authority.issueMember(device.identity, device.key.publicKey, valid);
    await expect(member({ ...device, certificate: unlisted })).rejects.toMatchObject({ code: 5 });
    await expectWell();
  });

  it('is nobody whose certificate the roster does not have, and who leaves it is cut off', async () => {
    const path = join(fleet.folder, 'fleet.json');
    const text = await readFile(path, 'utf8');
    const client = await member(other);
    const cutOff = closed(client);
    const file = JSON.parse(text) as { roster: { id: string }[] };
    file.roster = file.roster.filter(({ id }) => id !== 'cam-2');
    await writeFile(`${path}.new`, JSON.stringify(file));
    await rename(`${path}.new`, path);
    try {
      await cutOff;
      await expect(member(other)).rejects.toMatchObject({ code: 5 });
    } finally {
      await writeFile(`${path}.new`, text);
      await rename(`${path}.new`, path);
    }
    await expect(member(other)).resolves.toBeDefined();
  });

  it.each(['cam-2', '', 'CAM-1', '__proto__', 'constructor', 'a/b', '\u0000', '#', 'x'.repeat(3000)])(
    'is nobody by the client id %j that is not its certificate (P-2.5)',
    async (clientId) => {
      const victim = await member(other);
      await expect(member(device, { clientId })).rejects.toThrow();
      await victim.publishAsync(status('cam-2'), 'still here', { qos: 1 });
      await expectWell();
    },
  );

  it('is nobody with a will that the table refuses (P-2.2, P-2.6)', async () => {
    const payload = Buffer.from('x');
    const signal = topics.signal(fleet.prefix, 'default', 'cam-2', 'cam-1');
    for (const will of [
      { topic: status('cam-2'), payload },
      { topic: `${fleet.prefix}/#`, payload },
      { topic: signal, payload },
      { topic: status('cam-1'), payload: Buffer.alloc(MAX_MESSAGE_BYTES + 1) },
    ]) {
      await expect(member(device, { will: { ...will, qos: 1, retain: true } }), will.topic).rejects.toThrow();
    }
    await expectWell();
  });

  it('keeps the last of two connections of one id', async () => {
    const first = await member(device);
    const cutOff = closed(first);
    const second = await member(device);
    await cutOff;
    expect(second.connected).toBe(true);
    await second.publishAsync(status('cam-1'), 'second', { qos: 1 });
  });
});

describe('what it passes on', () => {
  it('delivers the will of a client that vanishes', async () => {
    const { next } = await watch();
    const will = { topic: status('cam-1'), payload: Buffer.from('gone'), qos: 1 as const, retain: true };
    const client = await member(device, { will });
    client.stream.destroy();
    expect((await next()).payload.toString()).toBe('gone');
  });

  it('retains a status for who comes later, and takes no retained message on command or signal (P-2.6)', async () => {
    const client = await member(device);
    await client.publishAsync(status('cam-1'), 'kept', { qos: 1, retain: true });
    const signal = topics.signal(fleet.prefix, 'default', 'cam-2', 'cam-1');
    await client.publishAsync(signal, 'retained', { qos: 1, retain: true });
    await client.publishAsync(signal, 'plain', { qos: 1 });
    const { next } = await watch();
    expect((await next()).payload.toString()).toBe('kept');
    const receiver = await member(other);
    const seen: string[] = [];
    receiver.on('message', (_, payload) => seen.push(payload.toString()));
    await receiver.subscribeAsync(topics.signal(fleet.prefix, 'default', 'cam-2', '+'), { qos: 1 });
    await client.publishAsync(signal, 'sentinel', { qos: 1 });
    await vi.waitFor(() => expect(seen).toContain('sentinel'));
    expect(seen).toEqual(['sentinel']);
    expect(broker.stats().refused.publishes).toBe(1);
  });

  it('drops what the table refuses, counts it and keeps the connection (P-2.2)', async () => {
    const { next } = await watch();
    const client = await member(device);
    for (const topic of [
      status('cam-2'),
      `${fleet.prefix}/revoked`,
      '$SYS/x',
      'chunkmesh/other/status/cam-1',
      'a//b',
    ]) {
      await client.publishAsync(topic, 'no', { qos: 1, retain: true });
    }
    await client.publishAsync(status('cam-1'), 'yes', { qos: 1 });
    const { topic, payload } = await next();
    expect([topic, payload.toString()]).toEqual([status('cam-1'), 'yes']);
    expect(broker.stats().refused.publishes).toBe(5);
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
    const socket = await connectRaw(device, port);
    socket.write(connectPacket('cam-1'));
    expect([...(await bytes(socket, 4))]).toEqual([0x20, 2, 0, 0]);
    socket.write(subscribePacket(filter));
    // `x/y+` is for aedes itself malformed; it ends the connection.
    const answer = filter === 'x/y+' ? await untilClosed(socket) : await bytes(socket, 5);
    expect([...answer]).toEqual(filter === 'x/y+' ? [] : [0x90, 3, 0, 7, 0x80]);
    socket.destroy();
  });

  it('grants what is allowed beside what is refused, in the order asked', async () => {
    const client = await member(device);
    const granted = await client
      .subscribeAsync([
        topics.command(fleet.prefix, 'cam-1'),
        topics.command(fleet.prefix, 'cam-2'),
        topics.revoked(fleet.prefix),
      ])
      .catch((error: unknown) => error);
    expect(granted).toBeDefined();
    expect(broker.stats().refused.subscriptions).toBe(1);
    const sender = await member(operator);
    const received = new Promise<string>((resolve) => client.once('message', (_, payload) => resolve(String(payload))));
    await sender.publishAsync(topics.command(fleet.prefix, 'cam-2'), 'not yours', { qos: 1 });
    await sender.publishAsync(topics.command(fleet.prefix, 'cam-1'), 'yours', { qos: 1 });
    expect(await received).toBe('yours');
  });

  it('bounds the subscriptions of one client', async () => {
    const client = await member(await fleet.enroll(`seed-${Date.now()}`, { role: 'seed' }));
    const ask = async (i: number): Promise<void> => {
      const [grant] = await client.subscribeAsync(`${fleet.prefix}/have/a${i}/0/+`);
      if (grant === undefined || grant.qos === 128) throw new Error('refused');
    };
    for (let i = 0; i < 512; i++) await ask(i);
    await expect(ask(512)).rejects.toThrow();
    await client.unsubscribeAsync(`${fleet.prefix}/have/a0/0/+`);
    await ask(512);
  });
});

describe('what does not hurt it', () => {
  it('garbage on the TLS port', async () => {
    for (let i = 0; i < 50; i++) {
      const socket = connectTcp(port, '127.0.0.1');
      socket.on('error', () => {});
      await once(socket, 'connect');
      socket.end(randomBytes(i * 40));
      socket.resume();
      await once(socket, 'close');
    }
    await expectWell();
  });

  it('garbage after the handshake, before and after CONNECT', async () => {
    for (let i = 0; i < 60; i++) {
      const socket = await connectRaw(device, port);
      if (i % 2 === 0) {
        socket.write(connectPacket('cam-1'));
        await bytes(socket, 4);
      }
      socket.resume();
      socket.write(Buffer.concat([Buffer.from([(i % 16) << 4, 5 + i]), randomBytes(600)]));
      socket.end();
      await once(socket, 'close');
    }
    await expectWell();
  });

  it('topics that are not UTF-8, deep, or long', async () => {
    const hostile = [
      Buffer.from([0xff, 0xfe]),
      Buffer.from('/'.repeat(500)),
      Buffer.alloc(65_535, 0x61),
      Buffer.alloc(0),
    ];
    for (const topic of hostile) {
      for (const make of [rawPublish, rawSubscribe]) {
        const socket = await connectRaw(device, port);
        socket.write(connectPacket('cam-1'));
        await bytes(socket, 4);
        socket.resume();
        socket.end(make(topic));
        await once(socket, 'close');
      }
    }
    await expectWell();
  });

  it('a publish of 10 MiB, refused at its header while others go on (P-2.7)', async () => {
    const { next } = await watch();
    const honest = await member(other);
    const socket = await connectRaw(device, port);
    socket.write(connectPacket('cam-1'));
    await bytes(socket, 4);
    const ended = untilClosed(socket);
    const before = process.memoryUsage().arrayBuffers;
    const topic = Buffer.from(status('cam-1'));
    socket.write(Buffer.concat([Buffer.from([0x30, 0x80, 0x80, 0x80, 0x05, 0, topic.length]), topic]));
    for (let sent = 0; sent < 10 * 2 ** 20 && !socket.destroyed; sent += 65_536) socket.write(Buffer.alloc(65_536));
    await honest.publishAsync(status('cam-2'), 'on', { qos: 1 });
    expect((await next()).payload.toString()).toBe('on');
    await ended;
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(24 * 2 ** 20);
    expect(broker.stats().refused.oversized).toBe(1);
    expect(broker.stats().controlBytes.received).toBeLessThan(10 * 2 ** 20);
  });

  it('a message at the limit, and refuses one byte more (P-2.7)', async () => {
    const { next } = await watch();
    const client = await member(device);
    await client.publishAsync(status('cam-1'), Buffer.alloc(MAX_MESSAGE_BYTES + 1), { qos: 1 });
    await client.publishAsync(status('cam-1'), Buffer.alloc(MAX_MESSAGE_BYTES), { qos: 1 });
    expect((await next()).payload.length).toBe(MAX_MESSAGE_BYTES);
    expect(broker.stats().refused.oversized).toBe(1);
  });

  it.each([
    ['broker/server.crt', 0o600, 'nonsense', 'E_BROKER_START'],
    ['ca.crt', 0o600, 'nonsense', 'E_BROKER_START'],
    ['broker/server.key', 0o644, '', 'E_KEY_FILE_MODE'],
    ['fleet.json', 0o600, '{}', 'E_CONFIG'],
  ])('a fleet folder whose %s, mode %i, is %j, which it says with %s', async (name, mode, text, code) => {
    const damaged = await TestFleet.create();
    const path = join(damaged.folder, name);
    if (text !== '') await writeFile(path, text);
    await chmod(path, mode);
    const options = { fleetDir: damaged.folder, host: '127.0.0.1', port: 0, logger: pino({ level: 'silent' }) };
    await expect(EmbeddedBroker.start(options)).rejects.toMatchObject({ code });
    await damaged.remove();
    await expect(EmbeddedBroker.start(options)).rejects.toMatchObject({ code: 'E_FLEET_MISSING' });
  });

  it('a port that is taken, which it says', async () => {
    await expect(start(port)).rejects.toMatchObject({ code: 'E_BROKER_START' });
  });
});

describe('what it counts', () => {
  it('is every byte at the sockets, both ways, garbage and closed ones included', async () => {
    const relay = await countingRelay(port);
    const client = await connectMember(device, relay.port);
    await client.publishAsync(status('cam-1'), randomBytes(50_000), { qos: 1 });
    await client.subscribeAsync(topics.revoked(fleet.prefix));
    await client.endAsync();
    const garbage = connectTcp(relay.port, '127.0.0.1');
    garbage.on('error', () => {});
    garbage.end('GET / HTTP/1.1\r\n\r\n');
    await once(garbage, 'close');
    await vi.waitFor(() => expect(broker.stats().connections).toBe(0));
    await vi.waitFor(() => expect(broker.stats().controlBytes).toEqual({ received: relay.up(), sent: relay.down() }));
    expect(relay.up()).toBeGreaterThan(50_000);
    relay.server.close();
  });

  it('is nothing before anyone came', () => {
    expect(broker.stats()).toEqual({
      connections: 0,
      controlBytes: { received: 0, sent: 0 },
      messages: 0,
      payloadBytes: 0,
      unscanned: 0,
      refused: { connections: 0, publishes: 0, subscriptions: 0, oversized: 0 },
    });
  });
});

/** Bytes as another program sees them pass. */
async function countingRelay(
  target: number,
): Promise<{ port: number; up: () => number; down: () => number; server: Server }> {
  let up = 0;
  let down = 0;
  const server = createServer({ allowHalfOpen: true }, (near: Socket) => {
    const far = connectTcp({ port: target, host: '127.0.0.1', allowHalfOpen: true });
    near.on('data', (part) => {
      up += part.length;
      far.write(part);
    });
    far.on('data', (part) => {
      down += part.length;
      near.write(part);
    });
    near.on('end', () => far.end()).on('error', () => far.destroy());
    far.on('end', () => near.end()).on('error', () => near.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const listening = typeof address === 'object' && address !== null ? address.port : 0;
  return { port: listening, up: () => up, down: () => down, server };
}

function text(value: string | Buffer): Buffer {
  const content = Buffer.from(value);
  return Buffer.concat([Buffer.from([content.length >> 8, content.length & 0xff]), content]);
}

function withHeader(type: number, body: Buffer): Buffer {
  const low = [(body.length & 0x7f) | 0x80, ((body.length >> 7) & 0x7f) | 0x80, body.length >> 14];
  return Buffer.concat([Buffer.from([type, ...low]), body]);
}

const connectPacket = (id: string): Buffer =>
  withHeader(0x10, Buffer.concat([text('MQTT'), Buffer.from([4, 2, 0, 0]), text(id)]));
const rawPublish = (topic: Buffer): Buffer => withHeader(0x30, Buffer.concat([text(topic), Buffer.from('x')]));
const rawSubscribe = (filter: Buffer): Buffer =>
  withHeader(0x82, Buffer.concat([Buffer.from([0, 7]), text(filter), Buffer.from([0])]));
const subscribePacket = (filter: string): Buffer => rawSubscribe(Buffer.from(filter));

/** The next `count` bytes. */
async function bytes(socket: Awaited<ReturnType<typeof connectRaw>>, count: number): Promise<Buffer> {
  for (;;) {
    const part = socket.read(count) as Buffer | null;
    if (part !== null) return part;
    await once(socket, 'readable');
  }
}
