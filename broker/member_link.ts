import { once } from 'node:events';
import type { Credential } from '../shared/identity/bundle.js';
import { ControlLink } from '../shared/mqtt/control_link.js';

/** An operator's or a publisher's connection. Unlike a device, a person is told at the first attempt that the broker is down. */

const CONNECT_TIMEOUT_MS = 15_000;

/** @throws E_BROKER_UNREACHABLE, E_BROKER_REFUSED */
export async function connectMember(credential: Credential, broker?: string): Promise<ControlLink> {
  const link = new ControlLink(credential, broker === undefined ? {} : { broker });
  const done = new AbortController();
  const failed = once(link, 'failure', { signal: done.signal }).then(([error]) => {
    throw error;
  });
  failed.catch(() => {});
  try {
    await Promise.race([link.waitOnline(CONNECT_TIMEOUT_MS), failed]);
    return link;
  } catch (error) {
    await link.close();
    throw error;
  } finally {
    done.abort();
  }
}
