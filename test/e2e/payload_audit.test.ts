import { randomBytes } from 'node:crypto';
import type { MqttClient } from 'mqtt';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { EmbeddedBroker } from '../../broker/embedded/embedded_broker.js';
import { Observer } from '../../broker/meter/observer.js';
import { PayloadScanner } from '../../broker/meter/payload_scanner.js';
import { Relay } from '../../broker/meter/relay.js';
import { findMosquitto, INSTALL_MOSQUITTO } from '../../broker/mosquitto/executable.js';
import { Mosquitto } from '../../broker/mosquitto/mosquitto.js';
import { topics } from '../../shared/control/topics.js';
import type { Credential } from '../../shared/identity/bundle.js';
import { streamBytes } from '../support/artifact_bytes.js';
import { connectMember } from '../support/broker_client.js';
import { requirement } from '../support/requirement.js';
import { TestFleet } from '../support/test_fleet.js';

const logger = pino({ level: 'silent' });
const host = '127.0.0.1';
const artifact = streamBytes('audited', 300_001);
const scanner = PayloadScanner.ofBytes(artifact);
const withMosquitto = requirement('mosquitto', findMosquitto() !== null, INSTALL_MOSQUITTO);

let fleet: TestFleet;
let device: Credential;
const clients: MqttClient[] = [];

beforeAll(async () => {
  fleet = await TestFleet.create();
  device = await fleet.enroll('cam-1');
});
afterAll(() => fleet.remove());
afterEach(() => {
  for (const client of clients.splice(0)) client.end(true);
});

async function member(port: number, will?: Buffer): Promise<MqttClient> {
  const topic = topics.status(fleet.prefix, 'cam-1');
  const options = will ? { will: { topic, payload: will, qos: 1 as const, retain: true } } : {};
  const client = await connectMember(device, port, options);
  clients.push(client);
  return client;
}

/** `count` bytes of the artifact inside a message, beside bytes that do not continue them. */
const planted = (from: number, count: number): Buffer =>
  Buffer.concat([
    randomBytes(31),
    artifact.subarray(from, from + count),
    Buffer.from([(artifact[from + count] ?? 0) ^ 1]),
  ]);

/** The byte before the run is random: one time in 256 it is the artifact's too, and counts. */
const about = (count: number) => (found: number) => found >= count && found <= count + 3;

describe('the embedded broker', () => {
  it('counts payload in what it passes on, in what it refuses, and in wills, each message once', async () => {
    const broker = await EmbeddedBroker.start({ fleetDir: fleet.folder, host, port: 0, audit: scanner, logger });
    try {
      const client = await member(broker.address.port, planted(1000, 100));
      const status = topics.status(fleet.prefix, 'cam-1');
      await client.publishAsync(status, randomBytes(2000), { qos: 1 });
      await vi.waitFor(() => expect(broker.stats().payloadBytes).toSatisfy(about(100)));
      await client.publishAsync(status, planted(7, 5000), { qos: 1 });
      await client.publishAsync(topics.revoked(fleet.prefix), planted(9, 700), { qos: 1 });
      client.stream.destroy();
      await vi.waitFor(() => expect(broker.stats().connections).toBe(0));
      expect(broker.stats().payloadBytes).toSatisfy(about(5800));
      expect(broker.stats()).toMatchObject({ messages: 4, unscanned: 0 });
    } finally {
      await broker.close();
    }
  });
});

withMosquitto('mosquitto behind a relay, with an observer', () => {
  it('is counted by both, payload and bytes', async () => {
    const broker = await Mosquitto.start({ fleetDir: fleet.folder, host, port: 0, logger });
    const relay = await Relay.start({ target: broker.address, host, port: 0, logger });
    try {
      const observer = await Observer.start({
        credential: await fleet.credential('auditor'),
        broker: `mqtts://localhost:${broker.address.port}`,
        scanner,
        logger,
      });
      const client = await member(relay.address.port);
      const status = topics.status(fleet.prefix, 'cam-1');
      await client.publishAsync(status, randomBytes(2000), { qos: 1 });
      await client.publishAsync(status, planted(7, 5000), { qos: 1 });
      // And the fleet's revocation list, which the broker has from the start (P-14.9).
      await vi.waitFor(() => expect(observer.messages).toBe(3));
      expect(observer.payloadBytes).toSatisfy(about(5000));
      expect([observer.unscanned, observer.interruptions]).toEqual([0, 0]);
      expect(relay.bytes().received).toBeGreaterThan(7000);
      expect(relay.bytes().sent).toBeGreaterThan(500);
      await observer.close();
    } finally {
      await relay.close();
      await broker.close();
    }
  });

  it('says at once that the broker is down, or refuses the observer', async () => {
    const credential = await fleet.credential('auditor');
    const absent = Observer.start({ credential, broker: 'mqtts://localhost:1', scanner, logger });
    await expect(absent).rejects.toMatchObject({ code: 'E_BROKER_UNREACHABLE' });
    const broker = await EmbeddedBroker.start({ fleetDir: fleet.folder, host, port: 0, logger });
    const address = `mqtts://localhost:${broker.address.port}`;
    const wrong = Observer.start({ credential: device, broker: address, scanner, logger });
    await expect(wrong).rejects.toMatchObject({ code: 'E_BROKER_REFUSED' });
    await broker.close();
  });
});
