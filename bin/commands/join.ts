import { type Command, Option } from 'commander';
import { brokerAddress, integer, path } from '../arguments.js';

const MOST_SECONDS = 86_400;

const EXAMPLES = `
Run on the device. The token is read from a file, from stdin (-), or from CHUNKMESH_TOKEN: as an argument, everyone on the
machine would see it. Ends well once the bundle is there; run it again with the same key where it was cut short.

Examples:
  $ chunkmesh join cam-1 --token ./token --bundle /etc/chunkmesh/cam-1.json
  $ echo "$TOKEN" | chunkmesh join cam-1 --token - --bundle cam-1.json`;

export interface JoinFlags {
  token?: string;
  bundle: string;
  key?: string;
  broker?: string;
  timeout: number;
  json?: true;
}

export function addJoin(program: Command): void {
  program
    .command('join')
    .description('enroll this device with a one-time token, over the broker')
    .argument('<device>', 'id of this device')
    .option(
      '--token <file>',
      'the file that has the token, or - for stdin (or CHUNKMESH_TOKEN, the token itself)',
      path('--token'),
    )
    .requiredOption('--bundle <file>', 'where the credential bundle is written', path('--bundle'))
    .option(
      '--key <file>',
      "the device's private key; made where it is missing (default: <device>.key beside the bundle)",
      path('--key'),
    )
    .addOption(new Option('--broker <address>', "mqtts://host:port, instead of the token's").argParser(brokerAddress))
    .option('--timeout <seconds>', 'how long it asks', integer('--timeout', 1, MOST_SECONDS), 120)
    .addHelpText('after', EXAMPLES)
    .action(async (device, flags) => (await import('../run/join.js')).runJoin(device, flags));
}
