import { randomBytes } from 'node:crypto';
import type { Candidate } from '../shared/control/messages.js';
import { MAX_DATAGRAM_BYTES } from '../shared/limits.js';
import { usableCandidates } from './io/candidates.js';
import type { Endpoint } from './io/endpoint.js';
import type { AgreedSession } from './negotiation.js';
import { shareSubnet } from './swarm/peer_choice.js';
import type { Throttle } from './throttle.js';
import type { Transfer } from './transfer/transfer.js';
import { Session } from './transport/session.js';

/** Where fragments go unseen, nothing above what Ethernet carries under IPv6 is tried. */
const ETHERNET_DATAGRAM_BYTES = 1452;
/** P-7: a PING's token. */
const TOKEN_BYTES = 8;

/** What sessions run on. */
export interface Ground {
  readonly endpoint: Endpoint;
  readonly throttle: Throttle;
}

/** Begins a session that was agreed: the transfer feeds it, the endpoint drives it. @param now monotonic ms */
export function beginSession(ground: Ground, transfer: Transfer, session: AgreedSession, now: number): void {
  const { endpoint, throttle } = ground;
  const { peer, candidates, ...agreed } = session;
  const usable = usableCandidates(candidates, endpoint.candidates);
  const hosts = (of: readonly Candidate[]): string[] => of.map(([host]) => host);
  const subnet = shareSubnet(hosts(endpoint.candidates), hosts(usable));
  const connected = transfer.connect({ ...peer, subnet }, (events) => {
    return new Session({
      ...agreed,
      ...throttle.sessionOptions(now, peer.device, transfer.urgent, transfer.emergency),
      now,
      chunkCount: transfer.rollout.chunks,
      candidates: usable.length,
      maxDatagramBytes: endpoint.seesFragments ? MAX_DATAGRAM_BYTES : ETHERNET_DATAGRAM_BYTES,
      fragmentsAreSeen: endpoint.seesFragments,
      token: () => new Uint8Array(randomBytes(TOKEN_BYTES)),
      events,
    });
  });
  if (!transfer.emergency) throttle.watch(now, peer.device, connected.session);
  endpoint.attach(agreed.localId, connected.session, usable, connected.pump);
}
