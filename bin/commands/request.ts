import type { Command } from 'commander';
import { path } from '../arguments.js';

const EXAMPLES = `
Run on the device. The key is made where there is none, mode 0600, and stays there; the request goes to who enrolls, and the
fingerprint, by another way, so that they can compare. The bundle that comes back goes beside the key.

Examples:
  $ chunkmesh request cam-1 --key /etc/chunkmesh/cam-1.key --out cam-1.csr`;

export interface RequestFlags {
  key: string;
  out: string;
  json?: true;
}

export function addRequest(program: Command): void {
  program
    .command('request')
    .description('make a key on this device, and a request for its certificate')
    .argument('<device>', 'id of this device')
    .requiredOption(
      '--key <file>',
      "the device's private key; made where it is missing, never overwritten",
      path('--key'),
    )
    .requiredOption('--out <file>', 'where the request is written', path('--out'))
    .addHelpText('after', EXAMPLES)
    .action(async (device, flags) => (await import('../run/request.js')).runRequest(device, flags));
}
