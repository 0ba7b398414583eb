import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { AgentMetrics } from '../../../agent/metrics.js';
import { MISBEHAVIOURS } from '../../../agent/swarm/misbehaviour.js';
import { CONTENT_TYPE, exposition } from '../../../bin/metrics/exposition.js';
import { VERSION } from '../../../shared/version.js';

const METRICS: AgentMetrics = {
  bytes: { fromSeed: 1, fromPeers: 2, fromDisk: 3, fromHttp: 4, wasted: 5, served: 6 },
  chunks: { held: 7, wanted: 8 },
  rollouts: { fetching: 1, complete: 2 },
  sessions: 9,
  datagrams: { datagramsReceived: 10, datagramsSent: 11, datagramsUnknown: 12, sendErrors: 13 },
  storeBytes: 14,
  online: true,
  replayed: 16,
  misbehaviour: [{ device: 'mallory', kind: 'wrong-bytes', count: 15 }],
};

const operations = readFileSync(new URL('../../../docs/OPERATIONS.md', import.meta.url), 'utf8');

const samples = (text: string): string[] => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));

describe('what Prometheus reads', () => {
  it('is in its text format', async () => {
    expect(CONTENT_TYPE).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(samples(await exposition(METRICS))).toEqual([
      'chunkmesh_received_bytes_total{source="seed"} 1',
      'chunkmesh_received_bytes_total{source="peers"} 2',
      'chunkmesh_received_bytes_total{source="disk"} 3',
      'chunkmesh_received_bytes_total{source="http"} 4',
      'chunkmesh_wasted_bytes_total 5',
      'chunkmesh_served_bytes_total 6',
      'chunkmesh_chunks_held 7',
      'chunkmesh_chunks_wanted 8',
      'chunkmesh_rollouts{state="fetching"} 1',
      'chunkmesh_rollouts{state="complete"} 2',
      'chunkmesh_sessions 9',
      'chunkmesh_broker_connected 1',
      'chunkmesh_messages_repeated_total 16',
      'chunkmesh_datagrams_total{direction="received"} 10',
      'chunkmesh_datagrams_total{direction="sent"} 11',
      'chunkmesh_datagrams_unknown_total 12',
      'chunkmesh_datagram_send_errors_total 13',
      'chunkmesh_store_bytes 14',
      'chunkmesh_peer_misbehaviour_total{device="mallory",kind="wrong-bytes"} 15',
      `chunkmesh_build_info{version="${VERSION}"} 1`,
    ]);
  });

  it('has nothing of one agent in what it says of another, and no size where the disk does not say', async () => {
    await exposition(METRICS);
    const text = await exposition({ ...METRICS, misbehaviour: [], storeBytes: null, online: false });
    expect(text).not.toContain('mallory');
    expect(text).not.toContain('store_bytes');
    expect(samples(text)).toContain('chunkmesh_broker_connected 0');
  });

  it('is in docs/OPERATIONS.md, every metric with its labels and its type, and every kind of misbehaviour', async () => {
    const text = await exposition(METRICS);
    const documented = operations.split('\n').flatMap((line) => {
      const [, names = '', type = ''] = /^\| (`chunkmesh_[^|]*?) *\| (\w+) *\|/.exec(line) ?? [];
      return [...names.matchAll(/`([a-z_]+)(?:\{([a-z,]+)\})?`/g)].map(([, name, labels = '']) => ({
        name,
        type,
        labels,
      }));
    });
    const told = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type]) => {
      const [, labels = ''] = new RegExp(`^${name}\\{(.*)\\} `, 'm').exec(text) ?? [];
      return { name, type, labels: labels.replace(/="[^"]*"/g, '') };
    });
    expect(documented).toEqual(told);
    const kinds = [...operations.matchAll(/^\| `([a-z-]+)` +\|.*\|.*\|$/gm)].map(([, kind]) => kind);
    expect(kinds).toEqual(expect.arrayContaining([...MISBEHAVIOURS]));
  });
});
