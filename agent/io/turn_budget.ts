/** So much of a kind of work in one turn of the event loop, whoever does it: everything else has its turn between. */
export class TurnBudget {
  readonly #most: number;
  #spent = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get isSpent(): boolean {
    return this.#spent >= this.#most;
  }

  /** What was begun is done, though it be more than is left. */
  spend(amount: number): void {
    if (this.#spent === 0) {
      setImmediate(() => {
        this.#spent = 0;
      });
    }
    this.#spent += amount;
  }
}
