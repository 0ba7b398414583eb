import { SeededRandom } from './random.js';

/** What time brings something to. */
export interface Target<T> {
  take(now: number, item: T): void;
}

/** Virtual time: what is to happen, soonest first, and of one moment in the order it was asked for. A binary heap. */
export class World {
  now = 0;
  readonly random: SeededRandom;
  readonly #at: number[] = [];
  readonly #order: number[] = [];
  readonly #target: Target<unknown>[] = [];
  readonly #item: unknown[] = [];
  #next = 0;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
  }

  schedule<T>(at: number, target: Target<T>, item: T): void {
    const i = this.#at.length;
    this.#at.push(0);
    this.#order.push(0);
    this.#target.push(target as Target<unknown>);
    this.#item.push(item);
    this.#siftUp(i, Math.max(at, this.now), this.#next++, target as Target<unknown>, item);
  }

  /** Calls `action` at a moment. */
  at(time: number, action: () => void): void {
    this.schedule(time, { take: action }, null);
  }

  /** Runs until virtual time is `untilMs`. */
  run(untilMs: number): void {
    while (this.#at.length > 0 && (this.#at[0] ?? 0) <= untilMs) this.#step();
    this.now = untilMs;
  }

  /** The same, but only up to the step after which `stops` says so: what it led to outside of virtual time is to happen first. */
  runUntil(untilMs: number, stops: () => boolean): void {
    while (this.#at.length > 0 && (this.#at[0] ?? 0) <= untilMs) {
      this.#step();
      if (stops()) return;
    }
    this.now = untilMs;
  }

  #step(): void {
    const at = this.#at[0] ?? 0;
    const target = this.#target[0];
    const item = this.#item[0];
    const last = this.#at.length - 1;
    const lastAt = this.#at.pop() ?? 0;
    const lastOrder = this.#order.pop() ?? 0;
    const lastTarget = this.#target.pop();
    const lastItem = this.#item.pop();
    if (last > 0 && lastTarget !== undefined) this.#siftDown(lastAt, lastOrder, lastTarget, lastItem);
    this.now = at;
    target?.take(at, item);
  }

  #set(i: number, at: number, order: number, target: Target<unknown>, item: unknown): void {
    this.#at[i] = at;
    this.#order[i] = order;
    this.#target[i] = target;
    this.#item[i] = item;
  }

  #isBefore(i: number, at: number, order: number): boolean {
    const other = this.#at[i] ?? 0;
    return other < at || (other === at && (this.#order[i] ?? 0) < order);
  }

  #move(from: number, to: number): void {
    const target = this.#target[from];
    if (target !== undefined) this.#set(to, this.#at[from] ?? 0, this.#order[from] ?? 0, target, this.#item[from]);
  }

  #siftUp(from: number, at: number, order: number, target: Target<unknown>, item: unknown): void {
    let i = from;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (this.#isBefore(parent, at, order)) break;
      this.#move(parent, i);
      i = parent;
    }
    this.#set(i, at, order, target, item);
  }

  #siftDown(at: number, order: number, target: Target<unknown>, item: unknown): void {
    const count = this.#at.length;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= count) break;
      if (child + 1 < count && this.#isBefore(child + 1, this.#at[child] ?? 0, this.#order[child] ?? 0)) child++;
      if (!this.#isBefore(child, at, order)) break;
      this.#move(child, i);
      i = child;
    }
    this.#set(i, at, order, target, item);
  }
}
