import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { fleetFileVersion } from '../fleet/fleet_file.js';

/** A mosquitto that this process did not start reads its access list when it is told to (mosquitto(8), SIGHUP). */

/** How long a new member waits to be let in, at most, and what many at once are told of together. */
const LOOK_MS = 500;
const COMMAND_TIMEOUT_MS = 20_000;

/** One or both: the file that has the broker's process id, a command for the shell. */
export interface ReloadOptions {
  readonly pidFile?: string;
  readonly command?: string;
}

/** @throws E_FILE_UNREADABLE, E_CONFIG where there is no process id in the file, E_BROKER_START where nobody is told */
export async function tellToReload({ pidFile, command }: ReloadOptions): Promise<void> {
  if (pidFile !== undefined) hangUp(await readPid(pidFile), pidFile);
  if (command === undefined) return;
  try {
    await promisify(execFile)('/bin/sh', ['-c', command], { timeout: COMMAND_TIMEOUT_MS });
  } catch (cause) {
    throw new ChunkmeshError('E_BROKER_START', `the command that has the broker reload failed: ${command}`, { cause });
  }
}

async function readPid(path: string): Promise<number> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${path}: ${systemCode(cause) ?? 'cannot be read'}`, { cause });
  }
  const digits = text.trim();
  if (/^[1-9][0-9]{0,9}$/.test(digits) && digits !== '1') return Number(digits);
  throw new ChunkmeshError('E_CONFIG', `${path} has no process id`);
}

function hangUp(pid: number, path: string): void {
  try {
    process.kill(pid, 'SIGHUP');
  } catch (cause) {
    throw new ChunkmeshError('E_BROKER_START', `process ${pid} of ${path}: ${systemCode(cause) ?? ''}`, { cause });
  }
}

/** Has the broker reload whenever the roster was changed, by whomever. */
export class RosterFollower {
  readonly #folder: string;
  readonly #options: ReloadOptions;
  readonly #failed: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #version = '';

  /** @param failed is told once for each roster of which the broker could not be told; it is tried again. */
  constructor(folder: string, options: ReloadOptions, failed: (error: unknown) => void) {
    this.#folder = folder;
    this.#options = options;
    this.#failed = failed;
  }

  /** Tells it once at the start: nobody knows what it has read. */
  start(): void {
    let toldOf = '';
    const look = async (): Promise<void> => {
      const version = await fleetFileVersion(this.#folder);
      if (version === this.#version) return;
      try {
        await tellToReload(this.#options);
        this.#version = version;
      } catch (error) {
        if (toldOf !== version) this.#failed(error);
        toldOf = version;
      }
    };
    const again = (): void => {
      look()
        .catch(this.#failed)
        .finally(() => {
          this.#timer = this.#timer && setTimeout(again, LOOK_MS);
        });
    };
    this.#timer = setTimeout(again, 0);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
