import type { Command } from 'commander';
import { path } from '../arguments.js';

const EXAMPLES = `
Each chunk, or index, that a peer sent and that was not what its hash says: of which device and certificate, of what, when; and
whether the bytes that came are still there and hash to what was found (kept), made room for others (gone), or are something
else now (damaged). It runs beside an agent, and changes nothing. What is kept proves nothing to who was not there, since
both sides of a session have its key: that is why it takes several devices' reports to throw one out (chunkmesh guard).

Examples:
  $ chunkmesh evidence --store ./cam-4
  $ chunkmesh evidence --store ./cam-4 --json | jq '.evidence[] | select(.state == "kept") | .accused'`;

export interface EvidenceFlags {
  store: string;
  json?: true;
}

export function addEvidence(program: Command): void {
  program
    .command('evidence')
    .description('what a device keeps of peers that sent wrong bytes, hashed again')
    .requiredOption('--store <folder>', "the agent's store", path('--store'))
    .addHelpText('after', EXAMPLES)
    .action(async (flags) => (await import('../run/evidence.js')).runEvidence(flags));
}
