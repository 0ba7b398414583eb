import { describe, expect, it } from 'vitest';
import { type ClockMemory, clockMemorySchema, TrustedClock } from '../../../agent/trust/trusted_clock.js';
import { MAX_CLOCK_AHEAD_SECONDS } from '../../../shared/limits.js';

const NOW = Date.UTC(2030, 0, 1) / 1000;
const DAY = 86_400;
const YEAR = 365 * DAY;
const KEYS = 'a b';

/** One device: its clocks are the test's. */
class Device {
  wall: number;
  /** Monotonic, ms. */
  mono = 5000;
  clock: TrustedClock;

  constructor(wall: number, memory?: ClockMemory) {
    this.wall = wall;
    this.clock = this.#clock(memory);
  }

  #clock(memory?: ClockMemory): TrustedClock {
    return new TrustedClock({ wall: () => this.wall, now: () => this.mono }, memory);
  }

  /** Both clocks go on. */
  pass(seconds: number): void {
    this.wall += seconds;
    this.mono += seconds * 1000;
  }

  /** With what was on the disk; its own clocks begin anew. */
  restart(wall: number): void {
    const memory = clockMemorySchema.parse(JSON.parse(JSON.stringify(this.clock.memory)));
    this.wall = wall;
    this.mono = 0;
    this.clock = this.#clock(memory);
  }
}

describe('P-12.6 a device without a clock: 1970 at each boot', () => {
  it('takes the time from its certificate, and then from the newest bundle', () => {
    const device = new Device(0);
    expect(device.clock.trustNow()).toBe(0);
    device.clock.began(NOW - 30 * DAY);
    expect([device.clock.now(), device.clock.trustNow()]).toEqual([NOW - 30 * DAY, NOW - 30 * DAY]);
    expect(device.clock.bundleAt(NOW, KEYS)).toBe(NOW);
    expect(device.clock.trustNow()).toBe(NOW);
  });

  it('two months offline, judges a new bundle by its own day and not by the one before', () => {
    const device = new Device(0);
    device.clock.bundleAt(NOW, KEYS);
    device.restart(0);
    expect(device.clock.trustNow()).toBe(NOW);
    expect(device.clock.bundleAt(NOW + 60 * DAY, KEYS)).toBe(NOW + 60 * DAY);
  });

  it('judges an older bundle by the newest day that was signed', () => {
    const device = new Device(0);
    device.clock.bundleAt(NOW, KEYS);
    expect(device.clock.bundleAt(NOW - 40 * DAY, KEYS)).toBe(NOW);
    expect(device.clock.bundleAt(undefined, KEYS)).toBe(NOW);
    device.restart(0);
    expect(device.clock.bundleAt(NOW - 40 * DAY, KEYS)).toBe(NOW);
  });

  it('lets time go on from what was signed, as long as it runs', () => {
    const device = new Device(0);
    device.clock.began(NOW - 9);
    device.clock.bundleAt(NOW, KEYS);
    device.mono += 3_600_500;
    expect(device.clock.trustNow()).toBe(NOW + 3600);
    expect(device.clock.now()).toBe(NOW - 9 + 3600);
    // Heard once more, it is not the time of day once more.
    device.clock.bundleAt(NOW + 10, KEYS);
    expect(device.clock.trustNow()).toBe(NOW + 3600);
    expect(device.clock.memory.stamped).toBe(NOW);
  });
});

describe('P-12.6 a clock that is set', () => {
  it('years back, does not make good again what was seen expired', () => {
    const device = new Device(NOW + 40 * DAY);
    device.clock.bundleAt(NOW, KEYS);
    device.clock.look();
    device.wall = NOW - 5 * YEAR;
    expect(device.clock.bundleAt(NOW, KEYS)).toBe(NOW + 40 * DAY);
    device.restart(NOW - 5 * YEAR);
    expect(device.clock.bundleAt(NOW, KEYS)).toBe(NOW + 40 * DAY);
    // Time goes on from there, whatever the clock says.
    device.pass(DAY);
    expect(device.clock.trustNow()).toBe(NOW + 41 * DAY);
  });

  it('back without a look before, is not noticed, but what was signed holds', () => {
    const device = new Device(NOW + 40 * DAY);
    device.clock.bundleAt(NOW, KEYS);
    device.wall = NOW - YEAR;
    expect(device.clock.trustNow()).toBe(NOW);
  });

  it('absurdly far ahead, is not remembered, so that its repair is enough', () => {
    const device = new Device(NOW + 400 * DAY + 1);
    device.clock.bundleAt(NOW, KEYS);
    device.clock.look();
    expect(device.clock.memory.seen).toBe(0);
    device.wall = NOW + 400 * DAY;
    device.clock.look();
    expect(device.clock.memory.seen).toBe(NOW + 400 * DAY);
  });

  it('absurdly far ahead before anything was signed, is not remembered either', () => {
    const device = new Device(NOW + 50 * YEAR);
    device.clock.look();
    expect(device.clock.memory.seen).toBe(0);
    device.wall = NOW;
    expect(device.clock.bundleAt(NOW, KEYS)).toBe(NOW);
  });

  it('is remembered from the newest of both that were signed', () => {
    const device = new Device(NOW + 400 * DAY);
    device.clock.issuedAt(NOW);
    device.clock.look();
    expect(device.clock.memory.seen).toBe(NOW + 400 * DAY);
  });

  it('is remembered by the second while it runs', () => {
    const device = new Device(NOW);
    device.clock.bundleAt(NOW, KEYS);
    device.clock.look();
    device.wall = NOW + 7200;
    device.clock.look();
    expect(device.clock.memory.seen).toBe(NOW + 7200);
  });
});

describe('P-12.6 the timestamp role', () => {
  it('does not move the time that certificates are judged by', () => {
    const device = new Device(NOW);
    expect(device.clock.bundleAt(NOW + 20 * YEAR, KEYS)).toBe(NOW + 20 * YEAR);
    expect(device.clock.now()).toBe(NOW);
    device.restart(NOW);
    expect(device.clock.now()).toBe(NOW);
    expect(device.clock.trustNow()).toBe(NOW + 20 * YEAR);
  });

  it('with other keys, has forgotten what those before said of time', () => {
    const device = new Device(NOW);
    device.clock.bundleAt(NOW + 20 * YEAR, KEYS);
    device.clock.look();
    expect(device.clock.bundleAt(NOW, 'c')).toBe(NOW);
    expect(device.clock.memory).toMatchObject({ stamped: NOW, seen: 0, keys: 'c' });
    device.restart(NOW + 1);
    expect(device.clock.bundleAt(NOW + 1, 'c')).toBe(NOW + 1);
  });

  it('with other keys, leaves what the CA said', () => {
    const device = new Device(0);
    device.clock.began(NOW - DAY);
    device.clock.bundleAt(NOW + 20 * YEAR, KEYS);
    expect(device.clock.bundleAt(undefined, 'c')).toBe(NOW - DAY);
  });

  it('heard for the first time, leaves what the own clock showed', () => {
    const device = new Device(NOW);
    device.clock.issuedAt(NOW - DAY);
    device.clock.look();
    device.wall = 0;
    expect(device.clock.bundleAt(undefined, KEYS)).toBe(NOW);
  });
});

describe('P-12.6 what the CA says', () => {
  it('never goes back, and lasts through a restart', () => {
    const device = new Device(0);
    device.clock.began(NOW);
    device.clock.began(NOW - DAY);
    device.clock.issuedAt(NOW - DAY);
    device.restart(0);
    expect([device.clock.now(), device.clock.trustNow()]).toEqual([NOW, NOW]);
  });
});

describe('P-12.6 a certificate that is dated ahead', () => {
  const AHEAD = NOW + 364 * DAY;

  it('of another moves a clock that is believed not at all, however often it is heard, and after a restart neither', () => {
    const device = new Device(NOW);
    device.clock.began(NOW - DAY);
    for (let i = 0; i < 3; i++) {
      device.clock.issuedAt(AHEAD);
      expect([device.clock.now(), device.clock.trustNow(), device.clock.believed]).toEqual([NOW, NOW, true]);
      device.restart(NOW);
      device.clock.began(NOW - DAY);
    }
    // Nor does it where nothing was known before.
    const first = new Device(NOW);
    first.clock.issuedAt(AHEAD);
    expect([first.clock.now(), first.clock.memory.issued]).toEqual([NOW, NOW]);
  });

  it('does not either once the own clock is set back by as much as clocks differ', () => {
    const device = new Device(NOW);
    device.clock.issuedAt(AHEAD);
    device.wall -= MAX_CLOCK_AHEAD_SECONDS;
    device.clock.issuedAt(AHEAD);
    expect(device.clock.now()).toBe(NOW);
    expect(device.clock.believed).toBe(true);
  });

  it.each([
    [MAX_CLOCK_AHEAD_SECONDS, NOW + MAX_CLOCK_AHEAD_SECONDS],
    [MAX_CLOCK_AHEAD_SECONDS + 1, NOW],
  ])('by %i s says that it is %i', (seconds, learned) => {
    const device = new Device(NOW);
    device.clock.issuedAt(NOW + seconds);
    expect(device.clock.now()).toBe(learned);
  });

  it('is all that a clock that is not believed has to go by', () => {
    const device = new Device(0);
    device.clock.began(NOW - 30 * DAY);
    device.clock.issuedAt(NOW);
    expect(device.clock.now()).toBe(NOW);
    device.restart(0);
    device.clock.issuedAt(NOW + DAY);
    expect(device.clock.now()).toBe(NOW + DAY);
  });
});

describe('P-12.6 the dates of certificates', () => {
  it('a clock that was ahead for a moment, by as much as is remembered, ends none of them', () => {
    const device = new Device(NOW + 399 * DAY);
    device.clock.began(NOW - DAY);
    device.clock.look();
    expect(device.clock.memory.seen).toBe(NOW + 399 * DAY);
    device.wall = NOW;
    expect([device.clock.now(), device.clock.believed]).toEqual([NOW, true]);
    device.restart(NOW + 1);
    expect(device.clock.now()).toBe(NOW + 1);
    // Metadata goes by it all the same.
    expect(device.clock.trustNow()).toBe(NOW + 399 * DAY);
  });
});

describe('P-12.6 whether the own clock is believed', () => {
  it('it is where it is not behind what was signed, by more than clocks differ', () => {
    const device = new Device(NOW);
    expect(device.clock.believed).toBe(true);
    device.clock.issuedAt(NOW + MAX_CLOCK_AHEAD_SECONDS);
    expect(device.clock.believed).toBe(true);
    device.clock.bundleAt(NOW + MAX_CLOCK_AHEAD_SECONDS + 1, KEYS);
    expect(device.clock.believed).toBe(false);
    device.wall += 1;
    expect(device.clock.believed).toBe(true);
    // Also where it stands still while time goes on.
    device.mono += 2000;
    expect(device.clock.believed).toBe(false);
  });
});
