import { chmod, chown, lstat, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { ChunkmeshError, systemCode } from '../../../shared/errors.js';

/** Where the alert socket lies: made so that nothing of anybody else is removed, and nobody but those it is for can open it. */

/** sun_path of unix(7), without its end. Node cuts what is longer without a word. */
const MAX_SOCKET_BYTES = 107;
/** Less what is appended while it is made. */
const MAX_PATH_BYTES = MAX_SOCKET_BYTES - '.XXXXXX/s'.length;
const OWNER_ONLY = 0o600;
const WITH_GROUP = 0o660;

/** @throws E_CONFIG */
export function checkPath(path: string): void {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES || path.includes('\0')) {
    throw new ChunkmeshError('E_CONFIG', `alerts: the path of a socket has at most ${MAX_PATH_BYTES} bytes`);
  }
}

/**
 * Listens there. What a dead agent left is replaced; a socket that somebody answers on, a file, a link or a folder is not.
 * @param group id of those who may write to it beside the owner
 * @throws E_SOCKET
 */
export async function listenAt(server: Server, path: string, group?: number): Promise<void> {
  const refuse = (why: string, cause?: unknown): ChunkmeshError =>
    new ChunkmeshError('E_SOCKET', `${path} ${why}`, { cause });
  const there = await lstat(path).catch((cause: unknown) => {
    if (systemCode(cause) === 'ENOENT') return undefined;
    throw refuse(`cannot be looked at: ${systemCode(cause) ?? 'it failed'}`, cause);
  });
  if (there !== undefined && !there.isSocket()) throw refuse('is there already, and is no socket');
  if (there !== undefined && (await answers(path))) throw refuse('is in use by another process');
  let folder: string | undefined;
  try {
    // Made in a folder that nobody else may enter, so that it is nobody else's before its mode is right, and takes the place of the old one at once.
    folder = await mkdtemp(`${path}.`);
    const made = join(folder, 's');
    await listening(server, made);
    await chmod(made, OWNER_ONLY);
    if (group !== undefined) {
      await chown(made, -1, group);
      await chmod(made, WITH_GROUP);
    }
    await rename(made, path);
  } catch (cause) {
    server.close();
    if (cause instanceof ChunkmeshError) throw cause;
    throw refuse(`cannot be made in ${dirname(path)}: ${systemCode(cause) ?? 'it failed'}`, cause);
  } finally {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true }).catch(() => {});
  }
}

/** The inode of the socket, by which `removeOwn` knows it. */
export async function inodeOf(path: string): Promise<bigint | undefined> {
  return (await lstat(path, { bigint: true }).catch(() => undefined))?.ino;
}

/** What another put there meanwhile stays. */
export async function removeOwn(path: string, inode: bigint | undefined): Promise<void> {
  if (inode !== undefined && (await inodeOf(path)) === inode) await rm(path, { force: true }).catch(() => {});
}

/** The id of a group by its name or its number. @throws E_CONFIG */
export async function groupId(group: string): Promise<number> {
  if (/^\d{1,10}$/.test(group)) return Number(group);
  const text = await readFile('/etc/group', 'utf8').catch(() => '');
  for (const line of text.split('\n')) {
    const [name, , id] = line.split(':');
    if (name === group && /^\d{1,10}$/.test(id ?? '')) return Number(id);
  }
  throw new ChunkmeshError('E_CONFIG', `alertsGroup: ${JSON.stringify(group.slice(0, 80))} is no group of /etc/group`);
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Whether somebody listens. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    // A full queue of those who wait is a sign of life.
    socket.once('error', (error) => resolve(systemCode(error) === 'EAGAIN'));
  });
}
