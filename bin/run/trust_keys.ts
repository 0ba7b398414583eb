import type { Key } from '@tufjs/models';
import { withFleetLock } from '../../broker/fleet/fleet_lock.js';
import { type AllKeys, changeKeys, initTrust, renew, type Waiting } from '../../broker/trust/ceremony.js';
import { createKeyFile, exportPublicKey, readPublicKey } from '../../broker/trust/key_files.js';
import type { KeyedRole, KeysOfRole } from '../../broker/trust/metadata_edits.js';
import { TrustRepository } from '../../broker/trust/repository.js';
import { retireArtifact } from '../../broker/trust/retire.js';
import { checkId, isVersion } from '../../shared/control/ids.js';
import { ChunkmeshError } from '../../shared/errors.js';
import type { RenewFlags, RoleFlags, RotateFlags, TrustFlags } from '../commands/trust.js';
import { output } from '../output.js';

/** Keys made, added, replaced: what they change is signed by the keys that are here, and waits for the others. */

const seconds = (): number => Math.floor(Date.now() / 1000);

export async function makeKey(file: string, { from, json }: { from?: string; json?: true }): Promise<void> {
  if (from !== undefined) {
    const { keyID } = await exportPublicKey(file, from);
    if (json) output.json({ public: `${file}.pub`, id: keyID });
    else output.line(`key ${keyID}\npublic half ${file}.pub`);
    return;
  }
  const { keyID } = await createKeyFile(file);
  if (json) output.json({ key: file, public: `${file}.pub`, id: keyID });
  else output.line(`key ${keyID}\nsecret half ${file}, public half ${file}.pub`);
}

export async function initTrustOf({ fleet, json }: TrustFlags): Promise<void> {
  const root = await withFleetLock(fleet, async () => {
    const repository = await TrustRepository.open(fleet);
    await initTrust(repository, seconds());
    return repository.root();
  });
  const { version } = root.metadata.signed;
  if (json) output.json({ root: version });
  else output.line(`root ${version}; bundles that are enrolled from now on believe it`);
}

export async function addKey(file: string, { fleet, role, json }: RoleFlags): Promise<void> {
  const key = await readPublicKey(file);
  await change(fleet, json, role, (of) => {
    if (of.keys.some(({ keyID }) => keyID === key.keyID)) throw bad(`${key.keyID} signs for ${role} already`);
    return { ...of, keys: [...of.keys, key] };
  });
}

export async function rotate({ fleet, role, new: file, old, json }: RotateFlags): Promise<void> {
  const added = file === undefined ? undefined : await readPublicKey(file);
  await change(fleet, json, role, async (of, repository) => {
    const goes = oldKey(of, role, old);
    const rest = of.keys.filter(({ keyID }) => keyID !== goes.keyID);
    const another = added ?? (rest.length === 0 ? await repository.keys.create(role) : undefined);
    return { ...of, keys: another === undefined ? rest : [...rest, another] };
  });
}

export async function setThreshold(threshold: number, { fleet, role, json }: RoleFlags): Promise<void> {
  await change(fleet, json, role, (of) => ({ ...of, threshold }));
}

export async function renewRole({ fleet, role, json }: RenewFlags): Promise<void> {
  await staged(fleet, json, (repository) => renew(repository, role, seconds()));
}

export async function retire(name: string, version: string, { fleet, json }: TrustFlags): Promise<void> {
  checkId(name, 'name');
  if (!isVersion(version)) throw bad(`version ${JSON.stringify(version)} breaks P-1.2`);
  await staged(fleet, json, (repository) => retireArtifact(repository, name, version, seconds()));
}

function oldKey({ keys }: KeysOfRole, role: KeyedRole, begins: string | undefined): Key {
  const found = keys.filter(({ keyID }) => begins === undefined || keyID.startsWith(begins));
  const [key] = found;
  if (key !== undefined && found.length === 1) return key;
  const ids = keys.map(({ keyID }) => keyID.slice(0, 16)).join(', ');
  throw bad(`which key of ${role} goes? --old is to begin as just one of ${ids}`);
}

type KeyChange = (of: KeysOfRole, repository: TrustRepository) => KeysOfRole | Promise<KeysOfRole>;

async function change(fleet: string, json: true | undefined, role: KeyedRole, edit: KeyChange): Promise<void> {
  await staged(fleet, json, (repository) => {
    const apply = async (keys: AllKeys): Promise<AllKeys> => ({ ...keys, [role]: await edit(keys[role], repository) });
    return changeKeys(repository, apply, seconds());
  });
}

async function staged(
  fleet: string,
  json: true | undefined,
  act: (repository: TrustRepository) => Promise<readonly Waiting[]>,
): Promise<void> {
  const { waiting, folder } = await withFleetLock(fleet, async () => {
    const repository = await TrustRepository.open(fleet);
    return { waiting: await act(repository), folder: repository.staged.path };
  });
  tellWaiting(waiting, folder, json);
}

export function tellWaiting(waiting: readonly Waiting[], folder: string, json: true | undefined): void {
  if (json) {
    output.json({ staged: folder, waiting });
    return;
  }
  for (const { file, signatures, threshold } of waiting) {
    output.line(`${folder}/${file} waits: ${signatures} of ${threshold} signatures`);
  }
  output.line(
    waiting.length === 0
      ? 'it counts; next: chunkmesh trust refresh brings it to the devices'
      : 'next: chunkmesh trust sign <file> --key <key>, where the keys are; then the same with --fleet, or bring the files back',
  );
}

const bad = (what: string): ChunkmeshError => new ChunkmeshError('E_ARGUMENT', what);
