import { randomInt } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { connect, type IClientOptions, MqttClient } from 'mqtt';
import { ChunkmeshError } from '../errors.js';
import type { Credential } from '../identity/bundle.js';
import { PacketGuard } from './packet_guard.js';
import { MAX_INBOUND_PACKET_BYTES } from './packet_limit.js';
import { openTlsStream, type TimeSource } from './tls_stream.js';
import { within } from './within.js';

/** A member's connection to the broker: TLS with its own certificate, one client id, back-off with jitter. */

const KEEPALIVE_SECONDS = 30;
const CONNECT_TIMEOUT_MS = 10_000;
/** Full jitter between the half and the whole: a fleet that lost its broker must not come back in one second. */
const FIRST_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 60_000;
/** A connection that lasted this long was a good one: after it the back-off begins anew. */
const STEADY_MS = 10_000;
/** So many connections in a row that did not last are no accident: a broker ends one when its client id comes again (MQTT 3.1.1 §3.1.4). */
const MAX_SHORT_CONNECTIONS = 3;
/** What a broker gets to acknowledge what is on its way, before the connection ends all the same. */
const END_WITHIN_MS = 1_000;
/** Publishes that a broker may leave unacknowledged: some seconds' worth. Each is kept until it is, so that what comes then is dropped. */
const MAX_UNACKNOWLEDGED = 256;
/** With so many and none acknowledged for so long the connection is of no use, and another is tried. */
const ACKNOWLEDGE_WITHIN_MS = 10_000;
/** MQTT 3.1.1 §3.9.3 */
const SUBACK_FAILURE = 128;
/** P-2.1: nothing is subscribed above it, so a broker sends nothing above it (§3.8.4). A message of QoS 2 would be held until its PUBREL. */
const MAX_QOS = 1;

export interface ControlMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retained: boolean;
}

export interface ControlLinkEvents {
  online: [];
  offline: [];
  message: [ControlMessage];
  /** The broker took a subscription of this filter. */
  granted: [string];
  /** A connection attempt failed; the link goes on trying. */
  failure: [ChunkmeshError];
}

export interface PublishOptions {
  readonly qos: 0 | 1;
  readonly retain: boolean;
}

export interface ControlLinkOptions {
  /** Instead of the bundle's. `mqtts://host:port` */
  readonly broker?: string;
  readonly will?: { readonly topic: string; readonly payload: Uint8Array };
  /** What is known of time, where that is better than the system clock. */
  readonly time?: TimeSource;
  /** A connected client of the caller's own: it is used, never ended, and reconnects by its owner's rules. */
  readonly client?: MqttClient;
}

/** The broker refused us (CONNACK 2, 4 and 5, or a TLS alert), we refused its certificate, or there is no broker. */
function connectError(error: Error & { code?: unknown }, broker: string): ChunkmeshError {
  const what = error.message || String(error.code ?? 'no answer');
  if (error.code === 2 || error.code === 4 || error.code === 5 || /alert/i.test(what)) {
    return new ChunkmeshError('E_BROKER_REFUSED', `${broker}: ${what}`, { cause: error });
  }
  if (/certificate|self.signed|altname/i.test(what)) {
    const foreign = `the broker's certificate is not one that this bundle's fleet made for ${broker}: ${what}`;
    return new ChunkmeshError('E_CERT_FOREIGN', foreign, { cause: error });
  }
  return new ChunkmeshError('E_BROKER_UNREACHABLE', `${broker}: ${what}`, { cause: error });
}

export class ControlLink extends EventEmitter<ControlLinkEvents> {
  readonly broker: string;
  readonly #client: MqttClient;
  /** What each connection is made with: the credential's certificate may be renewed meanwhile (P-13.12). */
  readonly #connectOptions: () => IClientOptions;
  readonly #owned: boolean;
  readonly #filters = new Map<string, 0 | 1>();
  /** Filters whose UNSUBACK is awaited: a broker that takes packets of one client at once would lose what follows. */
  readonly #leaving = new Set<string>();
  /** Publishes of QoS 1 on this connection that wait for their PUBACK: those of one that was lost are never heard of again. */
  #waiting = { unacknowledged: 0 };
  /** Monotonic ms; of the last PUBACK, or the first publish that waits for one. */
  #acknowledgedAt = 0;
  #attempt = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  /** Monotonic ms; undefined while offline. */
  #onlineSince: number | undefined;
  #shortConnections = 0;
  /** Of the attempt under way, and of the last one that ended. */
  #lastFailure: ChunkmeshError | undefined;
  #toldFailure: ChunkmeshError | undefined;
  readonly #detach: () => void;

  constructor(credential: Credential, options: ControlLinkOptions = {}) {
    super();
    this.broker = options.broker ?? credential.broker;
    this.#owned = options.client === undefined;
    this.#connectOptions = () => clientOptions(credential, options);
    this.#client = options.client ?? openClient(this.broker, credential, options);
    const onMessage = (topic: string, payload: Buffer, packet: { retain?: boolean }): void => {
      this.emit('message', { topic, payload, retained: packet.retain === true });
    };
    const onConnect = (): void => this.#onConnect();
    const onClose = (): void => this.#onClose();
    const onError = (error: Error): void => this.#onError(error);
    this.#client.on('message', onMessage).on('connect', onConnect).on('close', onClose).on('error', onError);
    this.#detach = () => {
      this.#client.off('message', onMessage).off('connect', onConnect).off('close', onClose);
      // An error that comes after the end has nobody to tell, and unheard it would end the process.
      if (!this.#owned) this.#client.off('error', onError);
    };
    if (this.#owned) this.#guard();
    if (this.#client.connected) queueMicrotask(onConnect);
  }

  get online(): boolean {
    return this.#client.connected;
  }

  /** @throws the last failure, or E_BROKER_UNREACHABLE, after `timeoutMs`. */
  async waitOnline(timeoutMs: number): Promise<void> {
    if (this.online) return;
    try {
      await once(this, 'online', { signal: AbortSignal.timeout(timeoutMs) });
    } catch {
      throw (
        this.#toldFailure ?? new ChunkmeshError('E_BROKER_UNREACHABLE', `${this.broker}: no answer in ${timeoutMs} ms`)
      );
    }
  }

  /** Kept across reconnections. */
  subscribe(filter: string, qos: 0 | 1): void {
    this.#filters.set(filter, qos);
    if (this.online && !this.#leaving.has(filter)) this.#join(filter, qos);
  }

  unsubscribe(filter: string): void {
    this.#filters.delete(filter);
    if (!this.online || this.#leaving.has(filter)) return;
    this.#leaving.add(filter);
    this.#client.unsubscribe(filter, () => {
      this.#leaving.delete(filter);
      const qos = this.#filters.get(filter);
      if (qos !== undefined && this.online) this.#join(filter, qos);
    });
  }

  #join(filter: string, qos: 0 | 1): void {
    this.#client.subscribe(filter, { qos }, (_error, granted) => {
      if (granted === undefined) return;
      if (!granted.some((grant) => Number(grant.qos) === SUBACK_FAILURE)) {
        this.emit('granted', filter);
        return;
      }
      this.emit(
        'failure',
        new ChunkmeshError('E_BROKER_REFUSED', `${this.broker} does not let this identity read ${filter}`),
      );
    });
  }

  /**
   * Dropped while offline: every control message is stale by the time the broker is back, and its sender says it anew. So it is where the
   * broker acknowledges nothing, which would cost memory without end.
   */
  publish(topic: string, payload: Uint8Array, { qos, retain }: PublishOptions): void {
    if (!this.online || this.#isStuck()) return;
    const waiting = this.#waiting;
    if (waiting.unacknowledged === 0) this.#acknowledgedAt = performance.now();
    waiting.unacknowledged += qos;
    this.#client.publish(topic, Buffer.from(payload), { qos, retain }, () => {
      waiting.unacknowledged -= qos;
      if (qos === 1) this.#acknowledgedAt = performance.now();
    });
  }

  #isStuck(): boolean {
    if (this.#waiting.unacknowledged < MAX_UNACKNOWLEDGED) return false;
    const late = performance.now() - this.#acknowledgedAt >= ACKNOWLEDGE_WITHIN_MS;
    if (late && this.#owned) this.#client.stream.destroy();
    return true;
  }

  /** Resolves when the broker has acknowledged (QoS 1). @throws E_BROKER_UNREACHABLE, E_TIMEOUT */
  async publishConfirmed(
    topic: string,
    payload: Uint8Array,
    options: PublishOptions,
    timeoutMs: number,
  ): Promise<void> {
    await this.waitOnline(timeoutMs);
    const sent = this.#client.publishAsync(topic, Buffer.from(payload), options);
    // It may fail after its time is up, when nobody waits for it any more.
    sent.catch(() => {});
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new ChunkmeshError('E_TIMEOUT', `${this.broker} did not acknowledge`)),
        timeoutMs,
      );
    });
    await Promise.race([sent, late]).finally(() => clearTimeout(timer));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    if (this.#owned) {
      await this.#end();
    } else if (this.#filters.size > 0 && this.online) {
      await within(END_WITHIN_MS, this.#client.unsubscribeAsync([...this.#filters.keys()]));
    }
    this.#detach();
  }

  /** A broker that acknowledges nothing would hold an end off for ever. */
  async #end(): Promise<void> {
    await within(END_WITHIN_MS, this.#client.endAsync(!this.online));
    this.#client.stream.destroy();
  }

  #onConnect(): void {
    if (this.#closed) return;
    this.#onlineSince = performance.now();
    this.#waiting = { unacknowledged: 0 };
    this.#lastFailure = undefined;
    this.#leaving.clear();
    // Nagle's algorithm would hold an answer back for 40 ms; the messages are small and few.
    const { stream } = this.#client;
    if (this.#owned && 'setNoDelay' in stream && typeof stream.setNoDelay === 'function') stream.setNoDelay(true);
    for (const [filter, qos] of this.#filters) this.#join(filter, qos);
    this.emit('online');
  }

  #onClose(): void {
    if (this.#closed) return;
    if (this.#onlineSince === undefined) this.#tellFailure();
    else this.#onLost(performance.now() - this.#onlineSince);
    this.#onlineSince = undefined;
    if (!this.#owned || this.#timer !== undefined) return;
    const ceiling = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(this.#attempt++, 16));
    const delay = randomInt(Math.ceil(ceiling / 2), ceiling + 1);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      Object.assign(this.#client.options, this.#connectOptions());
      this.#client.reconnect();
      this.#guard();
    }, delay);
  }

  /** A broker that sends without end must not fill this member's memory. */
  #guard(): void {
    const { stream } = this.#client;
    const guard = new PacketGuard(MAX_INBOUND_PACKET_BYTES, MAX_QOS);
    stream.on('data', (chunk: Buffer) => {
      if (guard.check(chunk) !== 'pass') stream.destroy(new Error('a packet that is too large or malformed'));
    });
  }

  #onLost(lastedMs: number): void {
    this.#lastFailure = undefined;
    if (lastedMs >= STEADY_MS) {
      this.#attempt = 0;
      this.#shortConnections = 0;
    } else if (++this.#shortConnections === MAX_SHORT_CONNECTIONS) {
      const often = `${this.broker} ends each connection after moments: another client may use this identity`;
      this.emit('failure', new ChunkmeshError('E_BROKER_REFUSED', often));
    }
    this.emit('offline');
  }

  /** Once an attempt, whatever number of errors it made. */
  #tellFailure(): void {
    this.#lastFailure ??= connectError(new Error('closed the connection without a word'), this.broker);
    this.emit('failure', this.#lastFailure);
    this.#toldFailure = this.#lastFailure;
    this.#lastFailure = undefined;
  }

  #onError(error: Error): void {
    this.#lastFailure ??= connectError(error, this.broker);
  }
}

const TLS_SCHEME = 'mqtts:';
const DEFAULT_TLS_PORT = 8883;

function openClient(broker: string, credential: Credential, options: ControlLinkOptions): MqttClient {
  const settings = clientOptions(credential, options);
  const { protocol, hostname, port } = new URL(broker);
  if (protocol !== TLS_SCHEME) return connect(broker, settings);
  const to = { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? DEFAULT_TLS_PORT : Number(port) };
  return new MqttClient((client) => {
    // Read anew for each connection: the certificate may have been renewed (P-13.12).
    const { tls } = credential;
    const stream = openTlsStream({ ...to, ca: tls.ca, cert: tls.certificate, key: tls.exportKey() }, options.time);
    // An error before the connection stands is the attempt's; from then on the client listens itself.
    stream.once('error', (error) => client.emit('error', error));
    return stream;
  }, settings);
}

function clientOptions(credential: Credential, { will }: ControlLinkOptions): IClientOptions {
  return {
    protocolVersion: 4,
    clientId: credential.identity.id, // P-2.5
    clean: true,
    keepalive: KEEPALIVE_SECONDS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    ...(will && { will: { topic: will.topic, payload: Buffer.from(will.payload), qos: 1 as const, retain: true } }),
  };
}
