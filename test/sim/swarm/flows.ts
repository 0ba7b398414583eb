/**
 * Bytes as a fluid. Each node has a link up and a link down; a flow takes of both, and of what its links have left all flows take alike, in
 * a few rounds: no link carries more than it can, and one that is wanted is left idle only where the other ends are full (max-min fairness,
 * Bertsekas and Gallager, Data Networks, §6.5.2, broken off after the rounds that matter). Columns, so that a million flows are a few
 * megabytes.
 */

/** After three rounds a link has less than a few per cent left that a flow could take. */
const ROUNDS = 3;
/** Bytes per second that are nothing. */
const NOTHING = 1;
const FIRST_FLOWS = 1024;

export class Flows {
  /** Bytes per second, by node. */
  readonly #up: Float64Array;
  readonly #down: Float64Array;
  readonly #upLeft: Float64Array;
  readonly #downLeft: Float64Array;
  readonly #upTaken: Float64Array;
  readonly #downTaken: Float64Array;
  readonly #upFlows: Int32Array;
  readonly #downFlows: Int32Array;
  /** By flow. */
  #from = new Int32Array(FIRST_FLOWS);
  #to = new Int32Array(FIRST_FLOWS);
  #rate = new Float64Array(FIRST_FLOWS);
  #runs = new Uint8Array(FIRST_FLOWS);
  /** Flows that run, in no order. */
  #running = new Int32Array(FIRST_FLOWS);
  #count = 0;
  readonly #spare: number[] = [];
  #made = 0;

  constructor(up: Float64Array, down: Float64Array) {
    const nodes = up.length;
    this.#up = up;
    this.#down = down;
    [this.#upLeft, this.#downLeft, this.#upTaken, this.#downTaken] = [
      ...[new Float64Array(nodes), new Float64Array(nodes)],
      ...[new Float64Array(nodes), new Float64Array(nodes)],
    ] as [Float64Array, Float64Array, Float64Array, Float64Array];
    this.#upFlows = new Int32Array(nodes);
    this.#downFlows = new Int32Array(nodes);
  }

  get running(): number {
    return this.#count;
  }

  /** One that does not run yet. @returns its number */
  add(from: number, to: number): number {
    const flow = this.#spare.pop() ?? this.#made++;
    if (flow >= this.#from.length) this.#grow();
    this.#from[flow] = from;
    this.#to[flow] = to;
    return flow;
  }

  /** Its number is used again. */
  remove(flow: number): void {
    this.#runs[flow] = 0;
    this.#spare.push(flow);
  }

  start(flow: number): void {
    this.#runs[flow] = 1;
  }

  stop(flow: number): void {
    this.#runs[flow] = 0;
  }

  /** Shares the links among the flows that run, and tells what each brings. @param brought flow, bytes per second */
  share(brought: (flow: number, rate: number) => void): void {
    this.#gather();
    this.#upLeft.set(this.#up);
    this.#downLeft.set(this.#down);
    this.#rate.fill(0, 0, this.#made);
    for (let round = 0; round < ROUNDS; round++) {
      this.#countOpen();
      this.#give();
      this.#take();
    }
    for (let i = 0; i < this.#count; i++) {
      const flow = this.#running[i] ?? 0;
      brought(flow, this.#rate[flow] ?? 0);
    }
  }

  #gather(): void {
    let count = 0;
    for (let flow = 0; flow < this.#made; flow++) if (this.#runs[flow] === 1) this.#running[count++] = flow;
    this.#count = count;
  }

  #countOpen(): void {
    this.#upFlows.fill(0);
    this.#downFlows.fill(0);
    for (let i = 0; i < this.#count; i++) {
      const flow = this.#running[i] as number;
      const [from, to] = [this.#from[flow] as number, this.#to[flow] as number];
      if ((this.#upLeft[from] as number) <= NOTHING || (this.#downLeft[to] as number) <= NOTHING) continue;
      (this.#upFlows[from] as number)++;
      (this.#downFlows[to] as number)++;
    }
  }

  #give(): void {
    this.#upTaken.fill(0);
    this.#downTaken.fill(0);
    for (let i = 0; i < this.#count; i++) {
      const flow = this.#running[i] as number;
      const [from, to] = [this.#from[flow] as number, this.#to[flow] as number];
      const [up, down] = [this.#upLeft[from] as number, this.#downLeft[to] as number];
      if (up <= NOTHING || down <= NOTHING) continue;
      const given = Math.min(up / (this.#upFlows[from] as number), down / (this.#downFlows[to] as number));
      (this.#rate[flow] as number) += given;
      (this.#upTaken[from] as number) += given;
      (this.#downTaken[to] as number) += given;
    }
  }

  #take(): void {
    for (let node = 0; node < this.#up.length; node++) {
      (this.#upLeft[node] as number) -= this.#upTaken[node] as number;
      (this.#downLeft[node] as number) -= this.#downTaken[node] as number;
    }
  }

  #grow(): void {
    const wider = <T extends Int32Array | Float64Array | Uint8Array>(column: T, made: T): T => {
      made.set(column as never);
      return made;
    };
    const length = this.#from.length * 2;
    this.#from = wider(this.#from, new Int32Array(length));
    this.#to = wider(this.#to, new Int32Array(length));
    this.#rate = wider(this.#rate, new Float64Array(length));
    this.#running = wider(this.#running, new Int32Array(length));
    this.#runs = wider(this.#runs, new Uint8Array(length));
  }
}
