import { EventEmitter } from 'node:events';
import { asError, type ChunkmeshError } from '../../shared/errors.js';
import type { Member } from '../fleet/fleet_file.js';
import type { DeviceRow } from '../status/device_row.js';
import { MAX_REASON_LENGTH, type Quarantine } from './quarantine.js';
import { type GuardMemory, remember, ShortMemory, standingOf } from './remembered.js';
import { type Accusation, checkRules, type GuardRules, type Judgement, judge } from './verdict.js';

/** Reads what devices report of each other, and quarantines by itself who enough of them accuse (P-15.3, P-15.4). */

/** Past it a person is to look before more go: a fault that so many have in common, or an attack on the guard itself. */
export const MAX_QUARANTINES_PER_DAY = 8;
/** Of reporters in a reason. Ids at their longest leave room for no more. */
const MOST_NAMED = 2;

export interface GuardOptions {
  readonly rules: GuardRules;
  /** Every device's newest status. */
  rows(): readonly DeviceRow[];
  /** The fleet's members, read anew each time: who was enrolled meanwhile counts. */
  roster(): Promise<readonly Member[]>;
  readonly quarantine: Quarantine;
  /** Default for as long as it runs. */
  readonly memory?: GuardMemory;
  /** Seconds since the epoch. */
  now(): number;
}

export interface GuardEvents {
  /** Thrown out just now. */
  quarantined: [Accusation, reason: string];
  /** At the threshold, and nothing is done about it: a person is to look. */
  contested: [Accusation];
  braked: [Accusation];
  /** Below the threshold; told anew when anything of it changes. */
  accused: [Accusation];
  suspicious: [{ readonly device: string; readonly accuses: number }];
  /** It could not be done, or the list not be read: tried again with the next look. */
  failed: [ChunkmeshError];
}

export class Guard extends EventEmitter<GuardEvents> {
  readonly #options: GuardOptions;
  readonly #memory: GuardMemory;
  /** What was told and is so still. */
  #told: ReadonlySet<string> = new Set();
  #looking: Promise<void> | null = null;
  #again = false;

  /** @throws E_ARGUMENT for rules by which a liar alone could frame another (P-15.3) */
  constructor(options: GuardOptions) {
    super();
    checkRules(options.rules);
    this.#options = options;
    this.#memory = options.memory ?? new ShortMemory();
  }

  /** Judges by what there is now, and acts. Where a look is under way, another follows it. Never throws: see `failed`. */
  look(): Promise<void> {
    this.#again = true;
    this.#looking ??= this.#lookWhileWanted().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  /** Waits for a look that is under way. */
  async idle(): Promise<void> {
    await this.#looking;
  }

  async #lookWhileWanted(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      try {
        await this.#look();
      } catch (error) {
        this.emit('failed', asError(error, 'the guard'));
      }
    }
  }

  async #look(): Promise<void> {
    const { rules, rows, roster, quarantine, now } = this.#options;
    const peers = (await roster()).filter(({ role }) => role === 'device' || role === 'seed');
    const members = new Map(peers.map(({ id, site }) => [id, site]));
    let known = remember(await this.#memory.read(), await quarantine.standing(), rules.windowSeconds, now());
    const certificates = new Map(peers.map(({ id, fingerprint }) => [id, fingerprint]));
    // Who was enrolled anew does not speak by the certificate that it had: that may be why.
    const said = rows().filter(({ device, certificate }) => certificates.get(device) === certificate);
    const judgement = judge(said, members, standingOf(known, peers), rules, now());
    const braked: Accusation[] = [];
    for (const one of judgement.guilty) {
      if (known.thrownOut.length >= MAX_QUARANTINES_PER_DAY) braked.push(one);
      else if (await this.#throwOut(one)) {
        known = { ...known, thrownOut: [...known.thrownOut, [one.device, now()]] };
      }
    }
    this.#tell(judgement, braked);
    await this.#memory.write(known);
  }

  /** @returns whether it is out */
  async #throwOut(accusation: Accusation): Promise<boolean> {
    const { quarantine, rules } = this.#options;
    const reason = reasonOf(accusation, rules);
    try {
      await quarantine.quarantine(accusation.device, reason);
    } catch (error) {
      this.emit('failed', asError(error, `quarantine of ${accusation.device}`));
      return false;
    }
    this.emit('quarantined', accusation, reason);
    return true;
  }

  /** What is new of it: a fleet says the same each minute. */
  #tell({ contested, accused, suspicious }: Judgement, braked: readonly Accusation[]): void {
    const told = new Set<string>();
    const isNew = (...what: unknown[]): boolean => {
      const key = JSON.stringify(what);
      told.add(key);
      return !this.#told.has(key);
    };
    for (const one of contested) if (isNew('contested', one)) this.emit('contested', one);
    for (const one of braked) if (isNew('braked', one)) this.emit('braked', one);
    for (const one of accused) if (isNew('accused', one)) this.emit('accused', one);
    for (const one of suspicious) if (isNew('suspicious', one)) this.emit('suspicious', one);
    this.#told = told;
  }
}

function reasonOf({ reporters }: Accusation, { threshold }: GuardRules): string {
  const more = reporters.length > MOST_NAMED ? ` and ${reporters.length - MOST_NAMED} more` : '';
  const named = reporters.slice(0, MOST_NAMED).join(', ');
  return `wrong bytes by report of ${named}${more} (threshold ${threshold})`.slice(0, MAX_REASON_LENGTH);
}
