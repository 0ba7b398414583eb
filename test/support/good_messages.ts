import { encodeMap } from '../../shared/control/message_pack.js';
import { decodeMessage, type MessageType } from '../../shared/control/messages.js';
import { codeOf } from './members.js';
import { messageVectors } from './vectors.js';

/** One good message of every type, and what becomes of it when a field is changed. */

export type Fields = Record<string, unknown>;

export const TYPES: readonly MessageType[] = [
  ...(['trust', 'have', 'offer', 'answer', 'status', 'command', 'revoked', 'enroll', 'enrolled'] as const),
];
export const REFUSED = 'E_MESSAGE_MALFORMED';

function golden(name: string): Fields {
  const vector = messageVectors.find((entry) => entry.name === name);
  if (vector === undefined) throw new Error(`no vector ${name}`);
  return { ...vector.message };
}

export const GOOD: Record<MessageType, Fields> = {
  trust: golden('trust of a bundle of one file'),
  have: golden('have, 9 chunks, some held'),
  offer: golden('offer of two candidates'),
  answer: golden('answer'),
  status: golden('status of a transfer, more than 32 bits of bytes from peers'),
  enroll: golden('enroll of cam-1, whose key has the seed of RFC 8032 test 1'),
  enrolled: golden('enrolled with a certificate'),
  command: golden('command that acknowledges alerts'),
  revoked: golden('revoked: two devices, one in quarantine, one to be wiped'),
};
export const verdict = (type: MessageType, fields: Fields): string =>
  codeOf(() => decodeMessage(type, encodeMap(fields)));
export const changed = (type: MessageType, over: Fields): string => verdict(type, { ...GOOD[type], ...over });

/** The first rollout of a status message, changed. */
export function changedRollout(over: Fields): string {
  const { rollouts } = GOOD.status;
  const first = Array.isArray(rollouts) ? rollouts[0] : {};
  return changed('status', { rollouts: [{ ...first, ...over }] });
}
