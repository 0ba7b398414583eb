import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SendQueue, type ServePart } from '../../../agent/transport/send_queue.js';
import { SENT_RECORDS } from '../../../agent/transport/sent_packets.js';
import { runs } from '../../support/runs.js';

/** A range that is on its way. */
interface Flying {
  readonly part: ServePart;
  readonly offset: number;
  readonly length: number;
}

/** Takes the next range, no longer than `most`. */
function send(queue: SendQueue, most: number): Flying | null {
  const part = queue.peek();
  if (part === null) return null;
  const { nextOffset: offset } = queue;
  const length = Math.min(most, queue.nextLength);
  queue.advance(length);
  return { part, offset, length };
}

interface Wanted {
  readonly chunk: number;
  readonly offset: number;
  readonly length: number;
  /** Bytes that have come, by offset in the chunk. */
  readonly come: Set<number>;
  served: number;
  done: number;
}

/** Beside the queue, the peer's requests by plain sets of bytes. */
class Model {
  readonly queue = new SendQueue();
  readonly #wanted = new Map<number, Wanted>();
  #flying: Flying[] = [];
  readonly #ended: Wanted[] = [];

  hold(chunk: number, length: number): void {
    const known = this.#wanted.has(chunk);
    if (known) return;
    expect(this.queue.hold(chunk, 0, length)).toBe('taken');
    this.#wanted.set(chunk, { chunk, offset: 0, length, come: new Set(), served: 0, done: 0 });
  }

  serve(chunk: number, length: number): void {
    const wanted = this.#wanted.get(chunk);
    const fits = wanted !== undefined && wanted.served + length <= wanted.length;
    const bytes = new Uint8Array(length);
    const taken = this.queue.serve(chunk, wanted?.served ?? 0, bytes, () => {
      if (wanted !== undefined) wanted.done++;
    });
    expect(taken).toBe(fits);
    if (wanted !== undefined && fits) wanted.served += length;
  }

  send(most: number): boolean {
    const one = send(this.queue, most);
    if (one === null) return false;
    expect(this.#wanted.has(one.part.held.chunk)).toBe(true);
    expect(one.offset + one.length).toBeLessThanOrEqual(one.part.bytes.length);
    this.#flying.push(one);
    return true;
  }

  /** @param at of those on their way, from 0 up to 1. */
  land(at: number, lost: boolean): void {
    const [one] = this.#flying.splice(Math.floor(at * this.#flying.length), 1);
    if (one === undefined) return;
    const { part, offset, length } = one;
    if (lost) this.queue.onLost(part, offset, length);
    else {
      const wanted = this.#wanted.get(part.held.chunk);
      if (wanted !== undefined && !part.held.over)
        for (let i = 0; i < length; i++) wanted.come.add(part.offset + offset + i);
      this.queue.onAcked(part, length);
      if (wanted !== undefined && wanted.come.size === wanted.length) this.#end(wanted);
    }
  }

  drop(chunk: number): void {
    const wanted = this.#wanted.get(chunk);
    expect(this.queue.drop(chunk)).toBe(wanted !== undefined);
    if (wanted !== undefined) this.#end(wanted);
  }

  check(): void {
    let pending = 0;
    for (const { served, come } of this.#wanted.values()) pending += served - come.size;
    expect(this.queue.pendingBytes).toBe(pending);
    expect(this.queue.heldCount).toBe(this.#wanted.size);
  }

  /** Serves, sends and lands all there is: then nothing is left, and each who served was told so once. */
  drain(): void {
    for (const { chunk, length, served } of [...this.#wanted.values()])
      if (served < length) this.serve(chunk, length - served);
    while (this.send(1000) || this.#flying.length > 0) while (this.#flying.length > 0) this.land(0, false);
    expect([this.queue.pendingBytes, this.queue.heldCount, this.#wanted.size]).toEqual([0, 0, 0]);
  }

  #end(wanted: Wanted): void {
    this.#wanted.delete(wanted.chunk);
    this.#ended.push(wanted);
    expect(wanted.done).toBeLessThanOrEqual(wanted.served);
  }
}

const chunks = fc.nat(3);
const steps = fc.array(
  fc.oneof(
    fc.tuple(fc.constant('hold' as const), chunks, fc.integer({ min: 1, max: 300 })),
    fc.tuple(fc.constant('serve' as const), chunks, fc.integer({ min: 1, max: 200 })),
    fc.tuple(fc.constant('send' as const), fc.integer({ min: 1, max: 90 }), fc.constant(0)),
    fc.tuple(fc.constant('send' as const), fc.integer({ min: 1, max: 90 }), fc.constant(0)),
    fc.tuple(fc.constant('lost' as const), fc.double({ min: 0, max: 0.999, noNaN: true }), fc.constant(0)),
    fc.tuple(fc.constant('came' as const), fc.double({ min: 0, max: 0.999, noNaN: true }), fc.constant(0)),
    fc.tuple(fc.constant('drop' as const), chunks, fc.constant(0)),
  ),
  { maxLength: 120 },
);

describe('SendQueue', () => {
  it('P-8.2 sends every byte until it came, whatever is lost, split or dropped on the way', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const model = new Model();
        for (const [what, one, other] of all) {
          if (what === 'hold') model.hold(one, other);
          else if (what === 'serve') model.serve(one, other);
          else if (what === 'send') model.send(one);
          else if (what === 'drop') model.drop(one);
          else model.land(one, what === 'lost');
          model.check();
        }
        model.drain();
      }),
      runs(300),
    );
  });

  it('keeps every lost range where more wait than packets have records: large ones, split and lost again', () => {
    const queue = new SendQueue();
    const ranges = SENT_RECORDS;
    queue.hold(0, 0, 8 * ranges);
    queue.serve(0, 0, new Uint8Array(8 * ranges));
    let flying: Flying[] = [];
    const lose = (most: number, count: number) => {
      for (let i = 0; i < count; i++) {
        const one = send(queue, most);
        if (one !== null) flying.push(one);
      }
      for (const { part, offset, length } of flying) queue.onLost(part, offset, length);
      flying = [];
    };
    lose(8, ranges);
    lose(1, ranges);
    let came = 0;
    for (let one = send(queue, 8); one !== null; one = send(queue, 8)) {
      came += one.length;
      queue.onAcked(one.part, one.length);
    }
    expect([came, queue.pendingBytes]).toEqual([8 * ranges, 0]);
  });
});
