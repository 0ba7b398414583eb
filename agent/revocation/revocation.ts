import type { Opened } from '../../shared/control/envelope.js';
import type { RevocationList, Standing } from '../../shared/control/revocation.js';
import { parseTopic, TOPICS, topics } from '../../shared/control/topics.js';
import { asError, ChunkmeshError } from '../../shared/errors.js';
import type { Credential } from '../../shared/identity/bundle.js';
import type { ControlLink, ControlMessage } from '../../shared/mqtt/control_link.js';
import type { Store } from '../io/store/store.js';
import type { MeshPeer } from '../transfer/host.js';
import { RevocationKeeper, revocationMemorySchema } from './keeper.js';
import { Vigil } from './vigil.js';
import { type LateMessage, Waiting } from './waiting.js';

/** Revocation on a device (P-14.2 to P-14.7): the list heard, remembered, and held against whoever speaks, this device too. */

/** State document of the store. */
const REVOKED_DOCUMENT = 'revoked';

export interface RevocationHost {
  /** Monotonic, ms. */
  now(): number;
  /** A newer list: sessions and agreements with those that it names end now. */
  enforce(isNamed: (peer: MeshPeer) => boolean): void;
  /** What the list says of this device is another than it was. */
  standing(standing: Standing): void;
  /** What waited for a list can be judged now. */
  replay(message: LateMessage): void;
  warn(error: ChunkmeshError): void;
}

const NOBODY: RevocationHost = { now: () => 0, enforce() {}, standing() {}, replay() {}, warn() {} };

export class Revocation {
  readonly #store: Store;
  readonly #keeper: RevocationKeeper;
  readonly #self: { readonly id: string; readonly notBefore: number };
  readonly #prefix: string;
  readonly #vigil = new Vigil();
  readonly #waiting = new Waiting();
  #link: ControlLink | null = null;
  #host: RevocationHost = NOBODY;
  #standing: Standing;
  /** The highest number that a peer said it holds. */
  #claimed = 0;
  #told = 0;
  /** Whether what waited for the list of this connection was given back. */
  #wasOver = false;

  private constructor(store: Store, { identity, prefix, notBefore }: Credential, keeper: RevocationKeeper) {
    this.#store = store;
    this.#keeper = keeper;
    this.#prefix = prefix;
    this.#self = { id: identity.id, notBefore };
    this.#standing = keeper.list.standing(this.#self.id, this.#self.notBefore);
  }

  /** What was believed before the restart is believed before the broker is there. @throws E_STORE_CORRUPT, E_STORE_IO */
  static async open(store: Store, credential: Credential): Promise<Revocation> {
    const memory = await store.readState(REVOKED_DOCUMENT, revocationMemorySchema);
    try {
      return new Revocation(store, credential, new RevocationKeeper(credential.identity.fleet, memory));
    } catch (cause) {
      throw new ChunkmeshError('E_STORE_CORRUPT', `${store.dir}: the revocation list is not what was written`, {
        cause,
      });
    }
  }

  /** Before anything else is subscribed: what comes in order comes after the list. */
  attach(link: ControlLink, host: RevocationHost): void {
    this.#link = link;
    this.#host = host;
    link.on('offline', () => {
      this.#vigil.begin();
      this.#wasOver = false;
    });
    link.on('granted', (filter) => {
      if (filter === topics.revoked(this.#prefix)) this.#vigil.granted(host.now());
    });
    this.#ask();
  }

  /** The number of the list that is held; 0 where there is none (P-14.4). */
  get version(): number {
    return this.#keeper.list.version;
  }

  /** P-14.7: of this device. */
  get standing(): Standing {
    return this.#standing;
  }

  get isIsolated(): boolean {
    return this.#standing !== 'good';
  }

  /** P-14.3: whether others may be spoken to. @param now monotonic ms */
  mayMeet(now: number): boolean {
    return !this.isIsolated && this.#vigil.isOver(now);
  }

  /** P-14.4: whether a peer has a newer list than this device. */
  isAhead(version: number): boolean {
    if (version <= this.version) return false;
    this.#claimed = Math.max(this.#claimed, version);
    return true;
  }

  /** P-14.6: a peer is told by its id alone where its certificate is not known yet; then any that it may have is meant. */
  isNamed({ device, notBefore }: Pick<MeshPeer, 'device' | 'notBefore'>): boolean {
    return this.#keeper.list.standing(device, notBefore) !== 'good';
  }

  /** P-14.6. @throws E_PEER_REVOKED */
  check({ signer }: Opened): void {
    const standing = this.#keeper.standing(signer);
    if (standing === 'good') return;
    throw new ChunkmeshError('E_PEER_REVOKED', `${signer.identity.id} is ${standing}: what it says is not taken`);
  }

  /**
   * P-14.3: announcements and signals are not looked at before the list came, and not at all by who is named.
   * @returns whether that is so of this one
   */
  withholds(message: ControlMessage): boolean {
    const now = this.#host.now();
    if (this.mayMeet(now)) return false;
    const parsed = parseTopic(this.#prefix, message.topic);
    if (parsed?.name !== 'have' && parsed?.name !== 'signal') return false;
    if (!this.isIsolated) this.#waiting.keep(message, now);
    return true;
  }

  /** P-14.4: from who holds a newer list. It is judged when that list came, and the broker is asked for it. */
  awaitNewer(message: LateMessage): void {
    const now = this.#host.now();
    this.#waiting.keep(message, now);
    if (this.#vigil.asks(now)) this.#ask();
  }

  /**
   * A message on the topic of the list.
   * @throws as RevocationKeeper.accept
   */
  onList(opened: Opened): void {
    const list = this.#accepted(opened);
    this.#vigil.heard();
    if (list !== null) {
      this.#save();
      this.#host.enforce((peer) => this.isNamed(peer));
      this.#judgeSelf();
    }
    this.#replay();
  }

  /** Whatever is due. @returns when the next is. Both monotonic ms. */
  tick(now: number): number {
    const inVain = this.#waiting.expire(now);
    if (inVain > 0 && this.#claimed > Math.max(this.version, this.#told)) {
      this.#told = this.#claimed;
      const behind = `a peer has revocation list ${this.#claimed}, this device ${this.version}: does the broker hold it back?`;
      this.#host.warn(new ChunkmeshError('E_REVOCATION_BEHIND', behind));
    }
    // Once, and whatever peers claim: what waits for a newer list waits again.
    const isOver = this.#vigil.isOver(now);
    if (isOver && !this.#wasOver) this.#replay();
    this.#wasOver = isOver;
    return isOver ? Number.POSITIVE_INFINITY : this.#vigil.deadline;
  }

  #accepted(opened: Opened): RevocationList | null {
    try {
      return this.#keeper.accept(opened);
    } catch (error) {
      if (error instanceof ChunkmeshError && error.code === 'E_MESSAGE_TIME') this.#vigil.refused(); // P-14.3
      throw error;
    }
  }

  /** Subscribes anew, which makes the broker send what it retains. */
  #ask(): void {
    this.#link?.subscribe(topics.revoked(this.#prefix), TOPICS.revoked.qos);
  }

  #replay(): void {
    const now = this.#host.now();
    if (!this.mayMeet(now)) return;
    for (const message of this.#waiting.take(now)) this.#host.replay(message);
  }

  #judgeSelf(): void {
    const standing = this.#keeper.list.standing(this.#self.id, this.#self.notBefore);
    if (standing === this.#standing) return;
    this.#standing = standing;
    this.#waiting.clear();
    this.#host.standing(standing);
  }

  /** It is in force at once; what a crash in this moment loses comes again with the next connection. */
  #save(): void {
    this.#store
      .writeState(REVOKED_DOCUMENT, this.#keeper.memory)
      .catch((error: unknown) => this.#host.warn(asError(error, 'the revocation list')));
  }
}
