import { type Action, allowedFilters, covers, type Identity, isFilter, isTopic } from '../../shared/control/topics.js';

/** What one client may do (P-2.2, P-2.3), its filters bound once: the table itself is in shared/control/topics.ts. */
export class AccessList {
  readonly identity: Identity;
  readonly #allowed: Readonly<Record<Action, readonly string[]>>;

  /** @param isolated P-14.9 */
  constructor(prefix: string, identity: Identity, isolated = false) {
    this.identity = identity;
    this.#allowed = {
      publish: allowedFilters(prefix, identity, 'publish', isolated),
      subscribe: allowedFilters(prefix, identity, 'subscribe', isolated),
    };
  }

  /**
   * Whether the client may publish on the topic `name`, or subscribe the filter `name`. What may be subscribed may be received, so
   * `subscribe` with a topic answers for a delivery.
   */
  decide(action: Action, name: string): boolean {
    const wellFormed = action === 'publish' ? isTopic(name) : isFilter(name);
    return wellFormed && this.#allowed[action].some((allowed) => covers(allowed, name));
  }
}
