import type { Command } from 'commander';
import { brokerAddress, integer, path } from '../arguments.js';
import { fleetOption } from './fleet_option.js';

const MOST_TIMEOUT_SECONDS = 86_400;
const DEFAULT_WIPE_SECONDS = 60;

const EFFECT = `
The list is signed by the operator of the fleet folder and retained by the broker. A device that is on it loses its connection to the
broker and every open session at once; what it says is ignored by all who have the list, and devices that are off the net read it
before they speak to anyone. A certificate that is made later (\`chunkmesh enroll --renew\`) is good again; those before stay refused.
Who is listed, since when and why stays in revoked.json of the fleet folder; broker/acl and broker/ca.crl there are made anew.
`;

const REVOKE_EXAMPLES = `${EFFECT}
Examples:
  $ chunkmesh revoke cam-1 --fleet ./plant --reason 'stolen from hall 2'
  $ chunkmesh revoke cam-1 --fleet ./plant --reason stolen --mosquitto
  $ chunkmesh revoke operator --fleet ./plant --reason stolen --bundle ./plant/devices/ada.json`;

const QUARANTINE_EXAMPLES = `
A device in quarantine meets nobody: no offer of it is taken, and none made to it. It stays connected to the broker, where it may read
this list and its commands and say how it is, until it is restored, revoked or wiped.

Examples:
  $ chunkmesh quarantine cam-1 --fleet ./plant --reason 'serves wrong bytes'
  $ chunkmesh restore cam-1 --fleet ./plant`;

const RESTORE_EXAMPLES = `
Every certificate of the device that has not expired is good again, those among them for which it was revoked: give a device that was
stolen a new one instead (\`chunkmesh enroll --renew\`), and leave it on the list.

Examples:
  $ chunkmesh restore cam-1 --fleet ./plant`;

const WIPE_EXAMPLES = `
The device takes away its artifacts, the files that it handed over, what it remembered and its bundle, says so and stops. Until it says so
the wipe stays on the list, and is done whenever the device is seen again. Then revoke it.

Examples:
  $ chunkmesh wipe cam-1 --fleet ./plant
  $ chunkmesh wipe cam-1 --fleet ./plant --timeout 300 --json`;

const REVOKED_EXAMPLES = `
Examples:
  $ chunkmesh revoked --fleet ./plant
  $ chunkmesh revoked --fleet ./plant --publish
  $ chunkmesh revoked --fleet ./plant --json | jq '.entries[] | select(.list == "wiped") | .device'`;

export interface ListFlags {
  fleet: string;
  broker?: string;
  mosquitto?: true;
  bundle?: string;
  json?: true;
}

export interface RevokeFlags extends ListFlags {
  reason: string;
  forceId?: true;
}

export interface WipeFlags extends ListFlags {
  reason: string;
  timeout: number;
  forceId?: true;
}

export interface RevokedFlags extends ListFlags {
  publish?: true;
}

const withBroker = (command: Command): Command =>
  command
    .option('--bundle <file>', "of another operator, instead of the fleet's operator.json", path('--bundle'))
    .option('--broker <address>', "mqtts://host:port, instead of the bundle's", brokerAddress)
    .option('--mosquitto', 'have a Mosquitto with its dynamic-security plugin end connections (docs/OPERATIONS.md)');

const ofDevice = (program: Command, verb: string, description: string): Command =>
  withBroker(
    program.command(verb).description(description).argument('<device>', 'id of the device').addOption(fleetOption()),
  );

const FORCE = ['--force-id', 'also where the roster does not have the device'] as const;

export function addRevoke(program: Command): void {
  ofDevice(program, 'revoke', 'throw a device out of the fleet, for good')
    .requiredOption('--reason <text>', 'why, for whoever reads the list later')
    .option(...FORCE)
    .addHelpText('after', REVOKE_EXAMPLES)
    .action(async (device, flags) => (await import('../run/revoke.js')).runRevoke('revoked', device, flags));
}

export function addQuarantine(program: Command): void {
  ofDevice(program, 'quarantine', 'keep a device from every other until it is restored')
    .requiredOption('--reason <text>', 'why, for whoever reads the list later')
    .option(...FORCE)
    .addHelpText('after', QUARANTINE_EXAMPLES)
    .action(async (device, flags) => (await import('../run/revoke.js')).runRevoke('quarantined', device, flags));
}

export function addRestore(program: Command): void {
  ofDevice(program, 'restore', 'take a device off the revocation list')
    .addHelpText('after', RESTORE_EXAMPLES)
    .action(async (device, flags) => (await import('../run/revoke.js')).runRestore(device, flags));
}

export function addWipe(program: Command): void {
  ofDevice(program, 'wipe', 'have a device take away all that it holds, and its key')
    .option('--reason <text>', 'why, for whoever reads the list later', 'wiped')
    .option(
      '--timeout <seconds>',
      'how long to wait for its word',
      integer('--timeout', 0, MOST_TIMEOUT_SECONDS),
      DEFAULT_WIPE_SECONDS,
    )
    .option(...FORCE)
    .addHelpText('after', WIPE_EXAMPLES)
    .action(async (device, flags) => (await import('../run/revoke.js')).runWipe(device, flags));
}

export function addRevoked(program: Command): void {
  withBroker(
    program
      .command('revoked')
      .description('who is revoked, in quarantine or to be wiped, since when and why')
      .addOption(fleetOption()),
  )
    .option('--publish', 'bring the list to the broker again, which may have lost it')
    .addHelpText('after', REVOKED_EXAMPLES)
    .action(async (flags) => (await import('../run/revoke.js')).runRevoked(flags));
}
