import type { AlertRow } from '../shared/control/messages.js';
import { asError, ChunkmeshError } from '../shared/errors.js';
import { AlertBook, type AlertMemory, alertMemorySchema } from './alerts/alert_book.js';
import type { Alert } from './alerts/alert_line.js';
import { AlertSocket } from './io/alerts/alert_socket.js';
import { checkPath, groupId } from './io/alerts/socket_path.js';
import type { Store } from './io/store/store.js';
import { TokenBuckets } from './token_buckets.js';

/** P-15.8: alerts of this device, on its disk before they are acknowledged to who raised them, in its status until an operator has seen them. */

const DOCUMENT = 'alerts';
/** Of all who raise them: each is a write to the disk, and something for a person to read. */
const RATE = { burst: 16, perSecond: 1 };
/** How often those that were refused are told and saved. */
const REFUSED_MS = 2_000;

export interface AlertSettings {
  /** Path of the socket. Default none. */
  readonly alerts?: string;
  /** Name or number of the group that may write to it. Default none. */
  readonly alertsGroup?: string;
}

export interface AlertingHost {
  /** Monotonic, ms. */
  now(): number;
  /** Since the epoch, s. */
  seconds(): number;
  /** There are others than before. */
  changed(): void;
  raised(alert: Alert & { readonly n: number }): void;
  warn(error: ChunkmeshError): void;
}

export class Alerting {
  readonly #store: Pick<Store, 'writeState'>;
  readonly #host: AlertingHost;
  readonly #book: AlertBook;
  readonly #rate = new TokenBuckets(RATE);
  #socket: AlertSocket | null = null;
  #refused = 0;
  #refusedTold: number;
  #saving: Promise<void> = Promise.resolve();

  private constructor(store: Pick<Store, 'writeState'>, memory: AlertMemory, host: AlertingHost) {
    this.#store = store;
    this.#host = host;
    this.#book = new AlertBook(memory);
    this.#refusedTold = host.now();
  }

  /** @throws E_CONFIG, E_SOCKET */
  static async open(store: Store, { alerts, alertsGroup }: AlertSettings, host: AlertingHost): Promise<Alerting> {
    // What rotted is begun anew, with numbers that no operator has acknowledged: a second has not so many alerts as it has seconds before it.
    const fresh: AlertMemory = { next: 1, alerts: [] };
    const memory = await store.readState(DOCUMENT, alertMemorySchema).catch((error: unknown) => {
      host.warn(asError(error, 'the alerts that were kept'));
      return { ...fresh, next: Math.max(1, host.seconds()) };
    });
    const alerting = new Alerting(store, memory ?? fresh, host);
    if (alerts === undefined) return alerting;
    checkPath(alerts);
    alerting.#socket = await AlertSocket.open({
      path: alerts,
      ...(alertsGroup !== undefined && { group: await groupId(alertsGroup) }),
      raise: (alert) => alerting.raise(alert),
    });
    return alerting;
  }

  /** P-4.7 */
  get told(): { readonly alerts: AlertRow[]; readonly more: number } {
    return this.#book.told;
  }

  /** @returns its number, once it is on the disk @throws E_ALERT_RATE, and it is counted; E_STORE_IO, E_DISK_FULL, and it is told while this agent runs */
  async raise(alert: Alert): Promise<number> {
    if (!this.#rate.take('', this.#host.now())) {
      throw this.#refuse(`more than ${RATE.burst} alerts at once, and ${RATE.perSecond} a second after that`);
    }
    const n = this.#book.raise(alert, this.#host.seconds());
    if (n === null) throw this.#refuse('as many alerts as are kept wait for an operator to acknowledge them');
    this.#host.changed();
    this.#host.raised({ n, ...alert });
    await this.#save();
    return n;
  }

  #refuse(why: string): ChunkmeshError {
    this.#refused++;
    return new ChunkmeshError('E_ALERT_RATE', why);
  }

  /** P-4.8 */
  acknowledge(from: number, upto: number): void {
    if (!this.#book.acknowledge(from, upto)) return;
    this.#host.changed();
    this.#save().catch((error: unknown) => this.#host.warn(asError(error, 'the alerts that are kept')));
  }

  /** Those that were refused are told, now and then. @param now monotonic ms */
  tick(now: number): void {
    if (this.#refused === 0 || now < this.#refusedTold + REFUSED_MS) return;
    this.#refusedTold = now;
    this.#book.refused(this.#refused, this.#host.seconds());
    this.#refused = 0;
    this.#host.changed();
    this.#save().catch((error: unknown) => this.#host.warn(asError(error, 'the alerts that are kept')));
  }

  async close(): Promise<void> {
    await this.#socket?.close();
    if (this.#refused > 0) this.#book.refused(this.#refused, this.#host.seconds());
    if (this.#refused > 0) this.#save().catch(() => {});
    await this.#saving.catch(() => {});
  }

  /** What is raised while one is written is in the next, and one is enough for all of them. */
  #save(): Promise<void> {
    this.#next ??= this.#saving
      .catch(() => {})
      .then(() => {
        this.#next = null;
        return this.#store.writeState(DOCUMENT, this.#book.memory);
      });
    this.#saving = this.#next;
    return this.#next;
  }
  #next: Promise<void> | null = null;
}
