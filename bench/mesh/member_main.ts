import process from 'node:process';
import { Agent } from '../../agent/agent.js';
import { busClient } from './bus_client.js';
import { ownSockets } from './own_socket.js';
import { Tap } from './tap.js';
import type { FromMember, Mark, Start, ToMember } from './wire.js';

/** A member of a mesh: one real agent in a process of its own, its MQTT connection replaced by a pipe. */

/** The mesh may be gone already: then so is this, at once. */
const send = (message: FromMember): void => void process.send?.(message, undefined, undefined, () => {});
const { client, deliver } = busClient(send);
let agent: Agent | undefined;
let tap: Tap | undefined;

/** The same for all processes of a machine. */
const now = (): number => Number(process.hrtime.bigint()) / 1e6;

function bytesHeld(): number {
  const [rollout] = agent?.status().rollouts ?? [];
  return rollout === undefined ? 0 : rollout.fromSeed + rollout.fromPeers;
}

function mark(): Mark {
  const { user, system } = process.cpuUsage();
  return {
    ms: now(),
    cpuSeconds: (user + system) / 1e6,
    dropped: ownSockets().reduce((sum, { dropped }) => sum + dropped, 0),
    bytes: bytesHeld(),
    bytesFromDisk: agent?.status().rollouts[0]?.fromDisk ?? 0,
    peers: agent?.status().peers ?? 0,
    sessions: tap?.sessions ?? [],
    movedMs: tap?.movedMs ?? Number.NEGATIVE_INFINITY,
    endedMs: tap?.endedMs ?? Number.POSITIVE_INFINITY,
  };
}

/** Tells how far the one rollout has come. */
function watch(watched: Agent, everyMs: number): void {
  let told = -1;
  let phase: 'before' | 'fetching' | 'held' = 'before';
  const timer = setInterval(() => {
    const [rollout] = watched.status().rollouts;
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
  }, everyMs);
}

async function start({ credential, store, seeds, watched, watchMs, host, limits, tapped }: Start): Promise<void> {
  if (tapped) tap = new Tap(now);
  agent = new Agent({ credential, store, seeds, listen: { host }, mqtt: client, joinWindowMs: 0, limits });
  agent.on('warning', ({ code, message }) => send({ kind: 'failed', why: `${code}: ${message}` }));
  if (watched) {
    agent.on('complete', () => send({ kind: 'complete', mark: mark() }));
    watch(agent, watchMs);
  }
  await agent.start();
  send({ kind: 'running', port: ownSockets()[0]?.port ?? 0 });
}

function stall(ms: number): void {
  for (const until = now() + ms; now() < until; );
}

async function obey(message: ToMember): Promise<void> {
  if (message.kind === 'message') deliver(message.message);
  else if (message.kind === 'mark') send({ kind: 'mark', mark: mark() });
  else if (message.kind === 'limits') agent?.setLimits(message.limits);
  else if (message.kind === 'stall') stall(message.ms);
  else if (message.kind === 'start') await start(message.options);
  else if (tap !== undefined) send({ kind: 'recorded', recorded: await tap.record() });
}

process.on('message', (message: ToMember) => {
  obey(message).catch((error: unknown) => send({ kind: 'failed', why: String(error) }));
});
// The mesh ends its members so; where it died, they follow.
process.on('disconnect', () => process.exit(0));
