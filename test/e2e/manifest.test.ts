import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { indexFile } from '../../shared/artifact_file.js';
import { sealEnvelope } from '../../shared/control/envelope.js';
import { encodeMap } from '../../shared/control/message_pack.js';
import { encodeMessage, type TrustMessage } from '../../shared/control/messages.js';
import { topics } from '../../shared/control/topics.js';
import type { ErrorCode } from '../../shared/errors.js';
import type { Credential } from '../../shared/identity/bundle.js';
import { ControlLink } from '../../shared/mqtt/control_link.js';
import type { Command } from '../support/command.js';
import { hostileBroker } from './support/hostile_broker.js';
import { type Artifact, Mesh, MIB, sha256Of } from './support/mesh.js';

/** Trust messages that a device must not believe, from the publisher's own identity; and the good one after them. */

const HOUR_SECONDS = 3600;
const TIMEOUT_MS = 10_000;
const GROUP = 'default';
/** What a device on a busy machine takes to answer; longer costs a repetition. */
const ANSWER_MS = 100;
const PATIENCE_MS = 30_000;
const BROKEN: readonly ErrorCode[] = ['E_MESSAGE_SIGNATURE', 'E_MESSAGE_MALFORMED', 'E_CERT_FOREIGN', 'E_CERT_INVALID'];
const seconds = (): number => Math.floor(Date.now() / 1000);

class Publisher {
  readonly topic: string;
  readonly #credential: Credential;
  readonly link: ControlLink;

  constructor(credential: Credential, broker: string) {
    this.#credential = credential;
    this.topic = topics.trust(credential.prefix, GROUP);
    this.link = new ControlLink(credential, { broker });
    onTestFinished(() => this.link.close());
  }

  /** A good message of that number, to be spoilt. */
  async manifest(seq: number, artifact: Artifact, change: Partial<TrustMessage> = {}): Promise<TrustMessage> {
    const index = await indexFile(artifact.path);
    const rollout = {
      ...{ name: 'firmware', version: `1.0.${seq}`, artifact: new Uint8Array(Buffer.from(index.artifact, 'hex')) },
      ...{ size: index.size, chunks: index.chunkCount, shards: 1 },
    };
    const at = seconds();
    const { fleet } = this.#credential.identity;
    const times = { at, expires: at + HOUR_SECONDS };
    return { t: 'trust', v: 1, fleet, group: GROUP, seq, ...times, rollouts: [rollout], ...change };
  }

  seal(payload: Uint8Array, topic = this.topic): Uint8Array {
    return sealEnvelope(topic, payload, this.#credential);
  }

  send(envelope: Uint8Array): Promise<void> {
    return this.link.publishConfirmed(this.topic, envelope, { qos: 1, retain: true }, TIMEOUT_MS);
  }

  async publish(message: TrustMessage): Promise<void> {
    await this.send(this.seal(encodeMessage(message)));
  }
}

/**
 * Sent again until it is told: the like of it may have been refused before, since a device asks for what it could not take, and then
 * not every time is.
 */
async function expectRefused(device: Command, codes: readonly ErrorCode[], send: () => Promise<void>): Promise<void> {
  const from = device.events.length;
  const told = await vi.waitFor(
    async () => {
      await send();
      await delay(ANSWER_MS);
      const found = device.events.slice(from).find((one) => one.event === 'warning' && isOneOf(codes, one.code));
      if (found === undefined) throw new Error(`none of ${codes.join(', ')} was told`);
      return found;
    },
    { timeout: PATIENCE_MS },
  );
  expect(told.remedy).toMatch(/\w/);
}

const isOneOf = (codes: readonly string[], code: unknown): boolean => codes.includes(String(code));

async function expectTaken(device: Command, artifact: Artifact, version: string): Promise<void> {
  const done = await device.event('complete', (event) => event.version === version);
  expect(await sha256Of(String(done.path))).toBe(artifact.sha256);
}

describe('a manifest', () => {
  it('with a broken signature, of an unknown version or rolled back is refused, each by its code (P-3.4, P-4.1 to P-4.3)', async () => {
    const mesh = await Mesh.create();
    const { url } = await mesh.broker();
    const device = await mesh.device('cam-1', { broker: url });
    const make = (name: string): Promise<Artifact> => mesh.artifact(name, MIB);
    const [artifact, next, last] = await Promise.all([make('firmware-5.img'), make('6.img'), make('7.img')]);
    await mesh.seed(url, artifact, next, last);
    const publisher = new Publisher(await mesh.credential('publisher'), url);
    await device.event('online');
    await publisher.publish(await publisher.manifest(5, artifact));
    await expectTaken(device, artifact, '1.0.5');

    const good = await publisher.manifest(6, next);
    const sealed = publisher.seal(encodeMessage(good));
    for (const at of [sealed.length - 1, sealed.length >> 1, 20]) {
      const broken = Uint8Array.from(sealed);
      broken[at] = (broken[at] ?? 0) ^ 1;
      await expectRefused(device, BROKEN, () => publisher.send(broken));
    }
    const elsewhere = publisher.seal(encodeMessage(good), topics.trust(mesh.prefix, 'other'));
    await expectRefused(device, ['E_MESSAGE_SIGNATURE'], () => publisher.send(elsewhere));
    const unknown = publisher.seal(encodeMap({ ...good, v: 2, rollouts: 'of another shape' }));
    await expectRefused(device, ['E_MANIFEST_VERSION'], () => publisher.send(unknown));
    const cut = publisher.seal(encodeMap({ ...good, rollouts: undefined }));
    await expectRefused(device, ['E_MESSAGE_MALFORMED'], () => publisher.send(cut));

    const refused: [ErrorCode, number, Partial<TrustMessage>][] = [
      ['E_MANIFEST_ROLLBACK', 4, {}],
      ['E_MANIFEST_ROLLBACK', 5, { rollouts: [] }],
      ['E_MESSAGE_TIME', 6, { expires: seconds() - 1 }],
      ['E_MESSAGE_TIME', 6, { at: seconds() + HOUR_SECONDS }],
      ['E_MESSAGE_UNTRUSTED', 6, { fleet: 'other' }],
      ['E_MESSAGE_UNTRUSTED', 6, { group: 'other' }],
    ];
    for (const [code, seq, change] of refused) {
      const message = await publisher.manifest(seq, next, change);
      await expectRefused(device, [code], () => publisher.publish(message));
    }
    const late = new Publisher(await mesh.enroll('late-publisher', { role: 'publisher' }), url);
    const unpinned = await late.manifest(6, next);
    await expectRefused(device, ['E_MESSAGE_UNTRUSTED'], () => late.publish(unpinned));
    expect(device.events.filter(({ event }) => event === 'rollout')).toHaveLength(1);

    await publisher.publish(good);
    await expectTaken(device, next, '1.0.6');
    // A broker that was put back from an old backup: what the device knows outlives its restart.
    await expectRefused(device, ['E_MANIFEST_ROLLBACK'], async () =>
      publisher.publish(await publisher.manifest(5, artifact)),
    );
    expect(await device.stop()).toMatchObject({ status: 0, signal: null });
    const again = mesh.agent('cam-1', { broker: url });
    await again.warning('E_MANIFEST_ROLLBACK');
    await publisher.publish(await publisher.manifest(7, last));
    await expectTaken(again, last, '1.0.7');
  });

  it('of 10 MiB is dropped unread, even where a broker passes it on (P-2.7)', async () => {
    const mesh = await Mesh.create();
    const url = await hostileBroker(mesh);
    const device = await mesh.device('cam-1', { broker: url });
    const artifact = await mesh.artifact('firmware.img', MIB);
    await mesh.seed(url, artifact);
    await device.event('online');
    const publisher = new Publisher(await mesh.credential('publisher'), url);
    const padding = Buffer.alloc(10 * MIB, 'x');
    const huge = encodeMap({
      v: 1,
      p: encodeMap({ ...(await publisher.manifest(9, artifact)), padding }),
      s: new Uint8Array(64),
      c: new Uint8Array(9),
    });
    expect(huge.length).toBeGreaterThan(10 * MIB);
    await expectRefused(device, ['E_MESSAGE_TOO_LARGE'], () => publisher.send(huge));
    await publisher.publish(await publisher.manifest(1, artifact));
    await expectTaken(device, artifact, '1.0.1');
    expect(device.residentBytes).toBeLessThan(400 * MIB);
  });

  it('of 10 MiB never gets past the fleet’s own broker, which goes on (P-2.7)', async () => {
    const mesh = await Mesh.create();
    const { url } = await mesh.broker();
    const device = await mesh.device('cam-1', { broker: url });
    const artifact = await mesh.artifact('firmware.img', MIB);
    await mesh.seed(url, artifact);
    await device.event('online');
    const publisher = new Publisher(await mesh.credential('publisher'), url);
    await publisher.link.waitOnline(TIMEOUT_MS);
    const cutOff = once(publisher.link, 'offline');
    publisher.send(new Uint8Array(10 * MIB)).catch(() => {});
    await cutOff;
    await publisher.link.close();
    await mesh.publish(artifact, url);
    await device.event('complete');
    expect(device.warnings).toEqual([]);
  });
});
