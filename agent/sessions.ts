import { randomBytes } from 'node:crypto';
import { usableCandidates } from './io/candidates.js';
import type { Endpoint } from './io/endpoint.js';
import type { AgreedSession } from './negotiation.js';
import type { Transfer } from './transfer/transfer.js';
import { Session } from './transport/session.js';

/** P-7: a PING's token. */
const TOKEN_BYTES = 8;

/** Begins a session that was agreed: the transfer feeds it, the endpoint drives it. @param now monotonic ms */
export function beginSession(endpoint: Endpoint, transfer: Transfer, session: AgreedSession, now: number): void {
  const { peer, candidates, ...agreed } = session;
  const usable = usableCandidates(candidates, endpoint.candidates);
  const connected = transfer.connect(peer, (events) => {
    return new Session({
      ...agreed,
      now,
      chunkCount: transfer.rollout.chunks,
      candidates: usable.length,
      token: () => new Uint8Array(randomBytes(TOKEN_BYTES)),
      events,
    });
  });
  endpoint.attach(agreed.localId, connected.session, usable, connected.pump);
}
