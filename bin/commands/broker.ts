import { type Command, Option } from 'commander';
import { choice, port } from '../arguments.js';
import { type BrokerCounts, type BrokerRun, runEmbedded } from '../broker_run.js';
import { BROKER_KINDS, type BrokerKind } from '../demo/options.js';
import { fleetOption } from '../fleet_folder.js';
import { stopRequested } from '../lifetime.js';
import { createLogger } from '../log.js';
import { output } from '../output.js';
import { formatBytes } from '../units.js';

const TRAFFIC_INTERVAL_MS = 1000;

const EXAMPLES = `
It lets in who is in the fleet's roster, by certificate, and lets each do what the table of docs/PROTOCOL.md (P-2.2) says.
With --json it prints one object a line: listening, then traffic each second, and stats at the end.
SIGTERM or Ctrl-C ends it.

Examples:
  $ chunkmesh broker --fleet ./plant
  $ chunkmesh broker --fleet ./plant --host 127.0.0.1 --port 0 --json
  $ chunkmesh broker --fleet ./plant --audit firmware.img`;

interface BrokerFlags {
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
    .option('--audit <file>', 'count bytes of this artifact in messages')
    .addOption(new Option('--until-stdin-ends').hideHelp())
    .addHelpText('after', EXAMPLES)
    .action(runBroker);
}

function describe({ connections, controlBytes, messages, payloadBytes }: BrokerCounts): string {
  const traffic = `${connections} connections, ${messages} messages, ${formatBytes(controlBytes)} both ways`;
  return `${traffic}, payload ${payloadBytes} bytes`;
}

function printTraffic(run: BrokerRun, event: 'traffic' | 'stats', json: boolean): void {
  const counts = run.counts();
  if (json) output.json({ event, ...counts });
  else output.line(describe(counts));
}

async function runBroker(flags: BrokerFlags): Promise<void> {
  const { fleet: fleetFolder, host, kind } = flags;
  const json = flags.json === true;
  const stop = stopRequested({ untilStdinEnds: flags.untilStdinEnds === true });
  const logger = createLogger('warn');
  const run = await runEmbedded({ fleetFolder, host, port: flags.port, logger });
  const address = `mqtts://${run.host.includes(':') ? `[${run.host}]` : run.host}:${run.port}`;
  if (json) output.json({ event: 'listening', kind, broker: address });
  else output.line(`${kind} broker at ${address}`);
  const timer = json ? setInterval(() => printTraffic(run, 'traffic', json), TRAFFIC_INTERVAL_MS) : undefined;
  await stop;
  clearInterval(timer);
  // Counted last, when nobody sends any more.
  await run.close();
  printTraffic(run, 'stats', json);
}
