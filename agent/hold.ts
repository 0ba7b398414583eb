import { isId } from '../shared/control/ids.js';
import { ChunkmeshError } from '../shared/errors.js';
import { MAX_GROUPS, MAX_ROLLOUTS } from '../shared/limits.js';

/** Which rollouts a device's owner holds back (P-10.10). */

/** As many as a device can have: more make no sense. */
const MAX_NAMES = MAX_GROUPS * MAX_ROLLOUTS;
const ALL = 'all';

export class Hold {
  /** Null for every name. */
  readonly #names: ReadonlySet<string> | null;

  /**
   * @param text names of rollouts with commas between, or `all`; undefined for none.
   * @throws E_CONFIG
   */
  constructor(text: string | undefined) {
    const names = text === undefined ? [] : text.split(',').map((part) => part.trim());
    if (names.length > MAX_NAMES) throw new ChunkmeshError('E_CONFIG', `hold: more than ${MAX_NAMES} names`);
    // `ALL`, or `all` among others, is a slip of who wants every rollout held, and must not hold none.
    const meansAll = (name: string): boolean => name.toLowerCase() === ALL;
    const slip = text === ALL ? undefined : names.find(meansAll);
    if (slip !== undefined) throw new ChunkmeshError('E_CONFIG', `hold: to hold every rollout write just ${ALL}`);
    const wrong = names.find((name) => !isId(name));
    if (wrong !== undefined) {
      const shown = JSON.stringify(wrong.slice(0, 40));
      throw new ChunkmeshError(
        'E_CONFIG',
        `hold: ${shown} is no name of a rollout: write names with commas, or ${ALL}`,
      );
    }
    this.#names = names.includes(ALL) ? null : new Set(names);
  }

  /** @param name of a rollout */
  covers(name: string): boolean {
    return this.#names?.has(name) ?? true;
  }
}
