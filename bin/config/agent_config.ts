import { readFile } from 'node:fs/promises';
import { delimiter, dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { isId } from '../../shared/control/ids.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { isCredential } from '../../shared/identity/keys/key_reference.js';
import { nearest } from './nearest.js';
import { type AgentSettings, SETTINGS, schema } from './settings.js';

/** Where an agent's settings come from: flags before environment before file. Each is named in what is refused. */

const PREFIX = 'CHUNKMESH_';
/** Read elsewhere, and no settings of an agent. */
const OTHER_VARIABLES = [
  ...['CHUNKMESH_CI', 'CHUNKMESH_CONFIG', 'CHUNKMESH_CRYPTO', 'CHUNKMESH_FLEET', 'CHUNKMESH_SOCKET'],
  'CHUNKMESH_TOKEN',
];

export type Environment = Readonly<Record<string, string | undefined>>;

const KEYS = SETTINGS.map(({ key }) => key);

function describe(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'unrecognized_keys') return `${issue.path.join('.') || 'the whole'}: ${issue.message}`;
  return issue.keys
    .map((key) => {
      const meant = nearest(key, KEYS);
      return `${JSON.stringify(key)} is no setting${meant === undefined ? '' : `; did you mean ${JSON.stringify(meant)}?`}`;
    })
    .join(', ');
}

/** @param origin names the source in a refusal. @throws E_CONFIG */
export function parseSettings(value: unknown, origin: string): AgentSettings {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new ChunkmeshError('E_CONFIG', `${origin}: ${parsed.error.issues.map(describe).join('; ')}`);
}

/** @param parts each `name=path`. @param origin names where they were typed. @throws E_CONFIG */
export function namedPaths(parts: readonly string[], origin: string): Record<string, string> {
  const pairs = parts.map((part): [string, string] => {
    const at = part.indexOf('=');
    if (isId(part.slice(0, Math.max(0, at))) && at < part.length - 1) return [part.slice(0, at), part.slice(at + 1)];
    throw new ChunkmeshError(
      'E_CONFIG',
      `${origin}: ${JSON.stringify(part.slice(0, 80))} is not name=path, the name of 1 to 64 of A-Z, a-z, 0-9, _ and -`,
    );
  });
  const twice = pairs.find(([name], i) => pairs.findIndex(([other]) => other === name) !== i);
  if (twice === undefined) return Object.fromEntries(pairs);
  throw new ChunkmeshError('E_CONFIG', `${origin}: ${JSON.stringify(twice[0].slice(0, 80))} is there twice`);
}

/** Relative paths in a file are relative to that file. */
function resolvePaths(settings: AgentSettings, folder: string): AgentSettings {
  const { bundle, store, installed, alerts, seeds, httpCa } = settings;
  return {
    ...settings,
    ...(bundle !== undefined && { bundle: isCredential(bundle) ? bundle : resolve(folder, bundle) }),
    ...(store !== undefined && { store: resolve(folder, store) }),
    ...(installed !== undefined && {
      installed: Object.fromEntries(Object.entries(installed).map(([name, path]) => [name, resolve(folder, path)])),
    }),
    ...(alerts !== undefined && { alerts: resolve(folder, alerts) }),
    ...(seeds !== undefined && { seeds: seeds.map((seed) => resolve(folder, seed)) }),
    ...(httpCa !== undefined && { httpCa: resolve(folder, httpCa) }),
  };
}

/** @throws E_FILE_UNREADABLE, E_CONFIG */
export async function readSettingsFile(path: string): Promise<AgentSettings> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${path}: ${systemCode(cause) ?? 'cannot be read'}`, { cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ChunkmeshError('E_CONFIG', `${path} is not JSON`, { cause });
  }
  return resolvePaths(parseSettings(value, path), dirname(resolve(path)));
}

/** @throws E_CONFIG */
export function environmentSettings(environment: Environment): AgentSettings {
  const found: Record<string, unknown> = {};
  for (const { key, environment: name } of SETTINGS) {
    const text = environment[name];
    if (text === undefined || text === '') continue;
    const parts = text.split(delimiter).filter((part) => part !== '');
    if (key === 'installed') found[key] = namedPaths(parts, name);
    else found[key] = key === 'seeds' ? parts : text;
  }
  return parseSettings(found, 'environment');
}

/** A misspelt variable would be ignored in silence: one line for each that looks like ours and is not. */
export function unknownVariables(environment: Environment): string[] {
  const known = [...SETTINGS.map((row) => row.environment), ...OTHER_VARIABLES];
  return Object.keys(environment)
    .filter((name) => name.startsWith(PREFIX) && !known.includes(name))
    .map((name) => {
      const meant = nearest(
        name.slice(PREFIX.length),
        known.map((one) => one.slice(PREFIX.length)),
      );
      return `${name} is no setting${meant === undefined ? '' : `; did you mean ${PREFIX}${meant}?`}`;
    });
}

export interface SettingSources {
  readonly flags: AgentSettings;
  readonly environment: Environment;
  /** Path of the configuration file, where there is one. */
  readonly file?: string;
}

/** @throws E_FILE_UNREADABLE, E_CONFIG where a source is malformed or a setting that must be given is missing. */
export async function resolveSettings({
  flags,
  environment,
  file,
}: SettingSources): Promise<AgentSettings & { readonly bundle: string; readonly store: string }> {
  const fromFile = file === undefined ? {} : await readSettingsFile(file);
  const settings = { ...fromFile, ...environmentSettings(environment), ...parseSettings(flags, 'command line') };
  const { bundle, store } = settings;
  if (bundle === undefined || store === undefined) {
    const missing = bundle === undefined ? 'bundle' : 'store';
    const row = SETTINGS.find(({ key }) => key === missing);
    throw new ChunkmeshError(
      'E_CONFIG',
      `no ${missing}: give ${row?.flag ?? ''}, ${row?.environment ?? ''}, or "${missing}" in the configuration file`,
    );
  }
  return { ...settings, bundle, store };
}
