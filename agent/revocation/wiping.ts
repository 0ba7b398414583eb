import { dirname, resolve } from 'node:path';
import type { StatusMessage } from '../../shared/control/messages.js';
import { asError, ChunkmeshError } from '../../shared/errors.js';
import { type Credential, readBundleText } from '../../shared/identity/bundle.js';
import { isCredential } from '../../shared/identity/keys/key_reference.js';
import { ControlLink } from '../../shared/mqtt/control_link.js';
import { VERSION } from '../../shared/version.js';
import { sealStatus } from '../control.js';
import { openCredential } from '../enrolment/kept_certificate.js';
import { pendingKeyFiles } from '../enrolment/key_file.js';
import { openHint } from '../io/store/disk.js';
import { StoreLock } from '../io/store/lock.js';
import { destroyFile, readWipeNote, removeWipeNote, type WipeNote, wipeData, writeWipeNote } from '../io/wipe.js';
import type { AgentOptions } from '../options.js';
import { type KeyPlaces, keyPlaces } from './key_places.js';

/** A wipe from its first step to its last (P-14.8): note, data, the last word, the keys. */

/** What the broker, which ends the connection of who is on a new list, gets to take the last word: without it the operator waits in vain, and the key goes all the same. */
export const LAST_WORD_MS = 10_000;

type Wiped = Pick<AgentOptions, 'credential' | 'store' | 'broker'>;

const NOTHING: KeyPlaces = { files: [], elsewhere: [] };

/** By what a note knows whom it is about. A renewed certificate may have been in the store alone, and the bundle have the one before. */
const wiped = ({ key, notBefore }: Credential): Pick<WipeNote, 'key' | 'notBefore'> => ({
  key: Buffer.from(key.publicKey).toString('hex'),
  notBefore: Math.floor(notBefore),
});

/** Whether it was enrolled anew since. */
const isAnother = (credential: Credential, note: WipeNote): boolean =>
  wiped(credential).key !== note.key || credential.notBefore > note.notBefore;

const wipedError = (store: string, left: readonly string[]): ChunkmeshError =>
  new ChunkmeshError(
    'E_WIPED',
    left.length === 0 ? `${store} was wiped` : `${store} was wiped; take away by hand: ${left.join(', ')}`,
  );

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

/**
 * The keys last: one of them signs the last word. Of a credential that was loaded by its owner, the owner has it.
 * @returns what is left of them, in words
 * @throws E_STORE_IO, E_DISK_FULL
 */
async function endWipe({ credential: given, store }: Wiped, note: Omit<WipeNote, 'v'>): Promise<string[]> {
  // What lies where the bundle was, once all was done, is not of this wipe.
  const { files, elsewhere } = note.done || typeof given !== 'string' ? NOTHING : await placesOf(given);
  const left: string[] = [];
  for (const file of new Set([...note.left, ...files])) await destroyFile(file).catch(() => left.push(file));
  await writeWipeNote(resolve(store), { ...note, done: true, left });
  return [...left, ...elsewhere];
}

/** The bundle is the last of the files: as long as it is there it names the others. */
async function placesOf(given: string): Promise<KeyPlaces> {
  if (!isCredential(given)) {
    const path = resolve(given);
    const { files, elsewhere } = keyPlaces(await textOf(path), dirname(path));
    const pending = await pendingKeyFiles(path).catch(() => []);
    return { files: [...files, ...pending, path], elsewhere };
  }
  const bundle = await readBundleText(given).catch(() => null);
  const { files, elsewhere } = bundle === null ? NOTHING : keyPlaces(bundle.text, dirname(bundle.file));
  return { files, elsewhere: [...elsewhere, `the systemd ${given.replace(':', ' ')}`] };
}

/** Whoever may read it by now: it is to be gone. */
async function textOf(bundle: string): Promise<string> {
  const file = await openHint(bundle);
  if (file === undefined) return '';
  try {
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

/**
 * Of an agent that runs. What it takes away, no part of the agent may be at any more; `stop` calls `wipeStore` before the last word.
 * Never throws: what could not be done is done at the next start. Warns of what is left that it cannot take away.
 * @returns whether it came to its end
 */
export async function wipe(
  options: Wiped,
  credential: Credential | undefined,
  agent: { stop(): Promise<void>; warn(error: ChunkmeshError): void },
): Promise<boolean> {
  if (credential === undefined) return false;
  const warn = (error: unknown): void => agent.warn(asError(error, 'the wipe'));
  try {
    const note = { ...wiped(credential), done: false, left: [] };
    await writeWipeNote(resolve(options.store), note);
    await agent.stop().catch(warn);
    await wipeStore(options);
    const left = await endWipe(options, note);
    if (left.length > 0) warn(wipedError(resolve(options.store), left));
    return true;
  } catch (error) {
    warn(error);
    return false;
  }
}

/**
 * At a start, before anything else: ends a wipe that was cut short.
 * @throws E_WIPED where this device was wiped, with what is left of its keys; E_STORE_*
 */
export async function resumeWipe(options: Wiped): Promise<void> {
  const store = resolve(options.store);
  const note = await readWipeNote(store);
  if (note === undefined) return;
  const lock = await StoreLock.take(store);
  const credential = await credentialOf(options);
  let left: readonly string[] = [];
  try {
    if (!note.done) await wipeData(store);
    if (credential !== null && isAnother(credential, note)) {
      await removeWipeNote(store);
      return;
    }
    if (!note.done && credential !== null) await sayLastWord(options, credential);
    if (!note.done || note.left.length > 0) left = await endWipe(options, note);
  } finally {
    if (typeof options.credential === 'string') credential?.key.close();
    await lock.release();
  }
  throw wipedError(store, left);
}

/** Null where it is gone, or was half written over. */
async function credentialOf({ credential }: Wiped): Promise<Credential | null> {
  if (typeof credential !== 'string') return credential;
  const opened = await openCredential(credential, Date.now() / 1000).catch(() => null);
  return opened?.credential ?? null;
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
