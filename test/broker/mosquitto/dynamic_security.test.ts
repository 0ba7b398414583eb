import { describe, expect, it } from 'vitest';
import {
  denyDifference,
  dynamicSecurityConfig,
  inMessages,
  kickCommands,
} from '../../../broker/mosquitto/dynamic_security.js';
import { MAX_MESSAGE_BYTES } from '../../../shared/limits.js';
import { identityOf } from '../../support/members.js';

const PREFIX = 'chunkmesh/plant';
const denied = (id: string, standing: 'revoked' | 'quarantined') => ({ identity: identityOf({ id }), standing });

describe('the dynamic-security plugin', () => {
  it('allows nobody anything by itself, and its administrator its own topic', () => {
    const config = JSON.parse(dynamicSecurityConfig({ username: 'operator' }));
    expect(new Set(Object.values(config.defaultACLAccess))).toEqual(new Set([false]));
    expect(config.clients).toEqual([{ username: 'operator', roles: [{ rolename: 'admin' }] }]);
    const topics = config.roles[0].acls.map(({ topic }: { topic: string }) => topic);
    expect(new Set(topics)).toEqual(new Set(['$CONTROL/dynamic-security/#']));
  });

  it('keeps of a password what does not tell it', () => {
    const text = dynamicSecurityConfig({ username: '$admin', password: 'secret' });
    expect(text).not.toContain('secret');
    expect(JSON.parse(text).clients[0]).toMatchObject({ iterations: 10_000, salt: expect.any(String) });
  });

  it('is told of many clients in messages that a broker takes', () => {
    const ids = Array.from({ length: 1000 }, (_, i) => `${i}`.padStart(64, 'd'));
    const messages = inMessages(kickCommands(ids));
    expect(messages.length).toBeGreaterThan(1);
    for (const message of messages) expect(message.length).toBeLessThan(MAX_MESSAGE_BYTES);
    expect(messages.flatMap((message) => JSON.parse(message).commands)).toHaveLength(3000);
  });
});

describe('P-14.9 what the plugin is told to deny', () => {
  it('is everything for who is revoked', () => {
    const commands = denyDifference(PREFIX, [denied('cam-1', 'revoked')], []);
    const acls = commands.find(({ command }) => command === 'createRole')?.acls as { allow: boolean; topic: string }[];
    expect(new Set(acls.map(({ allow, topic }) => `${topic} ${allow}`))).toEqual(new Set(['# false']));
    expect(commands.at(-2)).toEqual({ command: 'disableClient', username: 'cam-1' });
  });

  it('is all but the rows of the table for who is in quarantine', () => {
    const commands = denyDifference(PREFIX, [denied('cam-1', 'quarantined')], []);
    const acls = commands.find(({ command }) => command === 'createRole')?.acls as { allow: boolean; topic: string }[];
    expect(new Set(acls.filter(({ allow }) => allow).map(({ topic }) => topic))).toEqual(
      new Set(['status/cam-1', 'trust/cameras', 'command/cam-1', 'revoked'].map((rest) => `${PREFIX}/${rest}`)),
    );
  });

  it('is nothing new for who is denied already, and no more for who was restored; others are left alone', () => {
    const known = [
      { username: 'operator', roles: [{ rolename: 'admin' }] },
      { username: 'theirs' },
      { username: 'cam-1', roles: [{ rolename: 'chunkmesh-revoked' }] },
      { username: 'cam-2', roles: [{ rolename: 'chunkmesh-isolated-cam-2' }] },
    ];
    const commands = denyDifference(PREFIX, [denied('cam-1', 'revoked')], known);
    expect(commands).toEqual([
      { command: 'deleteClient', username: 'cam-2' },
      { command: 'deleteRole', rolename: 'chunkmesh-isolated-cam-2' },
    ]);
  });

  it('changes with the standing', () => {
    const known = [{ username: 'cam-1', roles: [{ rolename: 'chunkmesh-isolated-cam-1' }] }];
    expect(denyDifference(PREFIX, [denied('cam-1', 'revoked')], known)).not.toEqual([]);
  });
});
