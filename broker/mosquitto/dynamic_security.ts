import { pbkdf2Sync, randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { Standing } from '../../shared/control/revocation.js';
import { allowedFilters, type Identity } from '../../shared/control/topics.js';
import { ChunkmeshError } from '../../shared/errors.js';
import type { ControlLink } from '../../shared/mqtt/control_link.js';
import { readFleetFile } from '../fleet/fleet_file.js';
import { type Register, standingIn } from '../revocation/register.js';

/**
 * Mosquitto's dynamic-security plugin, by its own topic. Beside an `acl_file`, with every default at false, it leaves to that file what
 * none of its roles says; what it adds is that it ends connections. A client that came by certificate it does not refuse when it comes
 * again: that is the CRL's to do.
 */

const PLUGIN = 'mosquitto_dynamic_security.so';
export const CONTROL_TOPIC = '$CONTROL/dynamic-security/v1';
const RESPONSE_TOPIC = `${CONTROL_TOPIC}/response`;
const ANSWER_MS = 5_000;
/** A command is some hundred bytes, and a message has at most 128 KiB. */
const MAX_COMMANDS = 100;
const ITERATIONS = 10_000;
const REVOKED_ROLE = 'chunkmesh-revoked';
const ISOLATED_ROLE = 'chunkmesh-isolated-';

export type Command = Readonly<Record<string, unknown>>;

/** Where the plugin is installed, or null. */
export function findDynamicSecurity(root = '/usr/lib'): string | null {
  const folders = [
    root,
    ...(existsSync(root) ? readdirSync(root).map((name) => join(root, name)) : []),
    '/usr/local/lib',
  ];
  return folders.map((folder) => join(folder, PLUGIN)).find((path) => existsSync(path)) ?? null;
}

/** Without a password: who comes by a certificate of that name. */
export interface Administrator {
  readonly username: string;
  readonly password?: string;
  /** What it may publish and read besides the plugin's own topic. */
  readonly topics?: readonly string[];
}

/** The plugin's file, as it is before the first change: nobody is in it but who may change it. */
export function dynamicSecurityConfig({ username, password, topics = [] }: Administrator): string {
  const own = [`${CONTROL_TOPIC.split('/').slice(0, 2).join('/')}/#`, ...topics];
  const salt = randomBytes(12);
  const hash = password === undefined ? undefined : pbkdf2Sync(password, salt, ITERATIONS, 64, 'sha512');
  const kinds = ['publishClientSend', 'publishClientReceive', 'subscribePattern'];
  const acls = kinds.flatMap((acltype) => own.map((topic) => ({ acltype, topic, priority: 0, allow: true })));
  const client = {
    username,
    ...(hash && { password: hash.toString('base64'), salt: salt.toString('base64'), iterations: ITERATIONS }),
    roles: [{ rolename: 'admin' }],
  };
  const none = { publishClientSend: false, publishClientReceive: false, subscribe: false, unsubscribe: false };
  const config = { defaultACLAccess: none, clients: [client], roles: [{ rolename: 'admin', acls }] };
  return `${JSON.stringify(config, null, 2)}\n`;
}

/** Ends the connections of the clients. One that the plugin knows is disabled; so it is made known for a moment. */
export function kickCommands(ids: readonly string[]): Command[] {
  return ids.flatMap((username) => [
    { command: 'createClient', username },
    { command: 'disableClient', username },
    { command: 'deleteClient', username },
  ]);
}

/** As messages of the plugin's topic. */
export function inMessages(commands: readonly Command[]): string[] {
  const messages: string[] = [];
  for (let at = 0; at < commands.length; at += MAX_COMMANDS) {
    messages.push(JSON.stringify({ commands: commands.slice(at, at + MAX_COMMANDS) }));
  }
  return messages;
}

interface Denied {
  readonly identity: Identity;
  readonly standing: Exclude<Standing, 'good'>;
}

const roleOf = ({ identity, standing }: Denied): string =>
  standing === 'revoked' ? REVOKED_ROLE : `${ISOLATED_ROLE}${identity.id}`;

/** Denies everything (P-14.9), or all but what an isolated member may do, and ends the connection. */
export function denyCommands(prefix: string, denied: Denied): Command[] {
  const { identity, standing } = denied;
  const [username, rolename] = [identity.id, roleOf(denied)];
  const may = (action: 'publish' | 'subscribe'): string[] =>
    standing === 'revoked' ? [] : allowedFilters(prefix, identity, action, true);
  const acl = (acltype: string, topic: string, allow: boolean): object => ({
    ...{ acltype, topic, allow },
    priority: allow ? 2 : 1,
  });
  const acls = [
    ...may('publish').map((topic) => acl('publishClientSend', topic, true)),
    ...may('subscribe').flatMap((topic) => [
      acl('publishClientReceive', topic, true),
      acl('subscribePattern', topic, true),
    ]),
    ...['publishClientSend', 'publishClientReceive', 'subscribePattern'].map((type) => acl(type, '#', false)),
  ];
  return [
    { command: 'deleteClient', username },
    { command: 'deleteRole', rolename: `${ISOLATED_ROLE}${username}` },
    { command: 'createRole', rolename, acls },
    { command: 'createClient', username, roles: [{ rolename, priority: 1 }] },
    { command: 'disableClient', username },
    { command: 'enableClient', username },
  ];
}

const answerSchema = z.object({
  responses: z.array(
    z.object({
      command: z.string(),
      error: z.string().optional(),
      data: z
        .object({
          clients: z
            .array(z.object({ username: z.string(), roles: z.array(z.object({ rolename: z.string() })).optional() }))
            .optional(),
        })
        .optional(),
    }),
  ),
});

/** What there is to do so that the plugin denies who the register says, and nobody else on its account. */
export function denyDifference(
  prefix: string,
  wanted: readonly Denied[],
  known: readonly { username: string; roles?: readonly { rolename: string }[] | undefined }[],
): Command[] {
  const ours = new Map<string, string>();
  for (const { username, roles = [] } of known) {
    const role = roles.find(({ rolename }) => rolename === REVOKED_ROLE || rolename.startsWith(ISOLATED_ROLE));
    if (role !== undefined) ours.set(username, role.rolename);
  }
  const denied = new Set(wanted.map(({ identity }) => identity.id));
  const freed = [...ours.keys()].filter((id) => !denied.has(id));
  return [
    ...freed.flatMap((username) => [
      { command: 'deleteClient', username },
      { command: 'deleteRole', rolename: `${ISOLATED_ROLE}${username}` },
    ]),
    ...wanted.filter((one) => ours.get(one.identity.id) !== roleOf(one)).flatMap((one) => denyCommands(prefix, one)),
  ];
}

/**
 * P-14.9, on a Mosquitto that is not ours: the operator's connection tells the plugin.
 * @throws E_BROKER_REFUSED where the plugin does not answer
 */
export async function followRegister(link: ControlLink, folder: string, register: Register): Promise<void> {
  const { prefix, fleet, roster } = await readFleetFile(folder);
  const wanted = roster.flatMap((member): Denied[] => {
    const standing = standingIn(register, member.id, member.notBefore);
    return standing === 'good' ? [] : [{ identity: { ...member, fleet }, standing }];
  });
  const [answer] = (
    await ask(link, JSON.stringify({ commands: [{ command: 'listClients', verbose: true, count: -1 }] }))
  ).responses;
  for (const message of inMessages(denyDifference(prefix, wanted, answer?.data?.clients ?? [])))
    await ask(link, message);
}

async function ask(link: ControlLink, message: string): Promise<z.infer<typeof answerSchema>> {
  const done = new AbortController();
  const answered = new Promise<z.infer<typeof answerSchema>>((resolve) => {
    const hear = ({ topic, payload }: { topic: string; payload: Uint8Array }): void => {
      if (topic !== RESPONSE_TOPIC) return;
      const parsed = answerSchema.safeParse(parse(payload));
      if (parsed.success) resolve(parsed.data);
    };
    link.on('message', hear);
    done.signal.addEventListener('abort', () => link.off('message', hear));
  });
  try {
    link.subscribe(RESPONSE_TOPIC, 1);
    await link.publishConfirmed(CONTROL_TOPIC, Buffer.from(message), { qos: 1, retain: false }, ANSWER_MS);
    const late = delay(ANSWER_MS, null, { signal: done.signal }).catch(() => null);
    const answer = await Promise.race([answered, late]);
    if (answer !== null) return answer;
    const silent = `${link.broker}: its dynamic-security plugin does not answer the operator (docs/OPERATIONS.md)`;
    throw new ChunkmeshError('E_BROKER_REFUSED', silent);
  } finally {
    done.abort();
  }
}

function parse(payload: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(payload).toString('utf8'));
  } catch {
    return undefined;
  }
}
