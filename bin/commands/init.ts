import type { Command } from 'commander';
import { collect, integer, path } from '../arguments.js';

const EXAMPLES = `
The folder holds the fleet's CA, its roster, the broker's certificate and the bundles of the publisher, the operator and
the auditor. Its ca.key signs new members and nothing else: keep it where you enroll, and offline if you can.

Examples:
  $ chunkmesh init ./plant --name plant --host broker.plant.example
  $ chunkmesh init ./plant --name plant --prefix acme/plant --host 10.0.0.5 --host broker.local --port 8884`;

export interface InitFlags {
  name: string;
  prefix?: string;
  host?: readonly string[];
  port: number;
  json?: true;
}

export function addInit(program: Command): void {
  program
    .command('init')
    .description('make a fleet: a folder with its CA, its roster and its first bundles')
    .argument('<folder>', 'a new or empty folder', path('<folder>'))
    .requiredOption('--name <fleet>', 'id of the fleet')
    .option('--prefix <topic>', 'topic prefix (default: chunkmesh/<fleet>)')
    .option(
      '--host <host>',
      "the broker's name or address; may be repeated, bundles name the first (default: localhost)",
      collect,
    )
    .option('--port <port>', "the broker's port", integer('--port', 1, 65_535), 8883)
    .addHelpText('after', EXAMPLES)
    .action(async (folder, flags) => (await import('../run/init.js')).runInit(folder, flags));
}
