import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Command } from '../support/command.js';
import { Member } from './support/member.js';
import { Mesh, MIB, sha256Of } from './support/mesh.js';
import { GatedSource } from './support/source.js';

/** Two of five peers are malicious, each in its own way: one serves wrong bytes, and one has everything and serves nothing. */

const HONEST = ['cam-1', 'cam-2', 'cam-3'];
const LOOK_MS = 200;

/** Whom the device names in its metrics, as Prometheus reads them. */
async function named(device: Command): Promise<Set<string>> {
  const { url } = await device.event('metrics');
  const text = await (await fetch(String(url))).text();
  const lines = text.matchAll(/^chunkmesh_peer_misbehaviour_total\{device="([^"]+)",kind="([^"]+)"\} \d+$/gm);
  return new Set([...lines].map(([, peer, kind]) => `${peer} ${kind}`));
}

it('2 of 5 peers that serve wrong bytes, or nothing: the others complete, and name each of them in their metrics (P-10.4)', async () => {
  const mesh = await Mesh.create();
  const broker = await mesh.broker();
  const artifact = await mesh.artifact('firmware.img', 3 * MIB);
  await mesh.publish(artifact, broker.url);
  const wrong = await GatedSource.make(artifact.bytes, (_, bytes) => {
    bytes[0] = (bytes[0] ?? 0) ^ 1;
  });
  wrong.allowAll();
  const [liar, miser] = await Promise.all([
    Member.join(await mesh.enroll('mallory'), wrong, broker.url),
    Member.join(await mesh.enroll('miser'), await GatedSource.make(artifact.bytes), broker.url),
  ]);
  const metrics = { broker: broker.url, more: ['--metrics', '127.0.0.1:0'] };
  const devices = await Promise.all(HONEST.map((id) => mesh.device(id, metrics)));
  // Nobody honest has anything yet: each device meets both.
  for (const [i, device] of devices.entries()) {
    await device.warning('E_CHUNK_WRONG');
    await miser.until(HONEST[i] ?? '', ({ asked }) => asked.size > 0);
  }
  const all = new Set<string>();
  while (!(all.has('mallory wrong-bytes') && all.has('miser stalled'))) {
    for (const device of devices) for (const line of await named(device)) all.add(line);
    await delay(LOOK_MS);
  }

  await mesh.seed(broker.url, artifact);
  for (const device of devices) {
    const done = await device.event('complete');
    expect(await sha256Of(String(done.path))).toBe(artifact.sha256);
  }
  for (const device of devices) {
    const lines = await named(device);
    expect(lines).toContain('mallory wrong-bytes');
    // On a machine that is loaded who is honest may be late.
    const hostile = [...lines].filter((line) => /^(cam|seed).* (wrong-bytes|false-have|flood|protocol)$/.test(line));
    expect(hostile).toEqual([]);
  }
  expect(liar.sessions.filter(({ device }) => device === 'cam-1')).toHaveLength(1);
});
