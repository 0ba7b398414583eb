import type { Logger } from 'pino';
import { checkNotFromFuture } from '../../shared/control/envelope.js';
import { RevocationList, type Standing } from '../../shared/control/revocation.js';
import type { Identity } from '../../shared/control/topics.js';
import { ChunkmeshError, type ErrorCode } from '../../shared/errors.js';
import { CertificateVerifier } from '../../shared/identity/certificate.js';
import { openList, readSealedList, sealedListVersion, writeSealedList } from './sealed_list.js';

/** The revocation list that a broker goes by (P-14.9): of its fleet folder, and of whoever publishes a newer one. */

/** So many lists that are refused are told of: whoever may publish on the topic could fill a log. */
const MOST_TOLD = 16;
/** Past the numbers of its time a list goes on in steps no larger than those that an operator spends in vain: a broker was away, another was first. */
const MAX_NUMBER_STEP = 64;
/** A host whose clock is behind at its start finds so what is good. */
const UNTIMELY: ErrorCode = 'E_CERT_EXPIRED';

export class Standings {
  readonly #folder: string;
  readonly #of: { readonly prefix: string; readonly fleet: string; readonly verifier: CertificateVerifier };
  readonly #log: Logger;
  #list = RevocationList.none;
  #envelope: Uint8Array | null = null;
  #fileVersion = '';
  #told = 0;

  constructor(folder: string, fleet: { prefix: string; fleet: string; ca: string }, log: Logger) {
    this.#folder = folder;
    this.#of = { prefix: fleet.prefix, fleet: fleet.fleet, verifier: new CertificateVerifier(fleet.ca, fleet.fleet) };
    this.#log = log;
  }

  /** As it was sealed; null where there is none. */
  get envelope(): Uint8Array | null {
    return this.#envelope;
  }

  get version(): number {
    return this.#list.version;
  }

  /** @param notBefore of the client's certificate, seconds since the epoch */
  of({ id }: Pick<Identity, 'id'>, notBefore: number): Standing {
    return this.#list.standing(id, notBefore);
  }

  /** Reads the folder's list where it was replaced. @returns whether another is in force now. @throws E_FILE_UNREADABLE */
  async refresh(): Promise<boolean> {
    const version = await sealedListVersion(this.#folder);
    if (version === this.#fileVersion) return false;
    const envelope = await readSealedList(this.#folder);
    const taken = envelope === null ? 'refused' : this.#take(envelope);
    // Where the clock is behind it is looked at again: this list is good once that is right.
    if (taken !== 'untimely') this.#fileVersion = version;
    return taken === 'taken';
  }

  /**
   * A message on the topic of the list, of whoever may publish there.
   * @param byClock of a broker, which devices without one hear it of @returns whether it is in force now
   */
  heard(envelope: Uint8Array, byClock = false): boolean {
    if (this.#take(envelope, byClock) !== 'taken') return false;
    // The operator's folder may be elsewhere: without it, the list of a broker that restarts would be an old one.
    const kept = writeSealedList(this.#folder, envelope);
    kept.catch((error: unknown) => this.#log.warn({ err: error }, 'the revocation list cannot be kept for a restart'));
    return true;
  }

  /** P-14.2 */
  #take(envelope: Uint8Array, byClock = false): 'taken' | 'refused' | 'untimely' {
    try {
      const now = Date.now() / 1000;
      const { list, message, by, notBefore } = openList(this.#of, envelope, now);
      if (list.version <= this.#list.version) return 'refused';
      // P-14.9: who stole an operator's key uses up no numbers here; who comes after one that did goes on from there, step by step.
      if (byClock && message.at > this.#list.version + MAX_NUMBER_STEP) checkNotFromFuture(message.at, now);
      if (this.#list.standing(by, notBefore) !== 'good') throw new Error(`signed by ${by}, who is revoked`);
      this.#list = list;
      this.#envelope = envelope;
      this.#log.info({ version: list.version, entries: list.size }, 'revocation list');
      return 'taken';
    } catch (error) {
      if (++this.#told <= MOST_TOLD) this.#log.warn({ reason: String(error) }, 'refused a revocation list');
      return error instanceof ChunkmeshError && error.code === UNTIMELY ? 'untimely' : 'refused';
    }
  }
}
