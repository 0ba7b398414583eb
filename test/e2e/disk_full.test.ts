import { execFileSync } from 'node:child_process';
import { mkdir, open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { systemCode } from '../../shared/errors.js';
import { requirement } from '../support/requirement.js';
import { Member } from './support/member.js';
import { Mesh, MIB, sha256Of } from './support/mesh.js';
import { GatedSource } from './support/source.js';

const ARTIFACT_MIB = 16;
const DISK_MIB = 24;

function mayMount(): boolean {
  if (process.getuid?.() !== 0) return false;
  try {
    execFileSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** A file system that is the test's alone to fill. */
async function smallDisk(folder: string): Promise<void> {
  await mkdir(folder);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `mode=700,size=${DISK_MIB}m`, 'tmpfs', folder]);
  onTestFinished(() => void execFileSync('umount', ['-l', folder]));
}

/** Takes what is free, to the last byte. */
async function fill(path: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (;;) await file.write(Buffer.alloc(MIB));
  } catch (error) {
    expect(systemCode(error)).toBe('ENOSPC');
  } finally {
    await file.close();
  }
}

requirement(
  'a tmpfs of its own',
  mayMount(),
  'run as root, with CAP_SYS_ADMIN',
)('a full disk', () => {
  it('blocks the transfer with E_DISK_FULL, at its start or in its middle, until space is freed', async () => {
    const mesh = await Mesh.create();
    const store = mesh.storeOf('cam-1');
    await smallDisk(store);
    const ballast = join(store, 'ballast');
    const broker = await mesh.broker();
    const artifact = await mesh.artifact('firmware.img', ARTIFACT_MIB * MIB);
    await mesh.publish(artifact, broker.url);
    const source = await GatedSource.make(artifact.bytes);
    const member = await Member.join(await mesh.enroll('origin', { role: 'seed' }), source, broker.url);

    await writeFile(ballast, Buffer.alloc((DISK_MIB - ARTIFACT_MIB / 2) * MIB));
    const device = await mesh.device('cam-1', { broker: broker.url });
    const first = await device.warning('E_DISK_FULL');
    expect(first.message).toContain(store);
    expect(first.remedy).toContain('Free space');
    await device.event('progress', ({ state, error }) => state === 'blocked' && error === 'E_DISK_FULL');

    await rm(ballast);
    source.allow(20);
    await member.until('cam-1', ({ held }) => held.count === 20);
    await fill(ballast);
    const from = device.events.length;
    source.allowAll();
    await device.warning('E_DISK_FULL', from);
    await device.event('progress', ({ state, error }) => state === 'blocked' && error === 'E_DISK_FULL', from);

    await rm(ballast);
    const done = await device.event('complete');
    expect(done).toMatchObject({ state: 'complete', error: '', fromSeed: artifact.size });
    expect(await sha256Of(String(done.path))).toBe(artifact.sha256);
    expect(await device.stop()).toMatchObject({ status: 0, signal: null });
  });
});
