import type { Bitfield } from '../../shared/artifact/bitfield.js';
import type { HaveMessage, Rollout, RolloutProgress } from '../../shared/control/messages.js';
import { ChunkmeshError } from '../../shared/errors.js';
import { INDEX_CHUNK } from '../../shared/limits.js';
import type { Asker } from '../../shared/trust/audience.js';
import { CLOSE, type CloseReason } from '../../shared/wire/frames/close.js';
import type { PeerName } from '../../shared/wire/frames/peers.js';
import type { RecheckedSource } from '../io/store/chunk_source.js';
import type { TransferTotals } from '../metrics.js';
import { Announcer, MembersHeard } from '../swarm/announcer.js';
import { announcementOf, isOfInterest, type Share } from '../swarm/interest.js';
import { devicesOf, emergencyWindowMs, joinWindowMs } from '../swarm/meeting.js';
import type { Contender } from '../swarm/precedence.js';
import type { Session } from '../transport/session.js';
import type { SessionEvents } from '../transport/session_types.js';
import { waitsForPeers } from './condition.js';
import type { NamedRollouts } from './hand_overs.js';
import { Holding, type HoldingOptions } from './holding.js';
import type { MeshPeer, SentWrong, TransferHost } from './host.js';
import type { Link } from './link.js';
import { Mesh } from './mesh.js';
import { Places } from './places.js';
import { Retirement, type SeedingLimits } from './retirement.js';
import { noCounters } from './settling.js';

/** One artifact on one device, under however many rollouts: what is held of it, its sessions, and both directions of chunks. */

export interface TransferOptions extends Omit<HoldingOptions, 'devices'> {
  /** What was announced is not so any more. */
  readonly news: () => void;
  /** Where it is not that of P-10.1. */
  readonly joinWindowMs?: number;
  /** P-10.8 */
  readonly seeding: SeedingLimits;
  /** Learned of another device from a peer (P-7.9, P-10.3). */
  readonly onPeerNamed: (peer: PeerName) => void;
}

export class Transfer {
  readonly artifact: string;
  announcer: Announcer;
  readonly heard = new MembersHeard();
  readonly #options: TransferOptions;
  readonly #host: TransferHost;
  readonly #mesh: Mesh;
  readonly #places: Places;
  readonly #holding: Holding;
  readonly #retirement: Retirement;
  #paused = false;
  #stopped = false;
  #stopping: Promise<void> | null = null;

  constructor(options: TransferOptions) {
    const { artifact, host, onPeerNamed } = options;
    this.artifact = artifact;
    this.#host = host;
    this.#options = options;
    this.announcer = this.#join(options.rollouts[0].rollout, isEmergency(options.rollouts));
    this.#mesh = new Mesh({
      host,
      held: () => this.held,
      onlyGives: () => this.onlyGives,
      leavesSeeds: () => this.#asksNothing,
      isOrigin: () => options.isSeed && this.#holding.fetch === null,
      shelf: () => this.#holding.shelf,
      fetch: () => this.#holding.fetch,
      places: () => this.#places.most,
      peerNamed: onPeerNamed,
      left: (brought) => this.#left(brought),
    });
    this.#places = new Places({
      ...{ host, mesh: this.#mesh, heard: this.heard, isSeed: options.isSeed },
      isClosed: () => this.#isClosed,
      leavesSeeds: () => this.#asksNothing,
    });
    this.#retirement = new Retirement(options.isSeed ? {} : options.seeding, options.rollouts[0].rollout.size);
    const { links } = this.#mesh;
    this.#holding = new Holding({ ...options, devices: () => this.#devices }, links, {
      gained: () => this.announcer.restart(host.now()),
      complete: () => {
        this.#retirement.complete(host.now());
        this.#mesh.dropUseless();
      },
      lost: () => {
        this.#retirement.undo();
        this.announcer.restart(host.now());
      },
      heldBack: (known) => this.#onHeldBack(known),
      released: () => this.#onReleased(),
      failed: () => links.closeAll(CLOSE.done),
      wrongBytes: (link, wrong, bytes) => this.#onWrongBytes(link, wrong, bytes),
    });
  }

  /** As Holding.start. Until it is done the transfer takes no sessions. */
  start(): Promise<void> {
    this.#rest();
    return this.#holding.start();
  }

  /** Once. Waits for what is being written or opened. @throws E_STORE_IO, E_DISK_FULL: what was written last may be lost */
  stop(reason: CloseReason): Promise<void> {
    this.#stopping ??= this.#stop(reason);
    return this.#stopping;
  }

  /** @param rollouts that name the artifact from now on. They agree on its size, and each gets a file of its own. */
  follow(rollouts: NamedRollouts): void {
    const { emergency } = this;
    const { shards } = this.rollout;
    this.#holding.follow(rollouts);
    if (this.emergency !== emergency) this.#onEmergency();
    else if (this.rollout.shards !== shards) this.announcer = this.#join(this.rollout, emergency);
    this.onHold();
  }

  /** What the owner holds back is another from now on. */
  onHold(): void {
    if (!this.#holding.onHold()) return;
    this.#rest();
    if (!this.#holding.isHeldBack && this.#holding.holdsBack) return;
    if (this.onlyGives) this.#onHeldBack(true);
    else this.#announceAnew();
  }

  /** One of those that name the artifact: the artifact itself, and the shards that it is announced in. */
  get rollout(): Rollout {
    return this.#holding.rollout;
  }

  /** P-12.3: any rollout that names it is. */
  get urgent(): boolean {
    return this.#holding.urgent;
  }

  /** P-10.13: any rollout that names it is one. */
  get emergency(): boolean {
    return this.#holding.emergency;
  }

  /** P-10.12 */
  get contender(): Contender {
    const { contender } = this.#holding;
    return { ...contender, wants: contender.wants && !this.#paused && !this.#stopped };
  }

  /** Outside of its hours a device neither fetches nor serves what is not urgent. */
  pause(paused: boolean): void {
    const pausing = paused && !this.urgent;
    if (pausing === this.#paused) return;
    this.#paused = pausing;
    this.#rest();
    if (pausing) this.#mesh.links.closeAll(CLOSE.noRoom);
    else this.announcer = this.#join(this.rollout, this.emergency);
    this.#host.wake();
    this.#host.changed();
  }

  /** The link costs money by the byte from now on, or no longer. */
  onMetered(): void {
    this.#mesh.onMetered();
    this.#rest();
    // Others have not heard of what is held here.
    if (!this.#host.metered()) this.announcer.restart(this.#host.now());
    this.#host.wake();
  }

  get complete(): boolean {
    return this.#holding.complete;
  }

  /** Whether nothing is asked of peers: it is complete, or held back. */
  get onlyGives(): boolean {
    return this.#holding.onlyGives;
  }

  get failed(): boolean {
    return this.#holding.failed;
  }

  get held(): Bitfield | null {
    return this.#holding.held;
  }

  /** As Holding.source. */
  get source(): RecheckedSource | null {
    return this.#holding.source;
  }

  get peers(): number {
    return this.#mesh.links.openCount;
  }

  /** Bytes that came, and those that arrived at peers. */
  get totals(): TransferTotals {
    return { ...(this.#holding.fetch?.counters ?? noCounters()), served: this.#mesh.servedBytes };
  }

  /** Whether chunks are missing and no session could bring them (P-10.1). */
  get lonely(): boolean {
    const { held, failed, fetch } = this.#holding;
    const missing = held !== null && !held.isFull;
    if (this.#asksNothing || this.#isOfNoUse) return false;
    return missing && !this.#paused && !this.#stopped && !failed && !(fetch?.isFed ?? false);
  }

  /** Sessions that may be agreed and none has to end (P-10.3). */
  get room(): number {
    return this.#places.room;
  }

  /** Sessions that may be agreed, those that bring nothing giving way (P-10.3). */
  get mayAgree(): number {
    return this.#places.mayAgree;
  }

  /** P-10.3: by who else is there, and of which sites. */
  hasPlaceFor(peer: MeshPeer): boolean {
    return this.#places.hasFor(peer);
  }

  /** As PeerBook has it; a seed is there for whoever comes, and is never one peer of many. */
  worth({ device, seed }: MeshPeer): number {
    return this.#options.isSeed || seed ? 1 : this.#host.worth(device);
  }

  /** P-5.4 */
  isAudience(peer: Asker): boolean {
    return this.#holding.isAudience(peer);
  }

  isBanned(device: string): boolean {
    return this.#mesh.isBanned(device);
  }

  /** When the session with the device began, or undefined where there is none. Monotonic ms. */
  sessionSince(device: string): number | undefined {
    return this.#mesh.links.get(device)?.since;
  }

  /** P-4.4 */
  announcement(at: number): HaveMessage | null {
    const { held } = this;
    if (held === null) return null;
    return announcementOf(this.#share(held), at, this.mayAgree, this.#mesh.links.size);
  }

  /** P-10.2 */
  isOfInterest(have: HaveMessage): boolean {
    const { held } = this;
    if (held === null) return false;
    return isOfInterest(have, this.#share(held));
  }

  /** As Mesh.connect. */
  connect(peer: MeshPeer, make: (events: SessionEvents) => Session): { session: Session; pump: () => void } {
    return this.#mesh.connect(peer, make);
  }

  /** P-10.3: with every place taken by peers that do not feed it, a device makes room for one that may. */
  makeRoom(): void {
    if (this.lonely && this.room === 0) this.#mesh.dropOneUnfed();
  }

  /** Whatever is due. */
  tick(): void {
    this.#holding.tick();
    this.#mesh.tell();
    if (this.#isRetired) this.#mesh.links.closeAll(CLOSE.done);
  }

  /** When `tick` is due; it may be past. Monotonic ms. */
  nextDeadline(): number {
    if (this.#mesh.links.size > 0 && this.#isRetired) return 0;
    const retiresAt = this.#mesh.links.size > 0 ? this.#retirement.deadline : Number.POSITIVE_INFINITY;
    return Math.min(this.#holding.nextDeadline(), this.#mesh.nextDeadline(), retiresAt);
  }

  /** A row for each rollout that names the artifact. */
  progress(): RolloutProgress[] {
    const rows = this.#holding.progress();
    return this.#paused ? rows.map((row) => (waitsForPeers(row) ? { ...row, state: 'paused' } : row)) : rows;
  }

  /** Whether it takes no sessions whatever there are. */
  get #isClosed(): boolean {
    if (this.held === null || this.#paused || this.#stopped || this.failed) return true;
    return this.#isOfNoUse || (this.held.isFull && (this.#host.metered() || this.#isRetired));
  }

  /** P-11.4 */
  get #devices(): number {
    const known = Math.max(this.heard.most, this.#mesh.links.size);
    return devicesOf(this.rollout.shards, known, this.heard.mostOfShard(this.#host.now()));
  }

  #share(held: Bitfield): Share {
    return { held, metered: this.#host.metered(), holdsBack: this.#asksNothing };
  }

  /** P-10.10: it fetches nothing, and nobody gets anything of it. */
  get #isOfNoUse(): boolean {
    const { holdsBack, onlyGives, held } = this.#holding;
    return holdsBack && (this.#host.metered() || (onlyGives && held?.count === 0));
  }

  /** P-10.10: it is held back, and has its index. A seed that tells it of a chunk first (P-10.6) would keep that from others. */
  get #asksNothing(): boolean {
    return this.#holding.holdsBack && this.#holding.shelf !== null;
  }

  /** HTTP servers are asked for nothing then. */
  #rest(): void {
    this.#holding.pause(this.#paused || this.#isOfNoUse);
    if (this.#isOfNoUse) this.#mesh.links.closeAll(CLOSE.noRoom);
  }

  #onHeldBack(known: boolean): void {
    this.#mesh.dropSeeds();
    if (!known) return;
    this.#rest();
    this.#mesh.dropUseless();
    this.#announceAnew();
  }

  /** It is fetched from now on. */
  #onReleased(): void {
    if (this.#stopped) return;
    this.#rest();
    this.#announceAnew();
  }

  #announceAnew(): void {
    this.#options.news();
    this.announcer.restart(this.#host.now());
    this.#host.changed();
    this.#host.wake();
  }

  /** P-10.8 */
  get #isRetired(): boolean {
    return this.complete && this.#retirement.isDue(this.#mesh.servedBytes, this.#host.now());
  }

  /** P-10.1: every device hears of a rollout, or of other shards, at the same time, and many have the same hours. */
  #join({ shards }: Rollout, emergency: boolean): Announcer {
    const { host, joinWindowMs: wanted } = this.#options;
    const usual = wanted ?? joinWindowMs(shards);
    const windowMs = emergency ? Math.min(usual, emergencyWindowMs(shards)) : usual;
    return new Announcer(host.now(), windowMs, () => host.random());
  }

  /** P-10.13: how a session shares the link, and which ceilings hold it, is settled when it begins. All begin anew. */
  #onEmergency(): void {
    this.#mesh.links.closeAll(CLOSE.superseded);
    this.announcer = this.#join(this.rollout, this.emergency);
    this.#options.news();
    this.#host.changed();
    this.#host.wake();
  }

  async #stop(reason: CloseReason): Promise<void> {
    // Before the sessions end: none of them is one to look for another after.
    this.#stopped = true;
    this.#mesh.links.closeAll(reason);
    this.#host.wake();
    await this.#holding.stop();
  }

  /** @param brought anything: who comes, brings nothing and goes is not to keep the device at its first announcements. */
  #left(brought: boolean): void {
    if (this.#stopped) return;
    if (brought && this.lonely && this.#mesh.links.size === 0) this.announcer.restart(this.#host.now());
    this.#holding.fetch?.schedule();
    this.#host.changed();
    this.#host.wake();
  }

  /** P-10.4, P-15.1: what was on its way when the first was found is evidence too. */
  #onWrongBytes(link: Link, wrong: SentWrong, bytes: Uint8Array): void {
    this.#host.sentWrong(link.peer, wrong, bytes);
    if (!this.#mesh.ban(link)) return;
    const what = wrong.chunk === INDEX_CHUNK ? 'index' : `chunk ${wrong.chunk}`;
    this.#host.warning(new ChunkmeshError('E_CHUNK_WRONG', `${what} from ${link.peer.device}`));
    this.#left(true);
  }
}

const isEmergency = (named: NamedRollouts): boolean => named.some(({ rollout }) => rollout.emergency === true);
