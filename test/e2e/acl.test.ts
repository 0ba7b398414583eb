import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { EmbeddedBroker } from '../../broker/embedded/embedded_broker.js';
import { Enrolment } from '../../broker/enrolment/enrolment.js';
import { Authority, validFor } from '../../broker/fleet/authority.js';
import { findMosquitto, INSTALL_MOSQUITTO } from '../../broker/mosquitto/executable.js';
import { Mosquitto } from '../../broker/mosquitto/mosquitto.js';
import { ProbeClient, type ProbeClientOptions } from '../../broker/policy/probe_client.js';
import { type ProbeNames, probeFilters, probeTopics, strayTopics } from '../../broker/policy/probe_topics.js';
import { sealEnvelope } from '../../shared/control/envelope.js';
import { encodeMessage } from '../../shared/control/messages.js';
import { ROLES, TOPICS, type TopicName, topics } from '../../shared/control/topics.js';
import { readToken } from '../../shared/enrolment/token.js';
import type { Credential } from '../../shared/identity/bundle.js';
import { allows, matches, readAccessTable, shards } from '../support/access_table.js';
import { connectRaw, untilClosed, withTls } from '../support/broker_client.js';
import { requirement } from '../support/requirement.js';
import { TestFleet } from '../support/test_fleet.js';

/**
 * P-2.2 and P-2.3 against brokers that really run: for every role, every topic of the table with own and others' names, and every
 * filter over them. What must not arrive is proved by what comes after it: a sentinel on a topic that every role may read.
 */

const logger = pino({ level: 'silent' });
const host = '127.0.0.1';
const table = readAccessTable();
const withMosquitto = requirement('mosquitto', findMosquitto() !== null, INSTALL_MOSQUITTO);
const ARTIFACT = 'ab'.repeat(32);
const SUBJECTS = ['cam-1', 'seed-1', 'publisher', 'operator', 'auditor', 'registrar', 'newcomer'] as const;

let fleet: TestFleet;
const members = new Map<string, Credential>();

beforeAll(async () => {
  fleet = await TestFleet.create();
  members.set('cam-1', await fleet.enroll('cam-1', { site: 'north', groups: ['a', 'b'] }));
  members.set('cam-2', await fleet.enroll('cam-2', { site: 'south', groups: ['c'] }));
  members.set('seed-1', await fleet.enroll('seed-1', { role: 'seed', site: 'north', groups: ['a'] }));
  members.set('seed-2', await fleet.enroll('seed-2', { role: 'seed', site: 'south', groups: ['c'] }));
  for (const role of ['publisher', 'operator', 'auditor', 'registrar'] as const) {
    members.set(role, await fleet.credential(role));
    members.set(`${role}-2`, await fleet.enroll(`${role}-2`, { role, groups: [] }));
  }
  const enrolment = new Enrolment({ fleet: fleet.fleet, now: () => Date.now() / 1000 });
  const tokens = await enrolment.makeTokens({ count: 2, expiresSeconds: 3600 });
  for (const [i, { token }] of tokens.entries()) {
    members.set(i === 0 ? 'newcomer' : 'newcomer-2', readToken(token, Date.now() / 1000).credential);
  }
});
afterAll(() => fleet.remove());

function member(id: string): Credential {
  const credential = members.get(id);
  if (credential === undefined) throw new Error(`no member ${id}`);
  return credential;
}

const allowed = (id: string, action: 'publish' | 'subscribe', name: string): boolean => {
  const { identity } = member(id);
  return allows(table.get(identity.role)?.[action] ?? [], fleet.prefix, identity, name);
};

/** Own names and others', for one subject. */
function namesFor(subject: string): ProbeNames {
  const { id, site, groups } = member(subject).identity;
  const own = shards(id);
  const foreign = shards('cam-2').filter((shard) => !own.includes(shard));
  return {
    ids: [...new Set([id, 'cam-2', 'seed-2'])],
    sites: [...new Set([site, 'south'])],
    groups: [...new Set([...groups, 'c'])],
    artifacts: [ARTIFACT],
    shards: [0, Number(own.at(-1)), Number(foreign.at(-1))],
  };
}

interface Running {
  readonly address: { readonly port: number };
  close(): Promise<void>;
}

/** A broker under test, with clients that plant and watch on behalf of every member. */
class Stage {
  readonly broker: Running;
  readonly #clients = new Map<string, ProbeClient>();
  #count = 0;

  constructor(broker: Running) {
    this.broker = broker;
  }

  get url(): string {
    return `mqtts://localhost:${this.broker.address.port}`;
  }

  async client(id: string, options: ProbeClientOptions = {}): Promise<ProbeClient> {
    const known = this.#clients.get(id);
    if (known?.connected) return known;
    const client = await ProbeClient.connect(member(id), this.url, options);
    this.#clients.set(id, client);
    return client;
  }

  /** By some member that may publish there, if any. @returns whether there is one */
  async plant(topic: string): Promise<boolean> {
    const planter = [...members.keys()].find((id) => allowed(id, 'publish', topic));
    if (planter === undefined) return false;
    await (await this.client(planter)).publish(topic, payloadOf(planter, topic));
    return true;
  }

  /** Everything said before it has arrived, or never will, when this has. @param subject whose client `watcher` is */
  async sentinel(watcher: ProbeClient, subject: string): Promise<void> {
    const sayer = subject === 'newcomer' ? 'registrar-2' : 'operator-2';
    const topic = sentinelTopic(subject);
    const payload = subject === 'newcomer' ? `sentinel ${this.#count++}` : payloadOf(sayer, topic);
    sentinels.add(payload.toString());
    await (await this.client(sayer)).publish(topic, payload);
    await watcher.waitFor(payload.toString());
  }

  async close(): Promise<void> {
    for (const client of this.#clients.values()) await client.close();
    await this.broker.close();
  }
}

const sentinels = new Set<string>();
/** The topics among what has come, sentinels left out. */
const arrived = (client: ProbeClient): string[] =>
  [...new Set(client.take().flatMap(({ topic, text }) => (sentinels.has(text) ? [] : [topic])))].sort();

let lists = 1000;
/** P-14.9: the embedded broker passes on no revocation list but one that is newer and whole. */
function payloadOf(id: string, topic: string): string | Buffer {
  if (!(stage.broker instanceof EmbeddedBroker)) return `probe ${++lists}`;
  if (topic !== topics.revoked(fleet.prefix) || member(id).identity.role !== 'operator') return 'probe';
  const none = new Uint8Array();
  const on = { revoked: none, quarantined: none, wiped: none };
  const at = Math.floor(Date.now() / 1000);
  const list = encodeMessage({ t: 'revoked', v: 1, fleet: member(id).identity.fleet, version: ++lists, at, ...on });
  return Buffer.from(sealEnvelope(topic, list, member(id)));
}

let stage: Stage;
afterEach(() => stage.close());

const startEmbedded = (): Promise<EmbeddedBroker> =>
  EmbeddedBroker.start({ fleetDir: fleet.folder, host, port: 0, logger });
const startMosquitto = (): Promise<Mosquitto> => Mosquitto.start({ fleetDir: fleet.folder, host, port: 0, logger });

/** What the subject's publishes made arrive at a second auditor, and which of them the broker said it refused. */
async function publishAll(
  subject: string,
  names: readonly string[],
  options: ProbeClientOptions & { retain?: boolean },
): Promise<{ seen: string[]; refused: string[] }> {
  const witness = await stage.client('auditor-2');
  await witness.subscribe(`${fleet.prefix}/#`);
  // A broker has the fleet's revocation list from the start (P-14.9).
  await stage.sentinel(witness, 'auditor-2');
  witness.take();
  const client = await stage.client(subject, options);
  const refused: string[] = [];
  for (const topic of names) {
    if (!(await client.publish(topic, payloadOf(subject, topic), options.retain))) refused.push(topic);
  }
  await stage.sentinel(witness, 'auditor-2');
  expect(client.connected).toBe(true);
  return { seen: arrived(witness), refused: refused.sort() };
}

function everyTopic(subject: string): { below: string[]; outside: string[] } {
  const stray = strayTopics(fleet.prefix, member(subject).identity.id);
  return { below: [...probeTopics(fleet.prefix, namesFor(subject)), ...stray.inside], outside: stray.outside };
}

/** For each filter, by itself: what the subject was granted, and what came. */
async function tryFilter(who: string, subject: ProbeClient, filter: string, plantable: readonly string[]) {
  const granted = await subject.subscribe(filter);
  const planted: string[] = [];
  for (const topic of plantable) {
    if (matches(filter, topic) && (await stage.plant(topic))) planted.push(topic);
  }
  await stage.sentinel(subject, who);
  if (granted) await subject.unsubscribe(filter);
  return { granted, planted, came: arrived(subject) };
}

/** One that the subject may read, subscribed throughout, so that what is planted there always comes. */
const sentinelTopic = (subject: string): string =>
  `${fleet.prefix}/${subject === 'newcomer' ? `enrolled/${member(subject).identity.id}` : 'revoked'}`;

async function subscribeSentinel(subject: string): Promise<ProbeClient> {
  const client = await stage.client(subject);
  expect(await client.subscribe(sentinelTopic(subject))).toBe(true);
  await stage.sentinel(client, subject);
  client.take();
  return client;
}

async function refusesStrangers(): Promise<void> {
  const device = member('cam-1');
  const foreign = await TestFleet.create();
  const impostor = await foreign.enroll('cam-1');
  await foreign.remove();
  const authority = await Authority.fromPem(await readFile(join(fleet.folder, 'ca.key'), 'utf8'), device.ca);
  const past = { notBefore: new Date(Date.now() - 20_000), notAfter: new Date(Date.now() - 10_000) };
  const expired = await authority.issueMember(device.identity, device.key.publicKey, past);
  const server = await authority.issueServer('acme', [], device.key.publicKey, validFor(Date.now(), 1));
  for (const [what, stranger] of Object.entries({
    'another CA': withTls(impostor, { ca: device.ca }),
    'a foreign broker': withTls(device, { ca: impostor.ca }),
    'an expired certificate': withTls(device, { certificate: expired }),
    "a server's certificate": withTls(device, { certificate: server }),
    "another's key": withTls(device, { key: member('cam-2').tls.exportKey() }),
  })) {
    await expect(ProbeClient.connect(stranger, stage.url), what).rejects.toThrow();
  }
  const nobody = await connectRaw(null, stage.broker.address.port);
  // An empty CONNECT of MQTT 3.1.1 with the id `x`: the answer is a refusal, or none.
  nobody.write(Buffer.from('100d00044d5154540402003c000178', 'hex'));
  expect(['', '20020005']).toContain((await untilClosed(nobody)).toString('hex'));
  await expect((await stage.client('cam-1')).publish(`${fleet.prefix}/status/cam-1`, 'well')).resolves.toBe(true);
}

it('reads seven roles from docs/PROTOCOL.md', () => {
  stage = new Stage({ address: { port: 0 }, close: () => Promise.resolve() });
  expect([...table.keys()].sort()).toEqual([...ROLES].sort());
  expect(table.get('device')?.publish).toHaveLength(4);
  expect(table.get('newcomer')).toEqual({ publish: ['enroll/self'], subscribe: ['enrolled/self'] });
});

describe('the embedded broker', () => {
  it.each(SUBJECTS)('takes from %s what the table allows, and drops the rest (P-2.2)', async (subject) => {
    const broker = await startEmbedded();
    stage = new Stage(broker);
    const { below, outside } = everyTopic(subject);
    const expected = below.filter((topic) => allowed(subject, 'publish', topic));
    const { seen } = await publishAll(subject, [...below, ...outside], {});
    expect(seen).toEqual(expected.sort());
    expect(broker.stats().refused.publishes).toBe(below.length + outside.length - expected.length);
  });

  it.each(SUBJECTS)('takes from %s nothing retained that is not retained (P-2.6)', async (subject) => {
    stage = new Stage(await startEmbedded());
    const { below, outside } = everyTopic(subject);
    const expected = below.filter((topic) => {
      const name = topic.slice(fleet.prefix.length + 1).split('/')[0] as TopicName;
      return allowed(subject, 'publish', topic) && TOPICS[name].retained;
    });
    const { seen } = await publishAll(subject, [...below, ...outside], { retain: true });
    expect(seen).toEqual(expected.sort());
  });

  it.each(SUBJECTS)('lets %s subscribe and receive what the table allows (P-2.2, P-2.3)', async (subject) => {
    stage = new Stage(await startEmbedded());
    const client = await subscribeSentinel(subject);
    const probes = probeTopics(fleet.prefix, namesFor(subject));
    for (const filter of probeFilters(fleet.prefix, namesFor(subject))) {
      if (filter === sentinelTopic(subject)) continue;
      const { granted, planted, came } = await tryFilter(subject, client, filter, probes);
      expect(granted, filter).toBe(allowed(subject, 'subscribe', filter));
      expect(came, filter).toEqual(planted.filter((topic) => granted || topic === sentinelTopic(subject)).sort());
    }
  });

  it('refuses strangers, and a member by another id (P-2.5)', async () => {
    stage = new Stage(await startEmbedded());
    await refusesStrangers();
    await expect(ProbeClient.connect(member('cam-1'), stage.url, { clientId: 'cam-2' })).rejects.toThrow();
  });
});

withMosquitto('mosquitto', () => {
  it.each(SUBJECTS)('takes from %s what the table allows, and drops the rest (P-2.2)', async (subject) => {
    stage = new Stage(await startMosquitto());
    const { below, outside } = everyTopic(subject);
    const expected = below.filter((topic) => allowed(subject, 'publish', topic));
    // MQTT 5, in which the broker says what it refuses: for topics that no witness may read, that is the only sign.
    const { seen, refused } = await publishAll(subject, [...below, ...outside], { protocolVersion: 5 });
    expect(seen).toEqual(expected.sort());
    expect(refused).toEqual([...below, ...outside].filter((topic) => !expected.includes(topic)).sort());
  });

  it.each(SUBJECTS)('gives %s what the table allows, whatever it subscribes (P-2.2)', async (subject) => {
    stage = new Stage(await startMosquitto());
    const client = await subscribeSentinel(subject);
    const probes = probeTopics(fleet.prefix, namesFor(subject));
    for (const filter of probeFilters(fleet.prefix, namesFor(subject))) {
      if (filter === sentinelTopic(subject)) continue;
      const { planted, came } = await tryFilter(subject, client, filter, probes);
      expect(came, filter).toEqual(planted.filter((topic) => allowed(subject, 'subscribe', topic)).sort());
    }
  });

  it('refuses strangers, and knows a member that calls itself by another id (P-2.5)', async () => {
    stage = new Stage(await startMosquitto());
    await refusesStrangers();
    const victim = await stage.client('cam-2');
    const impostor = await ProbeClient.connect(member('cam-1'), stage.url, { clientId: 'cam-2', protocolVersion: 5 });
    expect(await impostor.publish(`${fleet.prefix}/status/cam-2`, 'not me')).toBe(false);
    expect(await impostor.publish(`${fleet.prefix}/status/cam-1`, 'me')).toBe(true);
    expect(await victim.publish(`${fleet.prefix}/status/cam-2`, 'still here')).toBe(true);
    await impostor.close();
  });
});
