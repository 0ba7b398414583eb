import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, writeFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { EmbeddedBroker } from '../../broker/embedded/embedded_broker.js';
import { MAX_MESSAGE_BYTES } from '../../shared/limits.js';
import { connectRaw, untilClosed } from '../support/broker_client.js';
import { EmbeddedStage } from '../support/embedded_stage.js';
import { bytes, connectPacket, publishPacket, subscribePacket } from '../support/raw_mqtt.js';
import { TestFleet } from '../support/test_fleet.js';

const stage = new EmbeddedStage();

describe('what does not hurt the embedded broker', () => {
  it('garbage on the TLS port', async () => {
    for (let i = 0; i < 50; i++) {
      const socket = connectTcp(stage.port, '127.0.0.1');
      socket.on('error', () => {});
      await once(socket, 'connect');
      socket.end(randomBytes(i * 40));
      socket.resume();
      await once(socket, 'close');
    }
    await stage.expectWell();
  });

  it('garbage after the handshake, before and after CONNECT', async () => {
    for (let i = 0; i < 60; i++) {
      const socket = await connectRaw(stage.credential('cam-1'), stage.port);
      if (i % 2 === 0) {
        socket.write(connectPacket('cam-1'));
        await bytes(socket, 4);
      }
      socket.resume();
      socket.write(Buffer.concat([Buffer.from([(i % 16) << 4, 5 + i]), randomBytes(600)]));
      socket.end();
      await once(socket, 'close');
    }
    await stage.expectWell();
  });

  it('topics that are not UTF-8, deep, or long', async () => {
    const hostile = [
      Buffer.from([0xff, 0xfe]),
      Buffer.from('/'.repeat(500)),
      Buffer.alloc(65_535, 0x61),
      Buffer.alloc(0),
    ];
    for (const topic of hostile) {
      for (const make of [publishPacket, subscribePacket]) {
        const socket = await connectRaw(stage.credential('cam-1'), stage.port);
        socket.write(connectPacket('cam-1'));
        await bytes(socket, 4);
        socket.resume();
        socket.end(make(topic));
        await once(socket, 'close');
      }
    }
    await stage.expectWell();
  });

  it('a publish of 10 MiB, refused at its header while others go on (P-2.7)', async () => {
    const { next } = await stage.watch();
    const honest = await stage.member(stage.credential('cam-2'));
    const socket = await connectRaw(stage.credential('cam-1'), stage.port);
    socket.write(connectPacket('cam-1'));
    await bytes(socket, 4);
    const ended = untilClosed(socket);
    const before = process.memoryUsage().arrayBuffers;
    const topic = Buffer.from(stage.status('cam-1'));
    socket.write(Buffer.concat([Buffer.from([0x30, 0x80, 0x80, 0x80, 0x05, 0, topic.length]), topic]));
    for (let sent = 0; sent < 10 * 2 ** 20 && !socket.destroyed; sent += 65_536) socket.write(Buffer.alloc(65_536));
    await honest.publishAsync(stage.status('cam-2'), 'on', { qos: 1 });
    expect((await next()).payload.toString()).toBe('on');
    await ended;
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(24 * 2 ** 20);
    expect(stage.broker.stats().refused.oversized).toBe(1);
    expect(stage.broker.stats().controlBytes.received).toBeLessThan(10 * 2 ** 20);
  });

  it('a message at the limit, and refuses one byte more (P-2.7)', async () => {
    const { next } = await stage.watch();
    const client = await stage.member(stage.credential('cam-1'));
    await client.publishAsync(stage.status('cam-1'), Buffer.alloc(MAX_MESSAGE_BYTES + 1), { qos: 1 });
    await client.publishAsync(stage.status('cam-1'), Buffer.alloc(MAX_MESSAGE_BYTES), { qos: 1 });
    expect((await next()).payload.length).toBe(MAX_MESSAGE_BYTES);
    expect(stage.broker.stats().refused.oversized).toBe(1);
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
    await expect(stage.start(stage.port)).rejects.toMatchObject({ code: 'E_BROKER_START' });
  });
});
