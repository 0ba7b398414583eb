import type { Command } from 'commander';
import { ONLINE_DAYS } from '../../broker/trust/ceremony.js';
import type { KeyedRole } from '../../broker/trust/metadata_edits.js';
import { brokerAddress, choice, collect, integer, path } from '../arguments.js';
import { fleetOption } from './fleet_option.js';

const KEYED_ROLES: readonly KeyedRole[] = ['root', 'release', 'director', 'snapshot', 'timestamp'];
const RENEWED = ['root', 'release'] as const;
const MOST_KEYS = 16;
const MOST_DAYS = 3650;

const EXAMPLES = `
Metadata is that of The Update Framework (TUF). root names the keys; release signs what may be installed; director schedules what release
signed; snapshot and timestamp say that it is the newest. The last three sign online, by themselves. A change that needs keys which are not in
the fleet's folder is staged in its trust/staged: carry the files to where the keys are, sign there, and carry them back.
docs/KEYS.md has it step by step.

Examples:
  $ chunkmesh trust key /media/stick/root-ada.key
  $ chunkmesh trust add-key /media/stick/root-ada.key.pub --role root --fleet ./plant
  $ chunkmesh trust threshold 2 --role root --fleet ./plant
  $ chunkmesh trust sign ./staged/2.root.json --key /media/stick/root-ada.key
  $ chunkmesh trust verify --fleet ./plant`;

export interface TrustFlags {
  fleet: string;
  json?: true;
}

export interface RoleFlags extends TrustFlags {
  role: KeyedRole;
}

export interface RenewFlags extends TrustFlags {
  role: (typeof RENEWED)[number];
}

export interface RotateFlags extends RoleFlags {
  new?: string;
  old?: string;
}

export interface SignFlags {
  fleet?: string;
  key: readonly string[];
  json?: true;
}

export interface ShowFlags {
  fleet?: string;
  json?: true;
}

export interface VerifyFlags {
  fleet?: string;
  metadata?: string;
  root?: string;
  group?: string;
  json?: true;
}

export interface RefreshFlags extends TrustFlags {
  expiresDays: number;
  broker?: string;
}

export interface TrustPublishFlags extends TrustFlags {
  group: string;
  broker?: string;
}

const roleOption = ['--role <role>', KEYED_ROLES.join(', '), choice('--role', KEYED_ROLES)] as const;

export function addTrust(program: Command): void {
  const trust = program
    .command('trust')
    .description('the keys and the metadata that say what may be installed')
    .addHelpText('after', EXAMPLES);
  trust
    .command('key')
    .description('make a key pair: <file>, which is secret, and <file>.pub')
    .argument('<file>', 'where; never overwritten', path('<file>'))
    .option('--from <key>', 'only <file>.pub, of a key that is in a token or elsewhere: pkcs11:<...>')
    .action(async (file, flags) => (await import('../run/trust_keys.js')).makeKey(file, flags));
  trust
    .command('init')
    .description('make a first root, where the fleet has none: one key for each role, kept in its folder')
    .addOption(fleetOption())
    .action(async (flags) => (await import('../run/trust_keys.js')).initTrustOf(flags));
  trust
    .command('add-key')
    .description('let one more key sign for a role')
    .argument('<file>', 'its public half, as `trust key` writes it', path('<file>'))
    .addOption(fleetOption())
    .requiredOption(...roleOption)
    .action(async (file, flags) => (await import('../run/trust_keys.js')).addKey(file, flags));
  trust
    .command('rotate')
    .description(
      "put a key in another's place; without --new the other goes, or a new one is made in the fleet's folder if it was the only one",
    )
    .addOption(fleetOption())
    .requiredOption(...roleOption)
    .option('--new <file>', 'public half of the new key', path('--new'))
    .option('--old <id>', 'id of the key that goes, or how it begins (default: the only one)')
    .action(async (flags) => (await import('../run/trust_keys.js')).rotate(flags));
  trust
    .command('threshold')
    .description('how many keys of a role are to sign')
    .argument('<count>', `1 to ${MOST_KEYS}`, integer('<count>', 1, MOST_KEYS))
    .addOption(fleetOption())
    .requiredOption(...roleOption)
    .action(async (count, flags) => (await import('../run/trust_keys.js')).setThreshold(count, flags));
  trust
    .command('renew')
    .description('sign what is offline anew with the keys that it has, before it expires')
    .addOption(fleetOption())
    .requiredOption('--role <role>', RENEWED.join(', '), choice('--role', RENEWED))
    .action(async (flags) => (await import('../run/trust_keys.js')).renewRole(flags));
  trust
    .command('retire')
    .description('have release take back an artifact that no group is to have: nobody can schedule it any more')
    .argument('<name>', 'as it was published')
    .argument('<version>', 'its version')
    .addOption(fleetOption())
    .action(async (name, version, flags) => (await import('../run/trust_keys.js')).retire(name, version, flags));
  trust
    .command('sign')
    .description(
      "sign metadata files, or with --fleet what is staged there; it prints what is signed. It needs no fleet's folder and no network",
    )
    .argument('[files...]', 'as from trust/staged')
    .addOption(fleetOption().makeOptionMandatory(false))
    .requiredOption('--key <file>', 'private key: a file, credential:<name> or pkcs11:<...>; may be repeated', collect)
    .action(async (files, flags) => (await import('../run/trust_sign.js')).signFiles(files, flags));
  trust
    .command('show')
    .description('what counts and what waits for signatures, or what the files say')
    .argument('[files...]', 'metadata files')
    .addOption(fleetOption().makeOptionMandatory(false))
    .action(async (files, flags) => (await import('../run/trust_show.js')).show(files, flags));
  trust
    .command('verify')
    .description("check as a device does: a fleet's folder, or a folder of metadata made by any tool")
    .addOption(fleetOption().makeOptionMandatory(false))
    .option('--metadata <folder>', 'instead of a fleet', path('--metadata'))
    .option('--root <file>', 'root metadata that is believed first (with --metadata)', path('--root'))
    .option('--group <group>', 'whose rollouts (default: every group)')
    .action(async (flags) => (await import('../run/trust_show.js')).verify(flags));
  trust
    .command('refresh')
    .description(
      'sign the online roles anew before they expire, take in what was signed by hand, and bring it to all groups',
    )
    .addOption(fleetOption())
    .option('--expires-days <days>', 'how long they are good', integer('--expires-days', 1, MOST_DAYS), ONLINE_DAYS)
    .option('--broker <address>', "mqtts://host:port, instead of the bundle's", brokerAddress)
    .action(async (flags) => (await import('../run/trust_publish.js')).refresh(flags));
  trust
    .command('publish')
    .description('bring metadata of this layout that another tool made to the devices of a group')
    .argument('<folder>', 'the metadata', path('<folder>'))
    .addOption(fleetOption())
    .requiredOption('--group <group>', 'whose devices')
    .option('--broker <address>', "mqtts://host:port, instead of the bundle's", brokerAddress)
    .action(async (folder, flags) => (await import('../run/trust_publish.js')).publishFolder(folder, flags));
  trust
    .command('export')
    .description('copy the metadata that counts, readable by all, for a web server')
    .argument('<folder>', 'made where it is missing', path('<folder>'))
    .addOption(fleetOption())
    .action(async (folder, flags) => (await import('../run/trust_publish.js')).exportMetadata(folder, flags));
}
