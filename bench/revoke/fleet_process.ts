import { Agent } from '../../agent/agent.js';
import { Transfer } from '../../agent/transfer/transfer.js';

/** Some agents of a fleet in a process of their own: it tells its parent when which of them knew of a revocation, and what they did. */

export interface Orders {
  readonly broker: string;
  /** Who is thrown out, here or in another process. */
  readonly victim: string;
  readonly members: readonly { readonly bundle: string; readonly store: string; readonly seeds?: readonly string[] }[];
  readonly downRate: number;
}

/** Epoch ms. */
export type Event =
  | { readonly kind: 'online' | 'told' | 'closed' | 'cut' | 'refused'; readonly at: number }
  | { readonly kind: 'peers'; readonly least: number; readonly victim: number };

const POLL_MS = 250;
const now = (): number => performance.timeOrigin + performance.now();
const say = (event: Event): void => void process.send?.(event);

function watch(victim: string): void {
  const { dropRevoked } = Transfer.prototype;
  Transfer.prototype.dropRevoked = function (isNamed): void {
    const had = this.sessionSince(victim) !== undefined;
    dropRevoked.call(this, isNamed);
    say({ kind: 'told', at: now() });
    if (had && this.sessionSince(victim) === undefined) say({ kind: 'closed', at: now() });
  };
}

process.once('message', async ({ broker, victim, members, downRate }: Orders) => {
  watch(victim);
  const agents = members.map(({ bundle, store, seeds }) => {
    const agent = new Agent({
      ...{ credential: bundle, store, broker, joinWindowMs: 1000, listen: { host: '127.0.0.1' } },
      ...(seeds === undefined ? { limits: { downRate } } : { seeds: [...seeds] }),
    });
    agent.once('online', () => say({ kind: 'online', at: now() }));
    agent.on('warning', ({ code }) => {
      if (code === 'E_BROKER_REFUSED' && bundle.endsWith(`/${victim}.json`)) say({ kind: 'refused', at: now() });
    });
    agent.on('offline', () => {
      if (bundle.endsWith(`/${victim}.json`)) say({ kind: 'cut', at: now() });
    });
    return { agent, isVictim: bundle.endsWith(`/${victim}.json`) };
  });
  for (const { agent } of agents) await agent.start();
  setInterval(() => {
    const peers = agents.map(({ agent }) => agent.status().peers);
    const mine = agents.find(({ isVictim }) => isVictim);
    say({ kind: 'peers', least: Math.min(...peers), victim: mine?.agent.status().peers ?? -1 });
  }, POLL_MS);
});
process.on('disconnect', () => process.exit());
