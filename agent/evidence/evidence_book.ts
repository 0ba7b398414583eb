import type { WrongChunkReport } from '../../shared/control/messages.js';
import { MAX_REPORTS } from '../../shared/limits.js';

/** Which wrong chunks and indexes a device remembers, of whom, and what it reports of them (P-15.1, P-15.2). Pure: hashes and times come in. */

/** A peer is refused after its first wrong chunk, so that more of one come from more artifacts, or were on their way. */
export const MAX_RECORDS_PER_ACCUSED = 16;
/** Of all together. Each is some 400 bytes, besides what came. */
export const MAX_RECORDS = 64;
/** Of what came, all together: two of the largest chunks that there are, or a thousand ordinary ones. */
export const MAX_KEPT_BYTES = 64 * 2 ** 20;
/** Past it a wrong chunk is history: kept while there is room, and reported no more, lest a status accuses for ever. */
export const MAX_REPORTED_SECONDS = 30 * 86_400;

/** One chunk, or index, that was not what its hash says. Hashes are SHA-256 in hex. */
export interface WrongChunk {
  /** The device whose session it came in, and its certificate's SHA-256, in hex. */
  readonly accused: string;
  readonly certificate: string;
  /** P-1.3 */
  readonly artifact: string;
  /** INDEX_CHUNK for the index. */
  readonly chunk: number;
  readonly expected: string;
  readonly found: string;
  /** Bytes. */
  readonly length: number;
  /** Seconds since the epoch, by this device's clock. */
  readonly at: number;
}

export interface EvidenceRecord extends WrongChunk {
  /** Names the file of its bytes: nothing of a peer's choice does. */
  readonly number: number;
  /** Whether its bytes are kept. */
  readonly kept: boolean;
}

/** What is written down of it. */
export interface EvidenceMemory {
  /** The next record's. */
  readonly next: number;
  /** The oldest first. */
  readonly records: readonly EvidenceRecord[];
  /** How many wrong chunks came of each device that any record is of. */
  readonly counts: readonly (readonly [device: string, count: number])[];
}

export const NO_EVIDENCE: EvidenceMemory = { next: 1, records: [], counts: [] };

/** What became of a wrong chunk that was told to the book. */
export interface Noted {
  readonly record: EvidenceRecord;
  /** The same bytes of the same chunk did not come of that device before: they may be kept. */
  readonly isNew: boolean;
  /** Records that went for it. */
  readonly gone: readonly EvidenceRecord[];
}

export class EvidenceBook {
  /** The oldest first. */
  #records: readonly EvidenceRecord[];
  #next: number;
  readonly #counts: Map<string, number>;

  constructor({ next, records, counts }: EvidenceMemory = NO_EVIDENCE) {
    this.#records = records;
    this.#next = next;
    this.#counts = new Map(counts);
  }

  get records(): readonly EvidenceRecord[] {
    return this.#records;
  }

  /** Of what came and is kept. */
  get keptBytes(): number {
    return keptBytes(this.#records);
  }

  get memory(): EvidenceMemory {
    return { next: this.#next, records: this.#records, counts: [...this.#counts] };
  }

  note(wrong: WrongChunk): Noted {
    this.#counts.set(wrong.accused, (this.#counts.get(wrong.accused) ?? 0) + 1);
    const known = this.#records.find((one) => isSame(one, wrong));
    const record = { number: known?.number ?? this.#next++, kept: known?.kept ?? false, ...wrong };
    this.#records = [...this.#records.filter((one) => one !== known), record];
    return { record, isNew: known === undefined, gone: this.#makeRoom() };
  }

  /** The bytes of the record are kept from now on, where it is still there. @returns records whose bytes are to go for that */
  keep(number: number): readonly EvidenceRecord[] {
    this.#records = this.#records.map((one) => (one.number === number ? { ...one, kept: true } : one));
    return this.giveWay(Math.max(0, this.keptBytes - MAX_KEPT_BYTES), number);
  }

  /** Of the bytes that are kept, so many are to go. The records stay. @param but the one whose stay @returns those whose are to go */
  giveWay(bytes: number, but?: number): readonly EvidenceRecord[] {
    const going: EvidenceRecord[] = [];
    while (keptBytes(going) < bytes) {
      const kept = this.#records.filter((one) => one.kept && one.number !== but);
      const oldest = oldestOfMost(kept);
      if (oldest === undefined) break;
      going.push(oldest);
      this.#records = this.#records.map((one) => (one === oldest ? { ...one, kept: false } : one));
    }
    return going;
  }

  /** P-15.2: of each device the newest, the newest first. @param now seconds since the epoch, by the clock of the records */
  reports(now: number): WrongChunkReport[] {
    const newest = new Map<string, EvidenceRecord>();
    for (const record of this.#records) {
      newest.delete(record.accused);
      newest.set(record.accused, record);
    }
    return [...newest.values()]
      .filter(({ at }) => now - at <= MAX_REPORTED_SECONDS)
      .reverse()
      .slice(0, MAX_REPORTS)
      .map((record) => reportOf(record, this.#counts.get(record.accused) ?? 1));
  }

  #makeRoom(): readonly EvidenceRecord[] {
    const gone: EvidenceRecord[] = [];
    for (;;) {
      const last = this.#records.at(-1);
      const ofLast = this.#records.filter(({ accused }) => accused === last?.accused);
      const tooMany = ofLast.length > MAX_RECORDS_PER_ACCUSED ? ofLast : this.#records;
      if (tooMany === this.#records && this.#records.length <= MAX_RECORDS) break;
      const oldest = oldestOfMost(tooMany);
      if (oldest === undefined) break;
      gone.push(oldest);
      this.#records = this.#records.filter((one) => one !== oldest);
      if (!this.#records.some(({ accused }) => accused === oldest.accused)) this.#counts.delete(oldest.accused);
    }
    return gone;
  }
}

/** Of the device that most are of, so that who sends many wrong chunks pushes out no evidence of others. */
function oldestOfMost(records: readonly EvidenceRecord[]): EvidenceRecord | undefined {
  const counts = new Map<string, number>();
  for (const { accused } of records) counts.set(accused, (counts.get(accused) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return records.find(({ accused }) => counts.get(accused) === most);
}

const keptBytes = (records: readonly EvidenceRecord[]): number =>
  records.reduce((sum, { kept, length }) => (kept ? sum + length : sum), 0);

const isSame = (one: WrongChunk, other: WrongChunk): boolean =>
  one.accused === other.accused &&
  one.certificate === other.certificate &&
  one.artifact === other.artifact &&
  one.chunk === other.chunk &&
  one.found === other.found;

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));

function reportOf({ accused, artifact, chunk, expected, found, at }: EvidenceRecord, count: number): WrongChunkReport {
  return {
    ...{ device: accused, artifact: bytes(artifact), chunk },
    ...{ expected: bytes(expected), found: bytes(found), at, count },
  };
}
