import { stat } from 'node:fs/promises';
import { ChunkmeshError } from '../../../shared/errors.js';

const GROUP_OR_OTHERS_WRITE = 0o022;
const ROOT = 0;

/**
 * Who may write where the store keeps its files can make links there that lead the agent's writes elsewhere, and take back what it
 * remembers of trust messages (P-12.5).
 * @throws ChunkmeshError E_STORE_MODE
 */
export async function checkPrivate(folder: string): Promise<void> {
  const { mode, uid } = await stat(folder);
  if ((mode & GROUP_OR_OTHERS_WRITE) !== 0) {
    throw new ChunkmeshError(
      'E_STORE_MODE',
      `${folder} has mode ${(mode & 0o7777).toString(8)}; others may write there`,
    );
  }
  if (uid !== process.geteuid?.() && uid !== ROOT) {
    throw new ChunkmeshError('E_STORE_MODE', `${folder} belongs to user ${uid}, not to the one that runs the agent`);
  }
}
