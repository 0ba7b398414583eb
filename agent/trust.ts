import { createHash } from 'node:crypto';
import { z } from 'zod';
import { checkNotFromFuture, type Opened } from '../shared/control/envelope.js';
import { decodeMessage, type TrustMessage } from '../shared/control/messages.js';
import { ChunkmeshError } from '../shared/errors.js';
import type { Credential } from '../shared/identity/bundle.js';

/** What a device believes of trust messages, and what it remembers of them across restarts (P-4.1 to P-4.3). */

export const trustMemorySchema = z.record(z.string(), z.object({ seq: z.int().min(0), hash: z.string() }));
/** By group: the highest sequence number accepted, and the hash of its payload. */
export type TrustMemory = z.infer<typeof trustMemorySchema>;

export class TrustKeeper {
  readonly #credential: Credential;
  #memory: TrustMemory;
  /** By group: the hash of what was accepted since this agent runs. */
  readonly #inForce = new Map<string, string>();

  constructor(credential: Credential, memory: TrustMemory) {
    this.#credential = credential;
    this.#memory = memory;
  }

  get memory(): TrustMemory {
    return this.#memory;
  }

  /**
   * @param now seconds since the epoch
   * @returns null for a repetition of what is in force: brokers send retained messages as often as they like.
   * @throws E_MESSAGE_UNTRUSTED, E_MESSAGE_MALFORMED, E_MANIFEST_VERSION, E_MESSAGE_TIME, E_MANIFEST_ROLLBACK
   */
  accept(group: string, { signer, payload }: Opened, now: number): TrustMessage | null {
    const { publishers, identity } = this.#credential;
    // P-4.2: the CA alone cannot make a publisher.
    if (signer.identity.role !== 'publisher' || !publishers.some((key) => Buffer.from(key).equals(signer.publicKey))) {
      throw new ChunkmeshError(
        'E_MESSAGE_UNTRUSTED',
        `${signer.identity.id} is not a publisher that this device trusts`,
      );
    }
    const message = decodeMessage('trust', payload);
    // P-4.1. A broker may pass on what was signed for devices of another group.
    if (message.fleet !== identity.fleet || message.group !== group || !identity.groups.includes(group)) {
      throw new ChunkmeshError(
        'E_MESSAGE_UNTRUSTED',
        `trust message of ${message.fleet}/${message.group} on group ${group}`,
      );
    }
    checkNotFromFuture(message.at, now);
    if (now > message.expires) {
      throw new ChunkmeshError('E_MESSAGE_TIME', `trust message ${message.seq} of group ${group} is expired`);
    }
    const hash = createHash('sha256').update(payload).digest('hex');
    const known = Object.hasOwn(this.#memory, group) ? this.#memory[group] : undefined;
    if (known !== undefined && (message.seq < known.seq || (message.seq === known.seq && hash !== known.hash))) {
      throw new ChunkmeshError('E_MANIFEST_ROLLBACK', `sequence ${message.seq} of group ${group} after ${known.seq}`);
    }
    if (this.#inForce.get(group) === hash) return null;
    this.#inForce.set(group, hash);
    this.#memory = { ...this.#memory, [group]: { seq: message.seq, hash } };
    return message;
  }

  /** What was accepted last could not be acted upon: it is taken again when it comes again. */
  forget(group: string): void {
    this.#inForce.delete(group);
  }
}
