import type { Command } from 'commander';
import { choice, collect, duration, integer, path } from '../arguments.js';
import { fleetOption } from './fleet_option.js';

const MOST_DAYS = 3650;
const MOST_TOKENS = 1000;

const EXAMPLES = `
Each line is a secret that makes one device a member, once. The fleet keeps what it grants, and not the token.

Examples:
  $ chunkmesh token --fleet ./plant --count 20 --site hall-2 --group cameras --out pallet.tokens
  $ chunkmesh token --fleet ./plant --device cam-9 --site hall-2 --group cameras --expires 12h`;

export interface TokenFlags {
  fleet: string;
  count: number;
  role?: 'device' | 'seed';
  site?: string;
  group?: readonly string[];
  device?: string;
  expires: number;
  days?: number;
  out?: string;
  json?: true;
}

export function addToken(program: Command): void {
  program
    .command('token')
    .description('make one-time tokens, with which devices enroll themselves over the broker')
    .addOption(fleetOption())
    .option('--count <n>', 'how many', integer('--count', 1, MOST_TOKENS), 1)
    .option('--role <role>', 'device or seed (default: device)', choice('--role', ['device', 'seed'] as const))
    .option('--site <site>', 'where the devices are (default: default)')
    .option('--group <group>', 'whose rollouts they follow; may be repeated (default: default)', collect)
    .option('--device <id>', 'the one id that the token is good for (default: any that is free)')
    .option('--expires <time>', 'how long they are good, as 30m, 12h or 7d', duration('--expires'), 7 * 86_400)
    .option('--days <days>', "how long a device's certificate is valid (default: 365)", integer('--days', 1, MOST_DAYS))
    .option('--out <file>', 'write them there, for its owner alone (default: print them)', path('--out'))
    .addHelpText('after', EXAMPLES)
    .action(async (flags) => (await import('../run/token.js')).runToken(flags));
}
