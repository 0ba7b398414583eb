import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import process from 'node:process';
import { Agent } from '../../agent/agent.js';
import { busClient } from './bus_client.js';
import type { FromMember, Mark, Start, ToMember } from './wire.js';

/** A member of a mesh: one real agent in a process of its own, its MQTT connection replaced by a pipe. */

/** Fine enough for a rate over seconds, and nothing beside what a transfer costs. */
const WATCH_MS = 20;
/** /proc/net/udp, see proc(5). */
const INODE_COLUMN = 9;
const DROPS_COLUMN = 12;

const send = (message: FromMember): void => void process.send?.(message);
const { client, deliver } = busClient(send);

function socketInodes(): Set<string> {
  const inodes = new Set<string>();
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
      if (inode !== undefined) inodes.add(inode);
    } catch {
      // Closed meanwhile.
    }
  }
  return inodes;
}

function dropped(): number {
  const own = socketInodes();
  let drops = 0;
  for (const line of readFileSync('/proc/self/net/udp', 'utf8').split('\n').slice(1)) {
    const columns = line.trim().split(/\s+/);
    if (own.has(columns[INODE_COLUMN] ?? '')) drops += Number(columns[DROPS_COLUMN] ?? 0);
  }
  return drops;
}

function mark(): Mark {
  const { user, system } = process.cpuUsage();
  return { ms: Number(process.hrtime.bigint()) / 1e6, cpuSeconds: (user + system) / 1e6, dropped: dropped() };
}

/** Tells how far the one rollout has come. */
function watch(agent: Agent): void {
  let told = -1;
  let phase: 'before' | 'fetching' | 'held' = 'before';
  const timer = setInterval(() => {
    const [rollout] = agent.status().rollouts;
    if (rollout === undefined) return;
    const bytes = rollout.fromSeed + rollout.fromPeers;
    if (phase === 'before' && rollout.state === 'fetching') {
      phase = 'fetching';
      send({ kind: 'fetching', mark: mark() });
    }
    if (bytes !== told) send({ kind: 'bytes', bytes });
    told = bytes;
    if (phase === 'held' || rollout.held < rollout.chunks) return;
    phase = 'held';
    send({ kind: 'held', mark: mark() });
    clearInterval(timer);
  }, WATCH_MS);
}

async function start({ credential, store, seeds, host }: Start): Promise<void> {
  const agent = new Agent({ credential, store, seeds, listen: { host }, mqtt: client, joinWindowMs: 0 });
  agent.on('warning', ({ code, message }) => send({ kind: 'failed', why: `${code}: ${message}` }));
  if (seeds.length === 0) {
    agent.on('complete', () => send({ kind: 'complete', mark: mark() }));
    watch(agent);
  }
  await agent.start();
  send({ kind: 'running' });
}

process.on('message', (message: ToMember) => {
  if (message.kind === 'message') deliver(message.message);
  else if (message.kind === 'mark') send({ kind: 'mark', mark: mark() });
  else start(message.options).catch((error: unknown) => send({ kind: 'failed', why: String(error) }));
});
// The mesh ends its members so; where it died, they follow.
process.on('disconnect', () => process.exit(0));
