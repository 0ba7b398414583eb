import { EventEmitter } from 'node:events';
import { checkNotFromFuture, openEnvelope, sealEnvelope } from '../../shared/control/envelope.js';
import { type CommandMessage, decodeMessage, encodeMessage } from '../../shared/control/messages.js';
import { parseTopic, TOPICS, topics } from '../../shared/control/topics.js';
import { ChunkmeshError } from '../../shared/errors.js';
import type { Credential } from '../../shared/identity/bundle.js';
import type { ControlLink, ControlLinkOptions, ControlMessage } from '../../shared/mqtt/control_link.js';
import { Tally } from '../../shared/tally.js';
import { connectMember } from '../member_link.js';
import { type DeviceRow, nextRow } from './device_row.js';

/** Watches every device's status with an operator's bundle: verifies what arrives and keeps one row a device. */

export interface FleetStatusOptions extends Pick<ControlLinkOptions, 'broker'> {
  /** Of a member that may read `status/+`: an operator or an auditor. */
  readonly credential: Credential;
  /** Seconds since the epoch. */
  readonly now?: () => number;
}

export interface FleetStatusEvents {
  row: [DeviceRow];
  /** A status was refused: why, and for the first, second, fourth, eighth, ... time. The row of the device stays as it was. */
  refused: [ChunkmeshError, number];
  /** The broker was lost; the link comes back by itself. */
  offline: [];
  online: [];
}

export class FleetStatus extends EventEmitter<FleetStatusEvents> {
  #link: ControlLink | undefined;
  readonly #broker: string | undefined;
  readonly #credential: Credential;
  readonly #now: () => number;
  readonly #rows = new Map<string, DeviceRow>();
  readonly #refusals = new Tally();
  #lastHeardMs = performance.now();

  constructor({ credential, broker, now = () => Date.now() / 1000 }: FleetStatusOptions) {
    super();
    this.#credential = credential;
    this.#now = now;
    this.#broker = broker;
  }

  /** @throws E_BROKER_UNREACHABLE, E_BROKER_REFUSED */
  async start(): Promise<void> {
    const link = await connectMember(this.#credential, this.#broker);
    this.#link = link;
    link.on('message', (message) => this.#onMessage(message));
    link.on('offline', () => this.emit('offline'));
    link.on('online', () => this.emit('online'));
    link.subscribe(topics.status(this.#credential.prefix, '+'), 1);
    this.#lastHeardMs = performance.now();
  }

  /** Whether the broker is there. */
  get online(): boolean {
    return this.#link?.online ?? false;
  }

  /** By device id. */
  rows(): DeviceRow[] {
    return [...this.#rows.values()].sort((a, b) => (a.device < b.device ? -1 : 1));
  }

  /**
   * Resolves when nothing retained arrived for `quietMs`: MQTT has no mark for the end of it. What is said meanwhile does not count, or a
   * fleet at work would never be quiet.
   */
  async settle(quietMs: number): Promise<void> {
    for (;;) {
      const left = this.#lastHeardMs + quietMs - performance.now();
      if (left <= 0) return;
      await new Promise((resolve) => setTimeout(resolve, left));
    }
  }

  /** P-4.8: says it to a device, once; whether it heard shows in what it says. @throws E_MESSAGE_TOO_LARGE */
  command(device: string, command: CommandMessage): void {
    const topic = topics.command(this.#credential.prefix, device);
    const { qos } = TOPICS.command;
    this.#link?.publish(topic, sealEnvelope(topic, encodeMessage(command), this.#credential), { qos, retain: false });
  }

  async close(): Promise<void> {
    await this.#link?.close();
  }

  #onMessage({ topic, payload, retained }: ControlMessage): void {
    const nowMs = performance.now();
    if (retained) this.#lastHeardMs = nowMs;
    const { prefix, verifier } = this.#credential;
    const parsed = parseTopic(prefix, topic);
    if (parsed?.name !== 'status' || payload.length === 0) return;
    try {
      const now = this.#now();
      const { signer, n, payload: inner } = openEnvelope(prefix, topic, payload, verifier, now);
      const message = decodeMessage('status', inner);
      checkNotFromFuture(message.at, now);
      const { id: device, site } = signer.identity;
      const { fingerprint: certificate } = signer;
      const report = { device, site, certificate, message, n, receivedMs: nowMs };
      const row = nextRow(this.#rows.get(device), report);
      this.#rows.set(device, row);
      this.emit('row', row);
    } catch (error) {
      if (!(error instanceof ChunkmeshError)) throw error;
      const times = this.#refusals.add(`${parsed.device}/${error.code}`, nowMs);
      if (times !== null) this.emit('refused', error, times);
    }
  }
}
