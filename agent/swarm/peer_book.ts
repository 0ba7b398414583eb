/** What a device has learned of others, over artifacts, rollouts and restarts: how fast, how far and how reliable each was. Pure. */

/** About 100 bytes each: more than a device ever has sessions with in a rollout, few enough to be written at once. */
export const MAX_PEER_RECORDS = 512;
/** Of a new lesson beside what was known: three of four are forgotten after five. */
const GAIN = 0.25;
/** What an average peer is worth, so that one never tried, which is worth 1, goes before it. */
const BASE_WORTH = 0.25;
const MOST_WORTH = 1.25;
/** What is left of the worth of one whose sessions all failed: that may have been this device's own link, and is to be found out. */
const LEAST_RELIABILITY = 0.25;
/** In which what is known of failures is halved: a link that was blocked is open another day. */
const FAILURES_HALVED_SECONDS = 3_600;
/** By which a peer's worth is halved. */
const HALVING_RTT_MS = 1_000;
/** One in the same subnet is likely behind the same switch. */
const SUBNET_FACTOR = 1.25;

export interface PeerRecord {
  readonly device: string;
  readonly site: string;
  /** Bytes per second that it sent, smoothed; 0 where it sent nothing. */
  readonly rate: number;
  /** Smoothed; 0 where it was never measured. */
  readonly rttMs: number;
  /** The part of its sessions that failed, smoothed, as of `at`: 0 to 1. */
  readonly failures: number;
  /** Whether an address of its was in a subnet of this device's. */
  readonly subnet: boolean;
  /** Of the last lesson, seconds since the epoch. */
  readonly at: number;
}

/** What one session showed. */
export type Lesson = Pick<PeerRecord, 'site' | 'rate' | 'rttMs' | 'subnet'> & {
  /** It never opened, or brought nothing of what it was asked for, or wrong bytes. */
  readonly failed: boolean;
};

export class PeerBook {
  /** The one learned of longest ago first. */
  readonly #records = new Map<string, PeerRecord>();
  #rates = 0;
  #changes = 0;

  constructor(records: readonly PeerRecord[] = []) {
    for (const record of records.slice(-MAX_PEER_RECORDS)) this.#put(record);
    this.#changes = 0;
  }

  /** Lessons since the last `taken`. */
  get changes(): number {
    return this.#changes;
  }

  get size(): number {
    return this.#records.size;
  }

  /** @param at seconds since the epoch */
  learn(device: string, { site, rate, rttMs, subnet, failed }: Lesson, at: number): void {
    const known = this.#records.get(device);
    // It is worth 1 as it is, and a record would take the place of one that says something.
    if (known === undefined && rate === 0 && !failed) return;
    const failures = known === undefined ? 0 : failuresNow(known, at);
    const smooth = (before: number | undefined, sample: number): number =>
      before === undefined || before === 0 ? sample : before + GAIN * (sample - before);
    this.#put({
      ...{ device, site, subnet, at },
      rate: rate > 0 ? smooth(known?.rate, rate) : (known?.rate ?? 0),
      rttMs: rttMs > 0 ? smooth(known?.rttMs, rttMs) : (known?.rttMs ?? 0),
      failures: failures + GAIN * ((failed ? 1 : 0) - failures),
    });
    const oldest = this.#records.keys().next();
    if (this.#records.size > MAX_PEER_RECORDS && !oldest.done) this.#drop(oldest.value);
  }

  rateOf(device: string): number {
    return this.#records.get(device)?.rate ?? 0;
  }

  /** How much a session with the device is worth beside others: 1 for one that is not known, so that it is tried; above 0, at most 2. @param at seconds since the epoch */
  worth(device: string, at: number): number {
    const record = this.#records.get(device);
    if (record === undefined) return 1;
    const { rate, rttMs, subnet } = record;
    const usual = this.#rates / this.#records.size;
    // One that was never asked for anything, as by a seed, is as little known as any.
    const speed = rate === 0 ? 1 : BASE_WORTH + (MOST_WORTH * rate) / (rate + usual);
    const reliability = Math.max(LEAST_RELIABILITY, 1 - failuresNow(record, at));
    const worth = speed * reliability * (HALVING_RTT_MS / (HALVING_RTT_MS + rttMs)) * (subnet ? SUBNET_FACTOR : 1);
    return Math.max(Number.EPSILON, worth);
  }

  /** What to keep of it, the latest last. */
  taken(): PeerRecord[] {
    this.#changes = 0;
    return [...this.#records.values()];
  }

  #put(record: PeerRecord): void {
    this.#drop(record.device);
    this.#records.set(record.device, record);
    this.#rates += record.rate;
    this.#changes++;
  }

  #drop(device: string): void {
    this.#rates -= this.#records.get(device)?.rate ?? 0;
    this.#records.delete(device);
  }
}

/** A clock that was set back makes nothing older. */
function failuresNow({ failures, at: then }: PeerRecord, at: number): number {
  return failures * 2 ** -(Math.max(0, at - then) / FAILURES_HALVED_SECONDS);
}
