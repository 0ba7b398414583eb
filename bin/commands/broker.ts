import { type Command, Option } from 'commander';
import { choice, path, port } from '../arguments.js';
import { BROKER_KINDS, type BrokerKind } from '../demo/options.js';
import { fleetOption } from './fleet_option.js';

const EXAMPLES = `
It lets in who is in the fleet's roster, by certificate, and lets each do what the table of docs/PROTOCOL.md (P-2.2) says.
With --json it prints one object a line: listening, then traffic each second, and stats at the end.
SIGTERM or Ctrl-C ends it.

Examples:
  $ chunkmesh broker --fleet ./plant
  $ chunkmesh broker --fleet ./plant --host 127.0.0.1 --port 0 --json
  $ chunkmesh broker --fleet ./plant --audit firmware.img`;

export interface BrokerFlags {
  fleet: string;
  host: string;
  port: number;
  kind: BrokerKind;
  audit?: string;
  untilStdinEnds?: true;
  json?: true;
}

export function addBroker(program: Command): void {
  program
    .command('broker')
    .description('run a broker for a fleet: TLS, members only, ACLs enforced')
    .addOption(fleetOption())
    .option('--host <host>', 'address to listen on', '0.0.0.0')
    .option('--port <port>', 'port to listen on; 0 is any free one', port('--port'), 8883)
    .option('--kind <kind>', 'embedded, or the mosquitto installed here', choice('--kind', BROKER_KINDS), 'embedded')
    .option('--audit <file>', 'count bytes of this artifact in messages', path('--audit'))
    .addOption(new Option('--until-stdin-ends').hideHelp())
    .addHelpText('after', EXAMPLES)
    .action(async (flags) => (await import('../run/broker.js')).runBroker(flags));
}
