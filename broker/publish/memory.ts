import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { decodeMessage, encodeMessage, type TrustMessage } from '../../shared/control/messages.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { writePrivateFile } from '../fleet/private_file.js';

/**
 * What a fleet folder remembers of its trust messages, one file a group: a broker that lost its retained message must neither
 * lower the sequence number nor lose the other rollouts.
 */

const schema = z.object({
  v: z.literal(1),
  /** The highest number ever used, also by a publish that did not get through. */
  seq: z.int().min(0),
  /** The payload that the broker last confirmed, base64. */
  confirmed: z.base64().optional(),
});

export interface Remembered {
  readonly seq: number;
  readonly confirmed?: TrustMessage;
}

export class PublishMemory {
  readonly #folder: string;

  /** @param fleetFolder the fleet's; a folder `published` is made in it. */
  constructor(fleetFolder: string) {
    this.#folder = join(fleetFolder, 'published');
  }

  /** @throws E_FILE_UNREADABLE where it is there and cannot be read: going on would use a number twice (P-4.3). */
  async read(group: string): Promise<Remembered> {
    const path = this.#path(group);
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (cause) {
      if (systemCode(cause) === 'ENOENT') return { seq: 0 };
      throw new ChunkmeshError('E_FILE_UNREADABLE', `${path}: ${systemCode(cause) ?? 'cannot be read'}`, { cause });
    }
    try {
      const { seq, confirmed } = schema.parse(JSON.parse(text));
      if (confirmed === undefined) return { seq };
      return { seq, confirmed: decodeMessage('trust', new Uint8Array(Buffer.from(confirmed, 'base64'))) };
    } catch (cause) {
      throw new ChunkmeshError('E_FILE_UNREADABLE', `${path} is not what a publish wrote`, { cause });
    }
  }

  /** Durable before it returns. @throws E_STORE_IO */
  async write(group: string, { seq, confirmed }: Remembered): Promise<void> {
    const path = this.#path(group);
    const payload = confirmed && Buffer.from(encodeMessage(confirmed)).toString('base64');
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      const content = { v: 1, seq, ...(payload !== undefined && { confirmed: payload }) };
      await writePrivateFile(path, `${JSON.stringify(content)}\n`);
    } catch (cause) {
      throw new ChunkmeshError('E_STORE_IO', `${path}: ${systemCode(cause) ?? 'cannot be written'}`, { cause });
    }
  }

  #path(group: string): string {
    return join(this.#folder, `${group}.json`);
  }
}
