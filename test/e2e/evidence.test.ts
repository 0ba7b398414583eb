import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { expect, it, vi } from 'vitest';
import { type Command, chunkmesh, refusal } from '../support/command.js';
import { Member } from './support/member.js';
import { Mesh, MIB } from './support/mesh.js';
import { GatedSource } from './support/source.js';

/** P-15.1, P-15.2: a fleet member that serves wrong bytes is named, to the operator too, with what it sent. */

const PATIENCE = { timeout: 30_000 };
const GOOD_CHUNKS = 5;

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

interface Row {
  readonly device: string;
  readonly online: boolean;
  readonly reports: readonly { device: string; artifact: string; chunk: number; expected: string; found: string }[];
}

interface Kept {
  readonly accused: string;
  readonly certificate: string;
  readonly found: string;
  readonly state: string;
  readonly path: string;
}

async function statusOf(mesh: Mesh, broker: string, id: string): Promise<Row | undefined> {
  const { stdout } = await chunkmesh(['status', '--fleet', mesh.folder, '--broker', broker, '--json']);
  return (JSON.parse(stdout) as { devices: Row[] }).devices.find(({ device }) => device === id);
}

async function evidenceOf(mesh: Mesh, id: string): Promise<Kept[]> {
  const { stdout, status } = await chunkmesh(['evidence', '--store', mesh.storeOf(id), '--json']);
  expect(status).toBe(0);
  return (JSON.parse(stdout) as { evidence: Kept[] }).evidence;
}

async function lied(mesh: Mesh, broker: string): Promise<[Command, Buffer[]]> {
  const artifact = await mesh.artifact('firmware.img', 4 * MIB);
  await mesh.publish(artifact, broker);
  const wrong: Buffer[] = [];
  let served = 0;
  const source = await GatedSource.make(artifact.bytes, (_, bytes) => {
    if (++served <= GOOD_CHUNKS) return;
    bytes[served % bytes.length] = (bytes[served % bytes.length] ?? 0) ^ 1;
    wrong.push(Buffer.from(bytes));
  });
  source.allowAll();
  await Member.join(await mesh.enroll('mallory'), source, broker);
  const device = await mesh.device('cam-1', { broker });
  await device.warning('E_CHUNK_WRONG');
  return [device, wrong];
}

it('the operator sees who, what and when, also when he was away, and the device has what came, over restarts', async () => {
  const mesh = await Mesh.create();
  const { url: broker } = await mesh.broker();
  const [device, wrong] = await lied(mesh, broker);
  await vi.waitFor(async () => expect((await statusOf(mesh, broker, 'cam-1'))?.reports).toHaveLength(1), PATIENCE);
  expect((await device.stop()).status).toBe(0);

  // Retained: who accuses is gone by now.
  const row = await statusOf(mesh, broker, 'cam-1');
  expect(row).toMatchObject({ online: false, reports: [{ device: 'mallory' }] });
  const hashes = wrong.map(sha256);
  expect(hashes).toContain(row?.reports[0]?.found);
  const { stdout } = await chunkmesh(['status', '--fleet', mesh.folder, '--broker', broker]);
  expect(stdout).toMatch(/^wrong bytes from mallory, by report of cam-1 \(chunk \d+ of firmware 1\.0\.0,.* s ago\)$/m);

  const kept = await evidenceOf(mesh, 'cam-1');
  expect(kept.length).toBeGreaterThan(0);
  const { roster } = JSON.parse(await readFile(`${mesh.folder}/fleet.json`, 'utf8'));
  const { fingerprint } = roster.find(({ id }: { id: string }) => id === 'mallory');
  for (const { accused, certificate, found, state, path } of kept) {
    expect([accused, certificate, state]).toEqual(['mallory', fingerprint, 'kept']);
    expect(hashes).toContain(found);
    expect(sha256(await readFile(path))).toBe(found);
  }

  const again = mesh.agent('cam-1', { broker });
  await vi.waitFor(async () => {
    expect(await statusOf(mesh, broker, 'cam-1')).toMatchObject({ online: true, reports: [{ device: 'mallory' }] });
  }, PATIENCE);
  expect((await evidenceOf(mesh, 'cam-1')).map(({ path }) => path)).toEqual(
    expect.arrayContaining(kept.map(({ path }) => path)),
  );
  expect((await again.stop()).status).toBe(0);

  await writeFile(kept[0]?.path ?? '', 'something else');
  const damaged = await chunkmesh(['evidence', '--store', mesh.storeOf('cam-1')]);
  expect([damaged.status, refusal(damaged.stderr).code]).toEqual([1, 'E_EVIDENCE']);
  expect(damaged.stdout).toMatch(/^mallory .* damaged$/m);
});

it('a store without evidence has none, and a folder that is no store is said to be none', async () => {
  const mesh = await Mesh.create();
  const none = await chunkmesh(['evidence', '--store', mesh.root]);
  expect([none.status, refusal(none.stderr).code]).toEqual([2, 'E_FILE_UNREADABLE']);
});
