import type { MqttClient } from 'mqtt';
import { expect, it, onTestFinished } from 'vitest';
import { sealEnvelope } from '../../shared/control/envelope.js';
import { encodeMessage, type WrongChunkReport } from '../../shared/control/messages.js';
import { topics } from '../../shared/control/topics.js';
import { connectMember } from '../support/broker_client.js';
import { type Command, chunkmesh, type Event, refused } from '../support/command.js';
import { Member } from './support/member.js';
import { Mesh, MIB, sha256Of } from './support/mesh.js';
import { GatedSource } from './support/source.js';

/** P-15.3: whom enough devices report is named to be thrown out, and nobody whom a liar alone accuses. */

const HONEST = ['cam-1', 'cam-2', 'cam-3'];
const seconds = (): number => Math.floor(Date.now() / 1000);
const ZERO = new Uint8Array(32);

const accusing = (device: string): WrongChunkReport => ({
  ...{ device, artifact: ZERO, chunk: 1, expected: ZERO, found: new Uint8Array(32).fill(1), at: seconds(), count: 9 },
});

/** A member that says what it likes of others. */
class Accuser {
  readonly #client: MqttClient;
  readonly #say: (accused: readonly string[]) => Promise<unknown>;

  private constructor(client: MqttClient, say: (accused: readonly string[]) => Promise<unknown>) {
    this.#client = client;
    this.#say = say;
    onTestFinished(() => void this.#client.end(true));
  }

  static async join(mesh: Mesh, id: string, port: number, site = 'default'): Promise<Accuser> {
    const credential = await mesh.enroll(id, { site });
    const client = await connectMember(credential, port);
    const topic = topics.status(mesh.prefix, id);
    return new Accuser(client, (accused) => {
      const said = { at: seconds(), online: true, agent: '0.1.0', peers: 1, rollouts: [] };
      const message = encodeMessage({ t: 'status', ...said, reports: accused.map(accusing) });
      return client.publishAsync(topic, Buffer.from(sealEnvelope(topic, message, credential)), {
        qos: 1,
        retain: true,
      });
    });
  }

  accuse(...devices: string[]): Promise<unknown> {
    return this.#say(devices);
  }
}

function guard(mesh: Mesh, broker: string, ...more: string[]): Command {
  return mesh.run('guard', ...['guard', '--fleet', mesh.folder, '--broker', broker, ...more]);
}

async function once(mesh: Mesh, broker: string, ...more: string[]): Promise<Event[]> {
  const args = ['guard', '--fleet', mesh.folder, '--broker', broker, '--dry-run', '--once', '--json', ...more];
  const { stdout, status } = await chunkmesh(args);
  expect(status).toBe(0);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Event);
}

it('a member that serves wrong bytes to three devices is named by all of them, and by a guard that watches, loudly', async () => {
  const mesh = await Mesh.create();
  const { url: broker } = await mesh.broker();
  const artifact = await mesh.artifact('firmware.img', 3 * MIB);
  await mesh.publish(artifact, broker);
  const wrong = await GatedSource.make(artifact.bytes, (_, bytes) => {
    bytes[0] = (bytes[0] ?? 0) ^ 1;
  });
  wrong.allowAll();
  await Member.join(await mesh.enroll('mallory'), wrong, broker);
  for (const id of HONEST) await mesh.enroll(id);
  // By an id of its own: a status that is asked for meanwhile does not throw it off.
  await mesh.enroll('guard', { role: 'operator' });
  const watching = guard(mesh, broker, '--threshold', '3', '--bundle', mesh.fleet.bundlePath('guard'));
  await watching.event('watching');
  await chunkmesh(['status', '--fleet', mesh.folder, '--broker', broker]);
  const devices = HONEST.map((id) => mesh.agent(id, { broker }));
  const out = await watching.event('quarantine');
  expect(out).toMatchObject({ device: 'mallory', reporters: HONEST, sites: ['default'] });
  expect(out).not.toHaveProperty('dryRun');
  expect(out.reason).toBe('wrong bytes by report of cam-1, cam-2 and 1 more (threshold 3)');
  expect(watching.events.filter(({ event }) => event === 'quarantine')).toHaveLength(1);
  const { status, stderr } = await watching.stop();
  expect([status, stderr]).toEqual([0, expect.stringContaining('QUARANTINED mallory')]);
  expect(stderr).not.toContain('lost');
  const listed = await chunkmesh(['revoked', '--fleet', mesh.folder, '--json']);
  expect(JSON.parse(listed.stdout)).toMatchObject({
    entries: [{ device: 'mallory', list: 'quarantined', by: 'operator' }],
  });

  await mesh.seed(broker, artifact);
  for (const device of devices) {
    expect(await sha256Of(String((await device.event('complete')).path))).toBe(artifact.sha256);
  }
});

it('nobody is thrown out by a liar, by two below the threshold, by a flood, by one site, nor by who is not of the fleet', async () => {
  const mesh = await Mesh.create();
  const { url: broker, port } = await mesh.broker();
  await mesh.enroll('victim');
  const others = ['a', 'b', 'c', 'd', 'e'];
  for (const id of others) await mesh.enroll(id);
  const liar = await Accuser.join(mesh, 'liar-1', port, 'hall');
  await liar.accuse('victim');
  expect(await once(mesh, broker, '--threshold', '2')).toMatchObject([{ event: 'accused', device: 'victim' }]);
  const asDevice = ['--bundle', mesh.fleet.bundlePath('victim'), '--threshold', '2', '--once', '--dry-run'];
  expect(await refused(['guard', '--fleet', mesh.folder, ...asDevice])).toMatchObject({ code: 'E_ARGUMENT', exit: 2 });

  const second = await Accuser.join(mesh, 'liar-2', port, 'hall');
  await second.accuse('victim', 'nobody', 'liar-2');
  expect(await once(mesh, broker, '--threshold', '3')).toMatchObject([
    { event: 'accused', device: 'victim', reporters: ['liar-1', 'liar-2'] },
  ]);
  expect(await once(mesh, broker, '--threshold', '2', '--sites', '2')).toMatchObject([{ event: 'accused' }]);
  expect(await once(mesh, broker, '--threshold', '2')).toMatchObject([{ event: 'quarantine', device: 'victim' }]);

  await second.accuse('victim', ...others);
  expect(await once(mesh, broker, '--threshold', '2')).toMatchObject([
    { event: 'accused', device: 'victim', reporters: ['liar-1'] },
    { event: 'suspicious', device: 'liar-2', accuses: 6 },
  ]);
});
