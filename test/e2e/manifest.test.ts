import { once } from 'node:events';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { changeOf } from '../../broker/publish/rollout_change.js';
import { initTrust } from '../../broker/trust/ceremony.js';
import { TrustRepository } from '../../broker/trust/repository.js';
import { indexFile } from '../../shared/artifact_file.js';
import { sealEnvelope } from '../../shared/control/envelope.js';
import { encodeMap } from '../../shared/control/message_pack.js';
import { encodeMessage } from '../../shared/control/messages.js';
import { topics } from '../../shared/control/topics.js';
import type { ErrorCode } from '../../shared/errors.js';
import type { Credential } from '../../shared/identity/bundle.js';
import { ControlLink } from '../../shared/mqtt/control_link.js';
import type { Command } from '../support/command.js';
import { temporaryFolder } from '../support/store_fixture.js';
import { hostileBroker } from './support/hostile/hostile_broker.js';
import { type Artifact, Mesh, MIB, sha256Of } from './support/mesh.js';

/** Trust messages that a device must not believe, from a publisher's own identity; and the good one after them. */

const TIMEOUT_MS = 10_000;
const GROUP = 'default';
/** What a device on a busy machine takes to answer; longer costs a repetition. */
const ANSWER_MS = 100;
const PATIENCE_MS = 30_000;
const BROKEN: readonly ErrorCode[] = ['E_MESSAGE_SIGNATURE', 'E_MESSAGE_MALFORMED', 'E_CERT_FOREIGN', 'E_CERT_INVALID'];
const seconds = (): number => Math.floor(Date.now() / 1000);

const messageOf = (bundle: Uint8Array): Uint8Array => encodeMessage({ t: 'trust', v: 2, bundle });

interface Made {
  readonly group?: string;
  /** When it is signed, and how long it is good. */
  readonly days?: number;
}

/** A fleet's metadata with its keys, in a folder: signs what a test asks for, and sends nothing. */
class Metadata {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static of({ folder }: Mesh): Metadata {
    return new Metadata(folder);
  }

  static async foreign(): Promise<Metadata> {
    const folder = await temporaryFolder();
    await initTrust(await TrustRepository.open(folder), seconds());
    return new Metadata(folder);
  }

  /** As it is now: what is signed in the copy has the same numbers as what is signed here next. */
  async fork(): Promise<Metadata> {
    const folder = await temporaryFolder();
    await cp(join(this.#folder, 'trust'), join(folder, 'trust'), { recursive: true });
    return new Metadata(folder);
  }

  /** The bundle in which that artifact is the firmware of that version. */
  async bundle(artifact: Artifact, version: string, { group = GROUP, days = 1 }: Made = {}) {
    const repository = await TrustRepository.open(this.#folder);
    const named = { name: 'firmware', version };
    const index = await indexFile(artifact.path);
    await changeOf({ ...named, index }, { ...named, group, how: { shards: 1 } }, days)(repository, seconds());
    return repository.bundle(await repository.current(), group);
  }
}

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

  seal(payload: Uint8Array, topic = this.topic): Uint8Array {
    return sealEnvelope(topic, payload, this.#credential);
  }

  send(envelope: Uint8Array): Promise<void> {
    return this.link.publishConfirmed(this.topic, envelope, { qos: 1, retain: true }, TIMEOUT_MS);
  }

  async publish(bundle: Uint8Array): Promise<void> {
    await this.send(this.seal(messageOf(bundle)));
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

describe('a trust message', () => {
  it('with a broken signature, of an unknown version, rolled back, expired or not signed by the fleet’s keys is refused, each by its code (P-3.4, P-4.1, P-12.5)', async () => {
    const mesh = await Mesh.create();
    const { url } = await mesh.broker();
    const device = await mesh.device('cam-1', { broker: url });
    const make = (name: string): Promise<Artifact> => mesh.artifact(name, MIB);
    const [artifact, next, last] = await Promise.all([make('firmware-5.img'), make('6.img'), make('7.img')]);
    await mesh.seed(url, artifact, next, last);
    const publisher = new Publisher(await mesh.credential('publisher'), url);
    const metadata = Metadata.of(mesh);
    await device.event('online');
    const older = await metadata.bundle(artifact, '1.0.4');
    const fork = await metadata.fork();
    const current = await metadata.bundle(artifact, '1.0.5');
    await publisher.publish(current);
    await expectTaken(device, artifact, '1.0.5');

    const expired = await (await metadata.fork()).bundle(next, '1.0.6', { days: -1 });
    const ofOther = await metadata.bundle(next, '1.0.6', { group: 'other' });
    const good = await metadata.bundle(next, '1.0.6');
    const sealed = publisher.seal(messageOf(good));
    for (const at of [sealed.length - 1, sealed.length >> 1, 20]) {
      const broken = Uint8Array.from(sealed);
      broken[at] = (broken[at] ?? 0) ^ 1;
      await expectRefused(device, BROKEN, () => publisher.send(broken));
    }
    const elsewhere = publisher.seal(messageOf(good), topics.trust(mesh.prefix, 'other'));
    await expectRefused(device, ['E_MESSAGE_SIGNATURE'], () => publisher.send(elsewhere));
    for (const v of [1, 3]) {
      const unknown = publisher.seal(encodeMap({ t: 'trust', v, bundle: 'of another shape' }));
      await expectRefused(device, ['E_TRUST_VERSION'], () => publisher.send(unknown));
    }
    const cut = publisher.seal(encodeMap({ t: 'trust', v: 2 }));
    await expectRefused(device, ['E_MESSAGE_MALFORMED'], () => publisher.send(cut));
    const spoilt = Uint8Array.from(good);
    spoilt[good.length >> 1] = (spoilt[good.length >> 1] ?? 0) ^ 0x55;

    const foreign = await Metadata.foreign();
    const refused: [ErrorCode, Uint8Array][] = [
      ['E_TRUST_ROLLBACK', older],
      // The same number, said of something else.
      ['E_TRUST_MISMATCH', await fork.bundle(next, '1.0.6')],
      ['E_TRUST_EXPIRED', expired],
      ['E_TRUST_MALFORMED', spoilt],
      ['E_TRUST_SIGNATURE', await foreign.bundle(next, '1.0.6')],
      ['E_TRUST_MISMATCH', ofOther],
    ];
    for (const [code, bundle] of refused) await expectRefused(device, [code], () => publisher.publish(bundle));
    // Who was enrolled later is heard, and believed no more than what the fleet's keys signed.
    const late = new Publisher(await mesh.enroll('late-publisher', { role: 'publisher' }), url);
    const own = await foreign.bundle(last, '1.0.7');
    await expectRefused(device, ['E_TRUST_SIGNATURE'], () => late.publish(own));
    expect(device.events.filter(({ event }) => event === 'rollout')).toHaveLength(1);

    await late.publish(good);
    await expectTaken(device, next, '1.0.6');
    // A broker that was put back from an old backup: what the device knows outlives its restart.
    await expectRefused(device, ['E_TRUST_ROLLBACK'], () => publisher.publish(current));
    expect(await device.stop()).toMatchObject({ status: 0, signal: null });
    const again = mesh.agent('cam-1', { broker: url });
    await again.warning('E_TRUST_ROLLBACK');
    await publisher.publish(await metadata.bundle(last, '1.0.7'));
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
      p: encodeMap({ t: 'trust', v: 2, bundle: await Metadata.of(mesh).bundle(artifact, '1.0.9'), padding }),
      s: new Uint8Array(64),
      c: new Uint8Array(9),
    });
    expect(huge.length).toBeGreaterThan(10 * MIB);
    await expectRefused(device, ['E_MESSAGE_TOO_LARGE'], () => publisher.send(huge));
    await publisher.publish(await Metadata.of(mesh).bundle(artifact, '1.0.1'));
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
