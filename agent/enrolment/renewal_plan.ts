/** When a device asks for its certificate anew, and when it says that this one ends (P-13.12). Pure; times are seconds since the epoch. */

const DAY = 86_400;
/** After two thirds, drawn from the twelfth of a life that follows: a pallet that was enrolled in one hour does not ask in one hour. */
const RENEW_AFTER = 2 / 3;
const RENEW_SPREAD = 1 / 12;
/** Asked again, doubled each time up to a quarter of a day; an answer takes a second where there is a registrar. */
const FIRST_RETRY_SECONDS = 60;
const MAX_RETRY_SECONDS = 21_600;
/** What is left when a person is told, at most a sixth of a life: a certificate of a week is renewed on its fifth day. */
const WARN_DAYS = 14;
const WARN_PART = 1 / 6;

export interface Life {
  readonly notBefore: number;
  readonly notAfter: number;
}

export const daysLeft = ({ notAfter }: Pick<Life, 'notAfter'>, now: number): number =>
  Math.floor((notAfter - now) / DAY);

export class RenewalPlan {
  readonly #random: () => number;
  #life: Life;
  #askAt: number;
  #retrySeconds = FIRST_RETRY_SECONDS;
  #tellAt = Number.NEGATIVE_INFINITY;

  /** @param random from 0 up to, not including, 1 */
  constructor(life: Life, random: () => number) {
    this.#random = random;
    this.#life = life;
    this.#askAt = this.#dueAt(life);
  }

  get life(): Life {
    return this.#life;
  }

  /** Whether to ask now. One that has ended renews nothing: nobody believes what it signs. */
  isDue(now: number): boolean {
    return now >= this.#askAt && now <= this.#life.notAfter;
  }

  /** It was asked: again after a while, where nothing comes of it. */
  asked(now: number): void {
    this.#askAt = now + this.#jittered(this.#retrySeconds);
    this.#retrySeconds = Math.min(MAX_RETRY_SECONDS, this.#retrySeconds * 2);
  }

  /** Who refuses now may not in some hours: a member is restored, a clock is set. */
  refused(now: number): void {
    this.#askAt = now + this.#jittered(MAX_RETRY_SECONDS);
  }

  renewed(life: Life, now: number): void {
    this.#life = life;
    this.#retrySeconds = FIRST_RETRY_SECONDS;
    // Never at once: a clock that is far ahead would have every certificate due.
    this.#askAt = Math.max(this.#dueAt(life), now + this.#jittered(MAX_RETRY_SECONDS));
    this.#tellAt = Number.NEGATIVE_INFINITY;
  }

  /** What a person is to be told, once a day; null for nothing. */
  tell(now: number): 'ending' | 'ended' | null {
    const { notBefore, notAfter } = this.#life;
    const from = notAfter - Math.min(WARN_DAYS * DAY, (notAfter - notBefore) * WARN_PART);
    if (now < from || now < this.#tellAt) return null;
    // At the end too, whenever it was told before.
    this.#tellAt = now < notAfter ? Math.min(now + DAY, notAfter) : now + DAY;
    return now <= notAfter ? 'ending' : 'ended';
  }

  #dueAt({ notBefore, notAfter }: Life): number {
    return notBefore + (notAfter - notBefore) * (RENEW_AFTER + RENEW_SPREAD * this.#random());
  }

  #jittered(seconds: number): number {
    return (seconds / 2) * (1 + this.#random());
  }
}
