import type { MqttClient } from 'mqtt';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { EmbeddedBroker } from '../../broker/embedded/embedded_broker.js';
import { FleetStatus } from '../../broker/status/fleet_status.js';
import { sealEnvelope } from '../../shared/control/envelope.js';
import { encodeMessage, type StatusMessage } from '../../shared/control/messages.js';
import { topics } from '../../shared/control/topics.js';
import type { Credential } from '../../shared/identity/bundle.js';
import { connectMember } from '../support/broker_client.js';
import { Command, chunkmesh } from '../support/command.js';
import { TestFleet } from '../support/test_fleet.js';

let fleet: TestFleet;
let device: Credential;
let broker: EmbeddedBroker;
let client: MqttClient;
let status: FleetStatus;
const refused: string[] = [];

beforeAll(async () => {
  fleet = await TestFleet.create();
  device = await fleet.enroll('cam-1', { site: 'hall' });
});
afterAll(() => fleet.remove());
beforeEach(async () => {
  const logger = pino({ level: 'silent' });
  broker = await EmbeddedBroker.start({ fleetDir: fleet.folder, host: '127.0.0.1', port: 0, logger });
  client = await connectMember(device, broker.address.port);
  status = new FleetStatus({ credential: await fleet.credential('operator'), broker: address() });
  refused.length = 0;
  status.on('refused', ({ code }) => refused.push(code));
});
afterEach(async () => {
  await status.close();
  client.end(true);
  await broker.close();
});

const address = (): string => `mqtts://localhost:${broker.address.port}`;
const topic = (): string => topics.status(fleet.prefix, 'cam-1');
const now = (): number => Math.floor(Date.now() / 1000);

function sealed(message: Partial<StatusMessage> = {}, on = topic()): Buffer {
  const full: StatusMessage = {
    t: 'status',
    at: now(),
    online: true,
    agent: '0.1.0',
    peers: 1,
    rollouts: [],
    ...message,
  };
  return Buffer.from(sealEnvelope(on, encodeMessage(full), device));
}

const say = (payload: Buffer): Promise<unknown> => client.publishAsync(topic(), payload, { qos: 1, retain: true });

describe('FleetStatus', () => {
  it('knows what was retained before it came, and what is said afterwards', async () => {
    await say(sealed({ peers: 3 }));
    await status.start();
    await vi.waitFor(() => expect(status.rows()).toMatchObject([{ device: 'cam-1', site: 'hall', peers: 3 }]));
    await say(sealed({ peers: 4 }));
    await vi.waitFor(() => expect(status.rows()).toMatchObject([{ peers: 4 }]));
    expect(refused).toEqual([]);
  });

  it.each([
    ['garbage', () => Buffer.from('garbage'), 'E_MESSAGE_MALFORMED'],
    ['a message moved from another topic', () => sealed({}, `${fleet.prefix}/status/cam-2`), 'E_MESSAGE_SIGNATURE'],
    ['a message from the future (P-3.6)', () => sealed({ at: now() + 400 }), 'E_MESSAGE_TIME'],
  ])('refuses %s and keeps the row', async (_, bad, code) => {
    await say(sealed({ peers: 3 }));
    await status.start();
    await vi.waitFor(() => expect(status.rows()).toHaveLength(1));
    await say(bad());
    await vi.waitFor(() => expect(refused).toEqual([code]));
    expect(status.rows()).toMatchObject([{ peers: 3, online: true }]);
  });

  it('tells of a device that is refused without end at the 1st, 2nd, 4th, 8th ... time', async () => {
    const times: number[] = [];
    status.on('refused', (_, count) => times.push(count));
    await status.start();
    for (let i = 0; i < 20; i++) await say(Buffer.from(`garbage ${i}`));
    await say(sealed());
    await vi.waitFor(() => expect(status.rows()).toHaveLength(1));
    expect(times).toEqual([1, 2, 4, 8, 16]);
  });

  it('settles although a device never stops talking', async () => {
    await say(sealed({ peers: 3 }));
    await status.start();
    const talk = setInterval(() => void say(sealed()), 20);
    try {
      await status.settle(200);
      expect(status.rows()).toHaveLength(1);
    } finally {
      clearInterval(talk);
    }
  }, 5_000);
});

describe('chunkmesh status', () => {
  it('prints one object with --json, and a table without', async () => {
    await say(sealed({ peers: 3 }));
    const args = ['status', '--fleet', fleet.folder, '--broker', address()];
    const json = await chunkmesh([...args, '--json']);
    expect(json.status).toBe(0);
    expect(JSON.parse(json.stdout)).toEqual({
      at: expect.any(Number),
      devices: [
        {
          device: 'cam-1',
          site: 'hall',
          seen: true,
          online: true,
          agent: '0.1.0',
          peers: 3,
          at: expect.any(Number),
          rollouts: [],
          reports: [],
          certificate: expect.stringMatching(/^[0-9a-f]{64}$/),
          certificateEnds: expect.any(Number),
          listed: null,
          bytesPerSecond: 0,
        },
      ],
    });
    const plain = await chunkmesh(args);
    expect(plain.stdout).toMatch(/^device +site +link /);
    expect(plain.stdout).toMatch(/^cam-1 +hall +online /m);
  });

  it('goes on with --watch until it is told to stop', async () => {
    const watch = new Command(['status', '--fleet', fleet.folder, '--broker', address(), '--watch', '--json']);
    await vi.waitFor(() => expect(watch.stdout).toContain('"seen":false'), 5000);
    await say(sealed());
    await vi.waitFor(() => expect(watch.stdout).toContain('"seen":true'), 5000);
    const { status: exit, stdout, stderr } = await watch.stop('SIGINT');
    expect(exit).toBe(0);
    expect(stderr).toBe('no device has reported yet, or the broker does not let the operator read\n');
    for (const line of stdout.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('devices');
  });
});
