import { PayloadScanner } from '../../broker/meter/payload_scanner.js';
import { type BrokerCounts, type BrokerRun, runEmbedded, runMosquitto } from '../broker_run.js';
import type { BrokerFlags } from '../commands/broker.js';
import { stopRequested } from '../lifetime.js';
import { createLogger } from '../log.js';
import { output } from '../output.js';
import { formatBytes } from '../units.js';

const TRAFFIC_INTERVAL_MS = 1000;

function describe({ controlBytes, messages, payloadBytes }: BrokerCounts, audited: boolean): string {
  const traffic = `${formatBytes(controlBytes)} both ways, ${messages} messages`;
  return audited ? `${traffic}, payload ${payloadBytes} bytes` : traffic;
}

function printTraffic(run: BrokerRun, event: 'traffic' | 'stats', { json, audit }: BrokerFlags): void {
  const counts = run.counts();
  if (json) output.json({ event, ...counts });
  else output.line(describe(counts, audit !== undefined));
}

async function startBroker({ fleet: fleetFolder, host, port, kind, audit }: BrokerFlags): Promise<BrokerRun> {
  const start = kind === 'embedded' ? runEmbedded : runMosquitto;
  const scanner = audit === undefined ? undefined : await PayloadScanner.ofFile(audit);
  return await start({ fleetFolder, host, port, logger: createLogger('warn'), ...(scanner && { audit: scanner }) });
}

export async function runBroker(flags: BrokerFlags): Promise<void> {
  const stop = stopRequested({ untilStdinEnds: flags.untilStdinEnds === true });
  const run = await startBroker(flags);
  const address = `mqtts://${run.host.includes(':') ? `[${run.host}]` : run.host}:${run.port}`;
  if (flags.json) output.json({ event: 'listening', kind: flags.kind, broker: address });
  else output.line(`${flags.kind} broker at ${address}`);
  const timer = flags.json ? setInterval(() => printTraffic(run, 'traffic', flags), TRAFFIC_INTERVAL_MS) : undefined;
  await stop;
  clearInterval(timer);
  // Counted last, when nobody sends any more.
  await run.close();
  printTraffic(run, 'stats', flags);
}
