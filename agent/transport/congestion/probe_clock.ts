import type { AckSample } from '../congestion.js';
import type { PathModel } from './path_model.js';

/** draft-ietf-ccwg-bbr-06 §5.3.3.8.2: between probes for more; the rest of the wait is up to a second at random. */
const PROBE_WAIT_MS = 2000;
const PROBE_WAIT_SPREAD_MS = 1000;
/** §5.3.3.8.2: and no longer than Reno takes to grow by as much, at most these round trips. */
const MAX_PROBE_ROUNDS = 63;

/** When a path is probed for more. */
export class ProbeClock {
  #beganAt = 0;
  #waitMs = 0;

  begin({ now, delivered }: AckSample): void {
    this.#beganAt = now;
    // Odd bytes are as good as random here: two flows must only not keep step.
    this.#waitMs = PROBE_WAIT_MS + (PROBE_WAIT_SPREAD_MS * ((delivered * 0.618_034) % 1000)) / 1000;
  }

  isDue(now: number, model: PathModel): boolean {
    const passed = now - this.#beganAt;
    if (passed >= this.#waitMs) return true;
    const rounds = Math.min(model.inFlight(1) / model.datagramBytes, MAX_PROBE_ROUNDS);
    return passed >= rounds * model.minRttMs && passed >= PROBE_WAIT_MS / 8;
  }
}
