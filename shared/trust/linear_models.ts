import { MetaFile, Snapshot, TargetFile, Targets } from '@tufjs/models';
import { Delegations } from '@tufjs/models/dist/delegations.js';
import { DelegatedRole } from '@tufjs/models/dist/role.js';

/**
 * The library's models copy all entries for each entry, when they parse and when they write what a signature is over: two seconds for
 * a snapshot of a thousand groups, and half of one more for each signature. These give the same in one pass (P-12.5). They stand in
 * the library's own place, since its store calls them by name. Each entry, and all that is no list, is still read and written by the
 * library's code.
 */

type Json = ReturnType<MetaFile['toJSON']>;

/** Own properties, whatever their names. */
function mapped<A, B>(entries: Readonly<Record<string, A>>, change: (value: A, name: string) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(entries).map(([name, value]) => [name, change(value, name)] as const));
}

function objects(value: unknown, what: string): Record<string, Json> {
  const isObject = (one: unknown): boolean => typeof one === 'object' && one !== null;
  if (!isObject(value) || !Object.values(value as object).every(isObject)) throw new TypeError(`${what} is malformed`);
  return value as Record<string, Json>;
}

const library = {
  snapshot: { read: Snapshot.fromJSON, write: Snapshot.prototype.toJSON },
  targets: { read: Targets.fromJSON, write: Targets.prototype.toJSON },
  delegations: { read: Delegations.fromJSON },
} as const;

Snapshot.fromJSON = (data: Json): Snapshot => {
  if (data.meta === undefined) return library.snapshot.read.call(Snapshot, data);
  const rest = library.snapshot.read.call(Snapshot, { ...data, meta: {} });
  return new Snapshot({ ...rest, meta: mapped(objects(data.meta, 'meta'), (one) => MetaFile.fromJSON(one)) });
};

Snapshot.prototype.toJSON = function (this: Snapshot): Json {
  const rest = library.snapshot.write.call(new Snapshot({ ...this, meta: {} }));
  return { ...rest, meta: mapped(this.meta, (one) => one.toJSON()) };
};

Targets.fromJSON = (data: Json): Targets => {
  if (data.targets === undefined) return library.targets.read.call(Targets, data);
  const rest = library.targets.read.call(Targets, { ...data, targets: {} });
  const targets = mapped(objects(data.targets, 'targets'), (one, path) => TargetFile.fromJSON(path, one));
  return new Targets({ ...rest, targets });
};

Targets.prototype.toJSON = function (this: Targets): Json {
  const rest = library.targets.write.call(new Targets({ ...this, targets: {} }));
  return { ...rest, targets: mapped(this.targets, (one) => one.toJSON()) };
};

Delegations.fromJSON = (data: Json): Delegations => {
  if (!Array.isArray(data.roles)) return library.delegations.read.call(Delegations, data);
  const rest = library.delegations.read.call(Delegations, { ...data, roles: [] });
  const roles = Object.values(objects(data.roles, 'roles')).map((role) => DelegatedRole.fromJSON(role));
  // The last of one name stands where the first of it was, as in the library.
  return new Delegations({ ...rest, roles: Object.fromEntries(roles.map((role) => [role.name, role])) });
};
