import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Opened } from '../../shared/control/envelope.js';
import { decodeMessage } from '../../shared/control/messages.js';
import { checkDated, RevocationList, type RevokedMessage, type Standing } from '../../shared/control/revocation.js';
import { ChunkmeshError } from '../../shared/errors.js';
import type { Holder } from '../../shared/identity/certificate.js';

/** What a device believes of revocation lists, and what it remembers of them across restarts (P-14.2). Pure. */

export const revocationMemorySchema = z.object({
  v: z.literal(1),
  /** The payload of the newest list that was accepted, base64: its number, its hash and all that it says. */
  payload: z.base64(),
});
export type RevocationMemory = z.infer<typeof revocationMemorySchema>;

const hashOf = (payload: Uint8Array): string => createHash('sha256').update(payload).digest('hex');

export class RevocationKeeper {
  readonly #fleet: string;
  #payload: Uint8Array | null = null;
  #list = RevocationList.none;

  /** @throws E_MESSAGE_MALFORMED where what was remembered is no list: going on without it would trust whom it names. */
  constructor(fleet: string, memory?: RevocationMemory) {
    this.#fleet = fleet;
    if (memory === undefined) return;
    const payload = new Uint8Array(Buffer.from(memory.payload, 'base64'));
    const message = decodeMessage('revoked', payload);
    // A store that served another fleet before has nothing to say of this one.
    if (message.fleet === fleet) this.#keep(message, payload);
  }

  get list(): RevocationList {
    return this.#list;
  }

  get memory(): RevocationMemory | undefined {
    return this.#payload === null ? undefined : { v: 1, payload: Buffer.from(this.#payload).toString('base64') };
  }

  /** P-14.5 */
  standing({ identity, notBefore }: Pick<Holder, 'identity' | 'notBefore'>): Standing {
    return this.#list.standing(identity.id, notBefore);
  }

  /**
   * P-14.2. Of time it asks for what the CA said alone: a device that goes by its own clock could be kept from the list by that.
   * @returns null where it is what is held already: brokers send retained messages as often as they like.
   * @throws E_MESSAGE_MALFORMED, E_MESSAGE_UNTRUSTED, E_PEER_REVOKED, E_REVOCATION_ROLLBACK; E_MESSAGE_TIME where nothing else is wrong with it
   */
  accept({ signer, payload }: Opened): RevocationList | null {
    const { id, role } = signer.identity;
    if (role !== 'operator') throw new ChunkmeshError('E_MESSAGE_UNTRUSTED', `${id} is no operator`);
    const message = decodeMessage('revoked', payload);
    if (message.fleet !== this.#fleet) {
      throw new ChunkmeshError('E_MESSAGE_UNTRUSTED', `revocation list of fleet ${message.fleet}`);
    }
    const { version } = this.#list;
    const isHeld = this.#payload !== null && hashOf(payload) === hashOf(this.#payload);
    if (isHeld) return null;
    if (message.version <= version) {
      throw new ChunkmeshError('E_REVOCATION_ROLLBACK', `revocation list ${message.version} after ${version}`);
    }
    // Neither by the list that is held, nor by its own word.
    if (this.standing(signer) !== 'good' || RevocationList.of(message).standing(id, signer.notBefore) !== 'good') {
      throw new ChunkmeshError('E_PEER_REVOKED', `revocation list ${message.version} of ${id}, who is revoked`);
    }
    checkDated(message, signer);
    this.#keep(message, payload);
    return this.#list;
  }

  #keep(message: RevokedMessage, payload: Uint8Array): void {
    this.#payload = payload;
    this.#list = RevocationList.of(message);
  }
}
