import type { Command } from 'commander';
import { MEMBER_ROLES, type Role } from '../../shared/control/topics.js';
import { choice, collect, hexFingerprint, integer, path } from '../arguments.js';
import { fleetOption } from './fleet_option.js';

const MOST_DAYS = 3650;

const EXAMPLES = `
Prints the path of the credential bundle: one file, mode 0600, that makes a program this member. Copy it to the device and
keep no other copy.

Examples:
  $ chunkmesh enroll cam-1 --fleet ./plant --site hall-2 --group cameras
  $ chunkmesh enroll depot --fleet ./plant --role seed --group cameras --group gateways
  $ chunkmesh enroll cam-2 --fleet ./plant --days 90 --json
  $ chunkmesh enroll cam-1 --fleet ./plant --renew
  $ chunkmesh enroll --csr cam-3.csr --fleet ./plant --group cameras --fingerprint 4b0c...`;

export interface EnrollFlags {
  fleet: string;
  role?: Role;
  site?: string;
  group?: readonly string[];
  days?: number;
  renew?: true;
  csr?: string;
  fingerprint?: string;
  json?: true;
}

export function addEnroll(program: Command): void {
  program
    .command('enroll')
    .description('give a device its credential bundle and its place in the roster')
    .argument('[device]', 'id of the device; may be left out where a request names it')
    .addOption(fleetOption())
    .option('--role <role>', `${MEMBER_ROLES.join(', ')} (default: device)`, choice('--role', MEMBER_ROLES))
    .option('--site <site>', 'where it is; devices of one site exchange chunks (default: default)')
    .option('--group <group>', 'whose rollouts it follows; may be repeated (default: default)', collect)
    .option('--days <days>', 'how long its certificate is valid (default: 365)', integer('--days', 1, MOST_DAYS))
    .option('--renew', 'a new key and certificate for a device that is there; what is not given stays as it is')
    .option('--csr <file>', 'a request that `chunkmesh request` made on the device: its key stays there', path('--csr'))
    .option(
      '--fingerprint <hex>',
      'of the key in the request, as the device printed it; any other is refused',
      hexFingerprint,
    )
    .addHelpText('after', EXAMPLES)
    .action(async (device, flags) => (await import('../run/enroll.js')).runEnroll(device, flags));
}
