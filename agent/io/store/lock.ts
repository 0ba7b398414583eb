import { stat } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { ChunkmeshError, systemCode } from '../../../shared/errors.js';
import { storeError } from './store_error.js';

/**
 * One agent per store: an abstract unix socket named after the store folder's device and inode. The kernel frees it with
 * the process, however that dies, so that no stale lock can be left behind and nothing needs to be cleaned up.
 *
 * The limit: abstract names belong to a network namespace (unix(7)), so two agents in two containers with networks of their
 * own, on one store folder, do not see each other's lock. And any local user may take the name first, which keeps the
 * agent from starting and gives nothing else.
 */
export class StoreLock {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @throws ChunkmeshError E_STORE_LOCKED where another agent has the store; E_STORE_IO. */
  static async take(dir: string): Promise<StoreLock> {
    const { dev, ino } = await stat(dir, { bigint: true }).catch((error: unknown) => {
      throw storeError(error, dir);
    });
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => {
        reject(
          systemCode(cause) === 'EADDRINUSE'
            ? new ChunkmeshError('E_STORE_LOCKED', `${dir} is used by another agent`, { cause })
            : storeError(cause, `lock of ${dir}`),
        );
      });
      server.listen(`\0chunkmesh/store/${dev}:${ino}`, resolve);
    });
    // The lock lives as long as the process, and must not be what keeps it alive.
    server.unref();
    // Nothing is served on it, so that a failed accept is nobody's concern.
    server.on('error', () => undefined);
    return new StoreLock(server);
  }

  async release(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }
}
