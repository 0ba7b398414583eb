import { Bitfield } from '../../../shared/artifact/bitfield.js';
import type { FakeSession } from '../../support/fake_session.js';
import type { Sample } from '../../support/memory_artifact.js';
import { TransferStage } from '../../support/transfer_stage.js';

/** A device among other members of its shard, in virtual time: their datagrams are whole pieces of chunks, and none is lost. */

/** Virtual ms from an announcement to the session; a hostile member is quicker than an honest one. */
const HONEST_ANSWERS_MS = 60;
const HOSTILE_ANSWERS_MS = 20;
/** What an honest member sends at a time. */
const PIECE_BYTES = 16 * 1024;
/** The agent's longest sleep. */
const TICK_MS = 1_000;

export interface MemberOptions {
  readonly id: string;
  /** What it sends of the oldest request, each `everyMs`. */
  readonly pieceBytes?: number;
  readonly everyMs: number;
  readonly hostile?: boolean;
  /** Whether it answers announcements, and from when on. */
  readonly answersFrom?: number;
  readonly have?: Bitfield;
}

/** Sends what it is asked for, in order, at its own pace. */
class Member {
  readonly options: MemberOptions;
  /** Sessions that it had. */
  sessions = 0;
  session: FakeSession | null = null;
  readonly #sent = new Map<number, number>();

  constructor(options: MemberOptions) {
    this.options = options;
  }

  begin(session: FakeSession): void {
    this.session = session;
    this.sessions++;
    this.#sent.clear();
  }

  /** What it sends next, or null. */
  next(stage: TransferStage): { chunk: number; offset: number; bytes: Uint8Array } | null {
    const { session, options } = this;
    if (session === null || options.everyMs === Number.POSITIVE_INFINITY) return null;
    for (const chunk of session.cancels.splice(0)) this.#forget(session, chunk);
    const chunk = session.requests[0];
    if (chunk === undefined) return null;
    const whole = stage.bytesOf(chunk);
    const offset = this.#sent.get(chunk) ?? 0;
    const bytes = whole.subarray(offset, offset + (options.pieceBytes ?? PIECE_BYTES));
    this.#sent.set(chunk, offset + bytes.length);
    if (offset + bytes.length === whole.length) this.#forget(session, chunk);
    return { chunk, offset, bytes };
  }

  #forget(session: FakeSession, chunk: number): void {
    const at = session.requests.indexOf(chunk);
    if (at >= 0) session.requests.splice(at, 1);
    this.#sent.delete(chunk);
  }
}

export class Swarm {
  readonly stage: TransferStage;
  announcements = 0;
  readonly #members: Member[];
  readonly #due: { at: number; act: () => Promise<void> | void }[] = [];

  private constructor(stage: TransferStage, members: readonly MemberOptions[]) {
    this.stage = stage;
    this.#members = members.map((options) => new Member(options));
  }

  static async start(sample: Sample, seed: number, members: readonly MemberOptions[]): Promise<Swarm> {
    return new Swarm(await TransferStage.start(sample, { indexed: false, seed }), members);
  }

  /** Sessions that ended, whoever ended them. */
  get ended(): number {
    const { length } = this.#members.filter(({ session }) => session?.closed === null);
    return this.#members.reduce((sum, { sessions }) => sum + sessions, 0) - length;
  }

  /** @returns when the artifact was complete, in seconds, or Infinity where it was not by `limitMs`. */
  async run(limitMs: number): Promise<number> {
    const { stage } = this;
    this.#at(0, () => this.#tick());
    while (!stage.transfer.complete) {
      const next = this.#due.shift();
      if (next === undefined || next.at > limitMs) return Number.POSITIVE_INFINITY;
      stage.now = Math.max(stage.now, next.at);
      await next.act();
    }
    return stage.completedAt / 1000;
  }

  #at(at: number, act: () => Promise<void> | void): void {
    let i = this.#due.length;
    while (i > 0 && (this.#due[i - 1]?.at ?? 0) > at) i--;
    this.#due.splice(i, 0, { at, act });
  }

  /** As the agent's timer does. */
  #tick(): void {
    const { stage } = this;
    stage.tick();
    if (stage.transfer.lonely && stage.now >= stage.transfer.announcer.due) this.#announce();
    const next = Math.min(stage.transfer.nextDeadline(), stage.now + TICK_MS);
    this.#at(Math.max(next, stage.now + 1), () => this.#tick());
  }

  /** P-10.1, P-10.2 */
  #announce(): void {
    const { stage } = this;
    stage.transfer.makeRoom();
    stage.transfer.announcer.announced(stage.now);
    this.announcements++;
    for (const member of this.#members) {
      const { hostile = false, answersFrom = 0 } = member.options;
      if (stage.now < answersFrom || !this.#isOfInterest(member)) continue;
      this.#at(stage.now + (hostile ? HOSTILE_ANSWERS_MS : HONEST_ANSWERS_MS), () => this.#join(member));
    }
  }

  /** Whether either holds what the other lacks. */
  #isOfInterest({ options: { have } }: Member): boolean {
    const { held } = this.stage.stored;
    return have === undefined || Buffer.compare(have.toBytes(), held.toBytes()) !== 0;
  }

  #join(member: Member): void {
    const { stage } = this;
    const { id, have } = member.options;
    if (member.session?.closed === null || stage.transfer.room === 0 || stage.transfer.isBanned(id)) return;
    const before = member.sessions;
    member.begin(stage.join(id, have ?? Bitfield.full(stage.sample.rollout.chunks)));
    if (before === 0) this.#at(stage.now + member.options.everyMs, () => this.#serve(member));
  }

  async #serve(member: Member): Promise<void> {
    const { stage } = this;
    const piece = member.session?.closed === null ? member.next(stage) : null;
    if (piece !== null && member.session !== null) {
      await stage.send(member.session, piece.chunk, piece.bytes, piece.offset);
    }
    this.#at(stage.now + member.options.everyMs, () => this.#serve(member));
  }
}
