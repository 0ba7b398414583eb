import { describe, expect, it } from 'vitest';
import { openCommand } from '../../agent/commands.js';
import type { CommandMessage } from '../../shared/control/messages.js';
import { topics } from '../../shared/control/topics.js';
import { codeOf, Issuer, NOW, opened, PREFIX } from '../support/members.js';

const fleet = await Issuer.authority();
const operator = await fleet.member({ id: 'operator', role: 'operator' });
const topic = topics.command(PREFIX, 'cam-1');
const good: CommandMessage = { t: 'command', v: 1, do: 'acknowledge', upto: 3, at: NOW, expires: NOW + 600 };

const verdict = (over: Partial<CommandMessage>, now = NOW): string =>
  codeOf(() => openCommand(opened(fleet, operator, topic, { ...good, ...over }, NOW), at(now)));

const at = (seconds: number, believed = true) => ({ now: () => seconds, believed });

describe('P-4.8: a command', () => {
  it('of an operator is taken until it expires', () => {
    expect(openCommand(opened(fleet, operator, topic, good), at(NOW + 600))).toEqual(good);
    expect(verdict({}, NOW + 601)).toBe('E_MESSAGE_TIME');
  });

  it('from the future, or good for longer than ten minutes, is refused', () => {
    expect(verdict({ at: NOW + 301, expires: NOW + 302 })).toBe('E_MESSAGE_TIME');
    expect(verdict({ expires: NOW + 601 })).toBe('E_MESSAGE_MALFORMED');
    expect(verdict({ expires: NOW - 1 })).toBe('E_MESSAGE_MALFORMED');
  });

  it.each(['device', 'seed', 'publisher', 'auditor'] as const)('of a %s is refused (P-2.2)', async (role) => {
    const other = await fleet.member({ id: 'cam-1', role });
    expect(codeOf(() => openCommand(opened(fleet, other, topic, good), at(NOW)))).toBe('E_MESSAGE_UNTRUSTED');
    const { signer: _, ...rest } = opened(fleet, operator, topic, good);
    const signer = { ...opened(fleet, operator, topic, good).signer, identity: other.identity };
    expect(codeOf(() => openCommand({ ...rest, signer }, at(NOW)))).toBe('E_MESSAGE_UNTRUSTED');
  });

  it('of another version, to do another thing, or without numbers is refused', () => {
    for (const bad of [{ do: 'dance' }, { v: 2 }, { upto: -1 }, { from: 'x' }]) {
      expect(verdict(bad as unknown as Partial<CommandMessage>)).toBe('E_MESSAGE_MALFORMED');
    }
  });
});
