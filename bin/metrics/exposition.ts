import { Counter, Gauge, Registry } from 'prom-client';
import type { AgentMetrics } from '../../agent/metrics.js';
import { VERSION } from '../../shared/version.js';

/** An agent's metrics as Prometheus reads them (text format 0.0.4); docs/OPERATIONS.md lists them. */

export const CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** By the value of one label; `''` for a metric without one. */
type Values = Readonly<Record<string, number>>;

export function exposition(metrics: AgentMetrics): Promise<string> {
  const registry = new Registry();
  const of = (name: string, help: string) => ({ name: `chunkmesh_${name}`, help, registers: [registry] });
  const counter = (name: string, help: string, values: Values, label?: string): void => {
    const made = new Counter({ ...of(name, help), labelNames: label === undefined ? [] : [label] });
    for (const [value, count] of Object.entries(values)) made.inc(label === undefined ? {} : { [label]: value }, count);
  };
  const gauge = (name: string, help: string, values: Values, label?: string): void => {
    const made = new Gauge({ ...of(name, help), labelNames: label === undefined ? [] : [label] });
    for (const [value, count] of Object.entries(values)) made.set(label === undefined ? {} : { [label]: value }, count);
  };

  const { bytes, chunks, datagrams, storeBytes } = metrics;
  const { fromSeed: seed, fromPeers: peers, fromDisk: disk, fromHttp: http } = bytes;
  counter('received_bytes_total', 'Bytes of verified chunks, by source.', { seed, peers, disk, http }, 'source');
  counter('wasted_bytes_total', 'Bytes that arrived and were of no use.', { '': bytes.wasted });
  counter('served_bytes_total', 'Bytes that arrived at peers.', { '': bytes.served });
  gauge('chunks_held', 'Chunks held of the artifacts that rollouts in force name.', { '': chunks.held });
  gauge('chunks_wanted', 'Chunks of the artifacts that rollouts in force name.', { '': chunks.wanted });
  gauge('rollouts', 'Rollouts in force, by state.', metrics.rollouts, 'state');
  gauge('sessions', 'Open sessions.', { '': metrics.sessions });
  gauge('broker_connected', '1 while connected to the broker.', { '': metrics.online ? 1 : 0 });
  counter('messages_repeated_total', 'Control messages that came before.', { '': metrics.replayed });
  const { datagramsReceived: received, datagramsSent: sent } = datagrams;
  counter('datagrams_total', 'UDP datagrams, by direction.', { received, sent }, 'direction');
  counter('datagrams_unknown_total', 'Datagrams for no session.', { '': datagrams.datagramsUnknown });
  counter('datagram_send_errors_total', 'Datagrams that the kernel refused.', { '': datagrams.sendErrors });
  if (storeBytes !== null) gauge('store_bytes', 'Bytes that artifacts take of the disk.', { '': storeBytes });
  const misbehaviour = new Counter({
    ...of('peer_misbehaviour_total', 'What peers did that they should not, by device and kind.'),
    labelNames: ['device', 'kind'],
  });
  for (const { device, kind, count } of metrics.misbehaviour) misbehaviour.inc({ device, kind }, count);
  gauge('build_info', 'The version of this agent.', { [VERSION]: 1 }, 'version');
  return registry.metrics();
}
