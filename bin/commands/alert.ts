import type { Command } from 'commander';
import { path } from '../arguments.js';

const EXAMPLES = `
It ends with 0 once the agent has the alert on its disk: an operator sees it, now or when the broker is there again, until it is acknowledged.
Whatever can write a line to the socket can do the same, as \`echo "tamper case opened" | nc -NU <path>\`.

Examples:
  $ chunkmesh alert --socket /run/chunkmesh/alerts tamper "case opened"
  $ chunkmesh alert --socket /run/chunkmesh/alerts watchdog --json`;

export interface AlertFlags {
  socket: string;
  json?: true;
}

export function addAlert(program: Command): void {
  program
    .command('alert')
    .description("raise an alert on this device, by its agent's socket")
    .argument('<kind>', 'what happened, an id, as tamper')
    .argument('[text]', 'more of it, at most 256 printable characters', '')
    .requiredOption('--socket <path>', "the socket of the agent's --alerts", path('--socket'))
    .addHelpText('after', EXAMPLES)
    .action(async (kind, text, flags) => (await import('../run/alert.js')).runAlert(kind, text, flags));
}
