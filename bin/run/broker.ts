import { type BrokerCounts, type BrokerRun, runEmbedded } from '../broker_run.js';
import type { BrokerFlags } from '../commands/broker.js';
import { stopRequested } from '../lifetime.js';
import { createLogger } from '../log.js';
import { output } from '../output.js';
import { formatBytes } from '../units.js';

const TRAFFIC_INTERVAL_MS = 1000;

function describe({ connections, controlBytes, messages, payloadBytes }: BrokerCounts): string {
  const traffic = `${connections} connections, ${messages} messages, ${formatBytes(controlBytes)} both ways`;
  return `${traffic}, payload ${payloadBytes} bytes`;
}

function printTraffic(run: BrokerRun, event: 'traffic' | 'stats', json: boolean): void {
  const counts = run.counts();
  if (json) output.json({ event, ...counts });
  else output.line(describe(counts));
}

export async function runBroker(flags: BrokerFlags): Promise<void> {
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
