import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { AddressInfo, Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { Aedes, type Client } from 'aedes';
import type { Logger } from 'pino';
import { topics } from '../../shared/control/topics.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { readPrivateFile } from '../../shared/identity/bundle.js';
import { isTold } from '../../shared/tally.js';
import type { PayloadScanner } from '../meter/payload_scanner.js';
import { type ByteCount, SocketMeter } from '../meter/socket_meter.js';
import { Standings } from '../revocation/standings.js';
import { Admission, type Admitted } from './admission.js';
import { Gate, type Refusals } from './gate.js';
import { GuardedStream } from './guarded_stream.js';
import { turnAway } from './refusal.js';
import { Roster } from './roster.js';

/** The broker inside the command: MQTT 3.1.1 over TLS, members only, the table enforced, every byte counted. */

/** About 30 KB of TLS and parser state each: 300 MB, what a small gateway's host has. */
const MAX_CONNECTIONS = 10_000;
const HANDSHAKE_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** What a client may take to read what is sent to it, before it is cut off. */
const DRAIN_TIMEOUT_MS = 5000;
/** TCP's own, for clients that ask for no MQTT keep-alive. */
const TCP_KEEPALIVE_MS = 60_000;
/** How long a member that left the roster stays connected, at most. */
const ROSTER_INTERVAL_MS = 5000;
/** A list that the operator's command could write, and not publish, is in force within this. */
const LIST_INTERVAL_MS = 500;
/** The protocol uses QoS 0 and 1 (P-2.1); this bounds what a client can make the broker hold with QoS 2. */
const MAX_INFLIGHT_QOS2 = 8;
const MAX_ID_BYTES = 64; // P-1.1

/** Who may come: as the fleet folder says, and the revocation list. */
interface Lists {
  readonly roster: Roster;
  readonly standings: Standings;
  /** Of the list. */
  readonly topic: string;
}

export interface EmbeddedBrokerOptions {
  readonly fleetDir: string;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Looks into every message for bytes of the artifact. */
  readonly audit?: PayloadScanner;
  readonly logger: Logger;
}

export interface BrokerStats {
  /** Open now. */
  readonly connections: number;
  /** What the TCP sockets moved, closed ones included. */
  readonly controlBytes: ByteCount;
  /** PUBLISH packets and wills that arrived, refused ones included. */
  readonly messages: number;
  /** Bytes of the audited artifact in those messages; 0 without an audit. */
  readonly payloadBytes: number;
  /** Messages that the audit could not look into: where this is not 0, `payloadBytes` is not the whole truth. */
  readonly unscanned: number;
  readonly refused: Readonly<Refusals>;
}

export class EmbeddedBroker {
  readonly #server: Server;
  readonly #aedes: Aedes;
  readonly #gate: Gate;
  readonly #meter = new SocketMeter();
  readonly #roster: Roster;
  readonly #standings: Standings;
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout;
  readonly #listTimer: NodeJS.Timeout;
  #closing: Promise<void> | undefined;

  private constructor(
    server: Server,
    aedes: Aedes,
    gate: Gate,
    { roster, standings, topic }: Lists,
    admission: Admission,
    log: Logger,
  ) {
    this.#server = server;
    this.#aedes = aedes;
    this.#gate = gate;
    this.#roster = roster;
    this.#standings = standings;
    this.#log = log;
    server.on('connection', (socket: Socket) => this.#meter.watch(socket));
    server.on('drop', () => {
      gate.refused.connections++;
    });
    server.on('tlsClientError', (error: Error, socket: TLSSocket) => {
      gate.refused.connections++;
      log.debug({ reason: error.message }, 'refused at the TLS handshake');
      socket.destroy();
    });
    server.on('secureConnection', (socket: TLSSocket) => void this.#accept(socket, admission));
    aedes.on('clientError', (client, error) => this.#failed(client, error));
    aedes.on('connectionError', (client, error) => this.#failed(client, error));
    aedes.on('unsubscribe', (filters, client) => gate.unsubscribed(client, filters));
    aedes.on('publish', (packet, client) => {
      if (client !== null && packet.topic === topic) this.#expelRevoked();
    });
    // aedes's types do not name it: what its store or its timers throw.
    (aedes as NodeJS.EventEmitter).on('error', (error: Error) => log.error({ err: error }, 'broker'));
    this.#timer = setInterval(() => void this.#checkRoster(), ROSTER_INTERVAL_MS);
    this.#timer.unref();
    this.#listTimer = setInterval(() => void this.#checkList(topic), LIST_INTERVAL_MS);
    this.#listTimer.unref();
  }

  /**
   * @throws E_FLEET_MISSING, E_CONFIG, E_FILE_UNREADABLE, E_KEY_FILE_MODE, and E_BROKER_START where the address cannot be had or
   * the certificate cannot be used
   */
  static async start(options: EmbeddedBrokerOptions): Promise<EmbeddedBroker> {
    const folder = resolve(options.fleetDir);
    const { roster, file } = await Roster.open(folder);
    const { server, authority } = await loadServer(folder);
    const standings = new Standings(folder, { ...file, ca: authority.toString() }, options.logger);
    await standings.refresh();
    const admission = new Admission(authority, file.fleet, file.prefix, roster, standings);
    const gate = new Gate(file.prefix, options.logger, options.audit, {
      again: (admitted) => admission.again(admitted),
      // The folder may have had it first.
      takes: (list) =>
        standings.heard(list, true) || (standings.envelope !== null && Buffer.from(list).equals(standings.envelope)),
    });
    const aedes = await Aedes.createBroker({
      ...gate.handlers,
      connectTimeout: CONNECT_TIMEOUT_MS,
      drainTimeout: DRAIN_TIMEOUT_MS,
      maxInflightInbound: MAX_INFLIGHT_QOS2,
      maxClientsIdLength: MAX_ID_BYTES,
      // Unlimited: with a limit, clients that do not read hold back everyone else's messages.
      concurrency: 0,
    });
    const lists = { roster, standings, topic: topics.revoked(file.prefix) };
    const broker = new EmbeddedBroker(server, aedes, gate, lists, admission, options.logger);
    await broker.#retain(lists.topic);
    await broker.#listen(options.host, options.port);
    return broker;
  }

  get address(): { readonly host: string; readonly port: number } {
    const { address, port } = this.#server.address() as AddressInfo;
    return { host: address, port };
  }

  stats(): BrokerStats {
    const { messages, payloadBytes, unscanned, refused } = this.#gate;
    return {
      connections: this.#meter.open.size,
      controlBytes: this.#meter.bytes(),
      messages,
      payloadBytes,
      unscanned,
      refused: { ...refused },
    };
  }

  /** Ends every connection; wills are not delivered. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #listen(host: string, port: number): Promise<void> {
    try {
      this.#server.listen({ host, port });
      await once(this.#server, 'listening');
    } catch (cause) {
      await this.close();
      throw new ChunkmeshError('E_BROKER_START', `${host}:${port}: ${systemCode(cause) ?? 'cannot listen'}`, { cause });
    }
    this.#server.on('error', (error) => this.#log.error({ err: error }, 'listener'));
    this.#log.info({ ...this.address }, 'broker listens');
  }

  async #accept(socket: TLSSocket, admission: Admission): Promise<void> {
    // What goes wrong before the stream has its own listener ends the socket, and nothing else.
    const ignore = (): void => {};
    socket.on('error', ignore);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, TCP_KEEPALIVE_MS);
    let admitted: Admitted;
    try {
      admitted = await admission.admit(socket);
    } catch (error) {
      this.#turnedAway(socket, error);
      return;
    }
    if (socket.destroyed) return;
    const stream = new GuardedStream(socket);
    socket.off('error', ignore);
    this.#gate.expect(stream, admitted);
    const client = this.#aedes.handle(stream);
    stream.once('close', () => this.#gate.forget(client));
  }

  /** Logged aloud at the first, second, fourth, ...: anyone may knock as often as they like. */
  #turnedAway(socket: TLSSocket, error: unknown): void {
    const refused = ++this.#gate.refused.connections;
    const code = error instanceof ChunkmeshError ? error.code : 'E_INTERNAL';
    const level = isTold(refused) ? 'warn' : 'debug';
    this.#log[level]({ code, reason: String(error), from: socket.remoteAddress, refused }, 'refused a client');
    turnAway(socket);
  }

  #failed(client: Client, error: Error): void {
    if (error instanceof ChunkmeshError && error.code === 'E_BROKER_REFUSED') return;
    if (error instanceof ChunkmeshError && error.code === 'E_MESSAGE_TOO_LARGE') this.#gate.refused.oversized++;
    this.#log.debug({ client: client.id, reason: error.message }, 'connection failed');
  }

  async #checkRoster(): Promise<void> {
    try {
      await this.#roster.refresh();
    } catch (error) {
      this.#log.error({ err: error }, 'the roster cannot be read; the last one stands');
      return;
    }
    this.#gate.expel(({ fingerprint }) => this.#roster.has(fingerprint), 'left the roster');
  }

  async #checkList(topic: string): Promise<void> {
    try {
      if (!(await this.#standings.refresh())) return;
    } catch (error) {
      this.#log.error({ err: error }, 'the revocation list cannot be read; the last one stands');
      return;
    }
    this.#expelRevoked();
    await this.#retain(topic);
  }

  /** P-14.9 */
  #expelRevoked(): void {
    const { refused } = this.#gate;
    this.#gate.expel(({ access: { identity }, notBefore, standing }) => {
      const stays = this.#standings.of(identity, notBefore) === standing;
      if (!stays) refused.connections++;
      return stays;
    }, 'the revocation list says otherwise of it');
  }

  /** What was retained is gone with the process that retained it: the folder has it. */
  async #retain(topic: string): Promise<void> {
    const { envelope } = this.#standings;
    if (envelope === null) return;
    const packet = { cmd: 'publish', topic, payload: Buffer.from(envelope), qos: 1, retain: true, dup: false } as const;
    await new Promise<void>((resolve, reject) => {
      this.#aedes.publish(packet, (error) => (error ? reject(error) : resolve()));
    });
  }

  async #close(): Promise<void> {
    clearInterval(this.#timer);
    clearInterval(this.#listTimer);
    const closed = this.#server.listening ? once(this.#server, 'close') : Promise.resolve();
    this.#server.close();
    await new Promise<void>((done) => this.#aedes.close(done));
    for (const socket of this.#meter.open) socket.destroy();
    await closed;
  }
}

async function loadServer(folder: string): Promise<{ server: Server; authority: X509Certificate }> {
  const key = await readPrivateFile(join(folder, 'broker/server.key'));
  const cert = await readPublic(join(folder, 'broker/server.crt'));
  const ca = await readPublic(join(folder, 'ca.crt'));
  try {
    const server = createServer({
      key,
      cert,
      ca,
      minVersion: 'TLSv1.2',
      requestCert: true,
      // `turnAway` says why to a client without a valid certificate; refused by TLS, it would see a bare end of the connection.
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    });
    server.maxConnections = MAX_CONNECTIONS;
    return { server, authority: new X509Certificate(ca) };
  } catch (cause) {
    throw new ChunkmeshError('E_BROKER_START', `the broker's key and certificates in ${folder} do not work`, { cause });
  }
}

async function readPublic(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${path}: ${systemCode(cause) ?? 'cannot be read'}`, { cause });
  }
}
