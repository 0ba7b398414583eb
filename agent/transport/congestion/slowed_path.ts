import type { AckSample } from '../congestion.js';
import type { PathModel } from './path_model.js';
import type { RoundTally } from './round_tally.js';

/** A round that brings less than this of the model, while a queue grows, is of a path or a receiver that has slowed down... */
const SLOWED_SHARE = 0.5;
/** ...when so many follow each other. */
const SLOWED_ROUNDS = 3;

/** A maximum remembers for seconds what was true before; a queue that grows while less comes through says otherwise. */
export class SlowedPath {
  #rounds = 0;
  #followed = false;

  /** @returns `shared` where the queue outlasted a drain: it is not that the path slowed down, somebody else takes of it. */
  onRound(sample: AckSample, round: RoundTally, model: PathModel): 'as modelled' | 'slowed' | 'shared' {
    if (!round.hasQueue(model.minRttMs)) {
      this.#rounds = 0;
      this.#followed = false;
      return 'as modelled';
    }
    if (sample.appLimited || round.rate >= SLOWED_SHARE * model.rate) return 'as modelled';
    this.#rounds++;
    if (this.#rounds < SLOWED_ROUNDS) return 'as modelled';
    this.#rounds = 0;
    if (this.#followed) return 'shared';
    this.#followed = true;
    return 'slowed';
  }
}
