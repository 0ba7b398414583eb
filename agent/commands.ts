import { checkNotFromFuture, type Opened } from '../shared/control/envelope.js';
import { type CommandMessage, decodeMessage } from '../shared/control/messages.js';
import { ChunkmeshError } from '../shared/errors.js';
import { type FleetClock, ownTime } from './clock.js';

/** P-4.8: what an operator tells this device to do. The envelope was checked: it is of who may publish on the device's own topic. */

/**
 * @throws E_MESSAGE_UNTRUSTED, E_MESSAGE_MALFORMED, E_MESSAGE_TIME
 */
export function openCommand({ signer, payload }: Opened, clock: FleetClock): CommandMessage {
  // P-2.2 as well: the table lets nobody else publish there.
  if (signer.identity.role !== 'operator') {
    throw new ChunkmeshError(
      'E_MESSAGE_UNTRUSTED',
      `${signer.identity.id} is a ${signer.identity.role}, not an operator (P-4.8)`,
    );
  }
  const command = decodeMessage('command', payload);
  const now = ownTime(clock);
  // P-3.6: a clock that is known to be behind says nothing of what is ahead of it.
  if (clock.believed) checkNotFromFuture(command.at, now);
  if (now > command.expires) {
    throw new ChunkmeshError(
      'E_MESSAGE_TIME',
      `command of ${signer.identity.id} expired ${now - command.expires} s ago (P-4.8)`,
    );
  }
  return command;
}
