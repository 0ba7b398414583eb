import { randomBytes, randomInt } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { MAX_DATAGRAM_BYTES } from '../../shared/limits.js';
import type { Command } from '../support/command.js';
import { type Agreed, Member } from './support/member.js';
import { Mesh, MIB, sha256Of } from './support/mesh.js';
import { GatedSource } from './support/source.js';

const RATE_PER_SECOND = 10_000;
const TURN_MS = 5;
const SAMPLE_MS = 50;
const IDLE_MS = 1500;
const LEAST_MS = 3000;
/** What an agent needs for a transfer, buffers and the heap's slack included; a leak of 10,000 a second passes it soon. */
const MAX_RESIDENT_BYTES = 256 * MIB;
const MAX_IDLE_GROWTH_BYTES = 48 * MIB;
const MAX_SNIFFED = 500;
const FIRST_BYTE = Buffer.of(0x41); // P-6.1

/** Copies of what leaves on a session from now on, as somebody on the path would have them. */
function sniff({ session }: Agreed): Buffer[] {
  const seen: Buffer[] = [];
  const poll = session.poll.bind(session);
  session.poll = (now, into) => {
    const length = poll(now, into);
    if (length > 0 && seen.length < MAX_SNIFFED) seen.push(Buffer.from(into.subarray(0, length)));
    return length;
  };
  return seen;
}

/** What the flood is made of, in turn. */
function garbage(sessionId: Uint8Array, sniffed: readonly Buffer[]): readonly (() => Buffer)[] {
  const any = (): Buffer => sniffed[randomInt(Math.max(1, sniffed.length))] ?? Buffer.alloc(0);
  return [
    () => randomBytes(randomInt(0, 1400)),
    () => Buffer.concat([FIRST_BYTE, randomBytes(1199)]),
    () => Buffer.concat([FIRST_BYTE, sessionId, randomBytes(1191)]),
    () => Buffer.concat([FIRST_BYTE, sessionId, Buffer.alloc(6), randomBytes(randomInt(0, 40))]),
    () => Buffer.concat([FIRST_BYTE, sessionId, randomBytes(MAX_DATAGRAM_BYTES)]),
    // Word for word, cut short, with the number of a packet to come, with one bit turned.
    any,
    () => any().subarray(0, -1),
    () => Buffer.concat([any().subarray(0, 9), randomBytes(6), any().subarray(15)]),
    () => {
      const changed = Buffer.from(any());
      if (changed.length > 0) changed[changed.length - 1] = (changed[changed.length - 1] ?? 0) ^ 1;
      return changed;
    },
  ];
}

class Flood {
  sent = 0;
  replies = 0;
  readonly #socket: Socket;
  readonly #since = performance.now();
  readonly #timer: NodeJS.Timeout;
  #stopped = false;

  private constructor(socket: Socket, [host, port]: readonly [string, number], kinds: readonly (() => Buffer)[]) {
    this.#socket = socket;
    socket.on('message', () => {
      this.replies++;
    });
    this.#timer = setInterval(() => {
      for (const due = (this.elapsedMs * RATE_PER_SECOND) / 1000; this.sent < due; this.sent++) {
        const kind = kinds[this.sent % kinds.length];
        if (kind !== undefined) socket.send(kind(), port, host, () => {});
      }
    }, TURN_MS);
  }

  static async start(target: readonly [string, number], kinds: readonly (() => Buffer)[]): Promise<Flood> {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const flood = new Flood(socket, target, kinds);
    onTestFinished(() => flood.stop());
    return flood;
  }

  get elapsedMs(): number {
    return performance.now() - this.#since;
  }

  /** Goes on until then. @returns the most memory that the agent had meanwhile. */
  async until(elapsedMs: number, agent: Command): Promise<number> {
    let most = agent.residentBytes;
    while (this.elapsedMs < elapsedMs) {
      await setTimeout(SAMPLE_MS);
      most = Math.max(most, agent.residentBytes);
    }
    return most;
  }

  stop(): void {
    clearInterval(this.#timer);
    if (!this.#stopped) this.#socket.close();
    this.#stopped = true;
  }
}

it('garbage datagrams at 10,000/s are dropped unanswered, and a transfer completes meanwhile (P-6.6)', async () => {
  const mesh = await Mesh.create();
  const broker = await mesh.broker();
  const artifact = await mesh.artifact('firmware.img', 20 * MIB);
  await mesh.publish(artifact, broker.url);
  const source = await GatedSource.make(artifact.bytes);
  const member = await Member.join(await mesh.enroll('origin', { role: 'seed' }), source, broker.url);
  const device = await mesh.device('cam-1', { broker: broker.url });
  const agreed = await member.until('cam-1', ({ session }) => session.isOpen);
  const sniffed = sniff(agreed);
  source.allow(20);
  await member.until('cam-1', ({ held }) => held.count === 20);
  expect(sniffed.length).toBeGreaterThan(100);
  const [target] = agreed.candidates;
  if (target === undefined) throw new Error('the device named no address');

  const before = device.residentBytes;
  const flood = await Flood.start(target, garbage(agreed.remoteId, sniffed));
  expect((await flood.until(IDLE_MS, device)) - before).toBeLessThan(MAX_IDLE_GROWTH_BYTES);
  source.allowAll();
  const done = await device.event('complete');
  expect(await flood.until(LEAST_MS, device)).toBeLessThan(MAX_RESIDENT_BYTES);
  flood.stop();

  expect(flood.sent).toBeGreaterThan((0.95 * LEAST_MS * RATE_PER_SECOND) / 1000);
  expect(flood.replies).toBe(0);
  expect(await sha256Of(String(done.path))).toBe(artifact.sha256);
  expect(done).toMatchObject({ fromSeed: artifact.size });
  expect(member.sessions.map(({ device: id }) => id)).toEqual(['cam-1']);
  expect(device.warnings).toEqual([]);
  expect(await device.stop()).toMatchObject({ status: 0, signal: null });
});
