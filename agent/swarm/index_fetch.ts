import { INDEX_CHUNK } from '../../shared/limits.js';
import { INDEX_SILENT_MS, MAX_INDEX_COPIES, MAX_INDEX_PATIENCE_MS, STALL_MS } from './limits.js';
import type { SwarmAction } from './swarm.js';

/**
 * Fetching the index, before any chunk can be asked (P-9.7, P-10.4): of one peer, and of one more whenever it takes long. Each sends it
 * whole, so that wrong bytes have one author. Pure.
 */
export class IndexFetch {
  /** The peers being asked, with how many bytes came from each, and when the last of them. */
  readonly #asked = new Map<string, { bytes: number; at: number }>();
  /** Peers that rejected, lied or gave way to another, until every peer has; then all may be asked again. */
  readonly #passed = new Set<string>();
  #askedAt = Number.NEGATIVE_INFINITY;
  #patienceMs = STALL_MS;
  #frugal = false;
  /** Whether there is a peer that could be asked besides. */
  #hasOthers = false;

  isAsked(peer: string): boolean {
    return this.#asked.has(peer);
  }

  /** When `schedule` is due again although nothing happens. */
  get deadline(): number {
    if (!this.#hasOthers) return Number.POSITIVE_INFINITY;
    if (this.#frugal) return this.#askedAt + MAX_INDEX_PATIENCE_MS;
    const patientUntil = this.#askedAt + this.#patienceMs;
    // Where all were asked once, nobody is quick; where nobody is asked, all said no.
    return this.#patienceMs > STALL_MS || this.#asked.size === 0
      ? patientUntil
      : Math.min(patientUntil, this.#heardAt + INDEX_SILENT_MS);
  }

  /** When something came last, or could have. */
  get #heardAt(): number {
    return Math.max(this.#askedAt, ...[...this.#asked.values()].map(({ at }) => at));
  }

  /** Whom to ask now, if anybody, and who gives way to it. @param peers in the order in which they are to be asked; @param frugal whether every byte costs */
  schedule(peers: readonly string[], now: number, frugal = false): SwarmAction[] {
    this.#frugal = frugal;
    const others = peers.filter((id) => !this.#asked.has(id));
    const fresh = others.find((id) => !this.#passed.has(id));
    this.#hasOthers = others.length > 0;
    const atOnce = this.#asked.size === 0 && fresh !== undefined;
    if (!atOnce && now < this.deadline) return [];
    const next = fresh ?? this.#beginRound(others);
    if (next === undefined) return [];
    const actions = this.#giveWay(now);
    this.#asked.set(next, { bytes: 0, at: now });
    this.#askedAt = now;
    this.#hasOthers = others.length + actions.length > 1;
    return [...actions, { kind: 'request', peer: next, chunk: INDEX_CHUNK }];
  }

  onBytes(peer: string, bytes: number, now: number): void {
    const asked = this.#asked.get(peer);
    if (asked !== undefined) this.#asked.set(peer, { bytes: asked.bytes + bytes, at: now });
  }

  /** The peer rejected, left or lied. */
  failed(peer: string): void {
    if (this.#asked.delete(peer)) this.#passed.add(peer);
  }

  /** The peer sent it, and it is right. @returns cancellations for the others. */
  onVerified(peer: string): SwarmAction[] {
    const losers = [...this.#asked.keys()].filter((id) => id !== peer);
    for (const id of losers) this.#asked.delete(id);
    return losers.map((id) => ({ kind: 'cancel', peer: id, chunk: INDEX_CHUNK }));
  }

  /** Every peer was asked. Where some still send, they may be slow rather than hostile: the next round gives each more time. */
  #beginRound(others: readonly string[]): string | undefined {
    this.#passed.clear();
    this.#patienceMs = this.#asked.size === 0 ? STALL_MS : Math.min(MAX_INDEX_PATIENCE_MS, this.#patienceMs * 2);
    return others[0];
  }

  /** With as many asked as may be: while not all were asked, the one that is silent for longest, whatever it sent; else the one that sent least. */
  #giveWay(now: number): SwarmAction[] {
    if (this.#asked.size < MAX_INDEX_COPIES) return [];
    // Later, who sends a little now and then may be the best that there is.
    const isFirstRound = this.#patienceMs <= STALL_MS;
    const silent = [...this.#asked].filter(([, { at }]) => isFirstRound && now >= at + INDEX_SILENT_MS);
    const [least] =
      silent.length > 0
        ? silent.reduce((a, b) => (b[1].at < a[1].at ? b : a))
        : [...this.#asked].reduce((a, b) => (b[1].bytes < a[1].bytes ? b : a));
    this.failed(least);
    return [{ kind: 'cancel', peer: least, chunk: INDEX_CHUNK }];
  }
}
