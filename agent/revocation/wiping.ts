import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import type { StatusMessage } from '../../shared/control/messages.js';
import { asError, ChunkmeshError } from '../../shared/errors.js';
import { type Credential, loadCredential } from '../../shared/identity/bundle.js';
import { ControlLink } from '../../shared/mqtt/control_link.js';
import { VERSION } from '../../shared/version.js';
import { sealStatus } from '../control.js';
import { StoreLock } from '../io/store/lock.js';
import { destroyFile, readWipeNote, removeWipeNote, wipeData, writeWipeNote } from '../io/wipe.js';
import type { AgentOptions } from '../options.js';

/** A wipe from its first step to its last (P-14.8): note, data, the last word, the key. */

/** What the broker, which ends the connection of who is on a new list, gets to take the last word: without it the operator waits in vain, and the key goes all the same. */
export const LAST_WORD_MS = 10_000;

type Wiped = Pick<AgentOptions, 'credential' | 'store' | 'broker'>;

const fingerprintOf = ({ certificateDer }: Credential): string =>
  createHash('sha256').update(certificateDer).digest('hex');

const wipedError = (store: string): ChunkmeshError => new ChunkmeshError('E_WIPED', `${store} was wiped`);

/** P-14.8: says that nothing is left. */
export function wipedStatus(at: number, revoked?: number): StatusMessage {
  return {
    ...{ t: 'status', at, online: false, agent: VERSION, peers: 0, rollouts: [] },
    ...(revoked !== undefined && { revoked }),
    ...{ standing: 'wiped', wiped: true },
  };
}

/** @throws E_STORE_IO */
export function wipeStore({ store }: Wiped): Promise<void> {
  return wipeData(resolve(store));
}

/** The key last: it signs the last word. Of a credential that was loaded by its owner, the owner has it. @throws E_STORE_IO, E_DISK_FULL */
async function endWipe({ credential: given, store }: Wiped, certificate: string): Promise<void> {
  if (typeof given === 'string') await destroyFile(given);
  await writeWipeNote(resolve(store), { certificate, done: true });
}

/**
 * Of an agent that runs. What it takes away, no part of the agent may be at any more; `stop` calls `wipeStore` before the last word.
 * Never throws: what could not be done is done at the next start.
 * @returns whether nothing is left
 */
export async function wipe(
  options: Wiped,
  credential: Credential | undefined,
  agent: { stop(): Promise<void>; warn(error: ChunkmeshError): void },
): Promise<boolean> {
  if (credential === undefined) return false;
  const warn = (error: unknown): void => agent.warn(asError(error, 'the wipe'));
  try {
    const certificate = fingerprintOf(credential);
    await writeWipeNote(resolve(options.store), { certificate, done: false });
    await agent.stop().catch(warn);
    await wipeStore(options);
    await endWipe(options, certificate);
    return true;
  } catch (error) {
    warn(error);
    return false;
  }
}

/**
 * At a start, before anything else: ends a wipe that was cut short.
 * @throws E_WIPED where this device was wiped; E_STORE_*
 */
export async function resumeWipe(options: Wiped): Promise<void> {
  const store = resolve(options.store);
  const note = await readWipeNote(store);
  if (note === undefined) return;
  const lock = await StoreLock.take(store);
  try {
    if (!note.done) await wipeData(store);
    const credential = await credentialOf(options);
    if (credential !== null && fingerprintOf(credential) !== note.certificate) {
      await removeWipeNote(store);
      return;
    }
    if (!note.done) {
      if (credential !== null) await sayLastWord(options, credential);
      await endWipe(options, note.certificate);
    }
  } finally {
    await lock.release();
  }
  throw wipedError(store);
}

/** Null where it is gone, or was half written over. */
async function credentialOf({ credential }: Wiped): Promise<Credential | null> {
  if (typeof credential !== 'string') return credential;
  return loadCredential(credential).catch(() => null);
}

async function sayLastWord({ broker }: Wiped, credential: Credential): Promise<void> {
  const link = new ControlLink(credential, broker === undefined ? {} : { broker });
  link.on('failure', () => {});
  try {
    const { topic, payload } = sealStatus(credential, wipedStatus(Math.floor(Date.now() / 1000)));
    await link.publishConfirmed(topic, payload, { qos: 1, retain: true }, LAST_WORD_MS).catch(() => {});
  } finally {
    await link.close();
  }
}
