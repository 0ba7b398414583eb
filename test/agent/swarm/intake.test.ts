import { describe, expect, it } from 'vitest';
import { Intake } from '../../../agent/swarm/intake.js';

/** For so long, in steps of 100 ms. */
function feed(intake: Intake, from: number, until: number, devices: number, seeds: number): void {
  for (let now = from; now < until; now += 100) {
    intake.received(devices / 10, false, now);
    intake.received(seeds / 10, true, now);
  }
}

describe('P-10.7 whether a seed may help out', () => {
  it('is not asked by who knows of nothing better', () => {
    const intake = new Intake();
    expect(intake.isHungry(0)).toBe(false);
    feed(intake, 0, 3000, 1000, 0);
    expect(intake.isHungry(3000)).toBe(false);
  });

  it('is where devices bring less than 0.6 of what came with the seed', () => {
    const intake = new Intake();
    feed(intake, 0, 3000, 550, 450);
    expect(intake.isHungry(3000)).toBe(true);
    expect(intake.rate(3000)).toBeCloseTo(1000, -2);
  });

  it('is not where they bring as much without', () => {
    const intake = new Intake();
    feed(intake, 0, 3000, 0, 1000);
    expect(intake.isHungry(3000)).toBe(true);
    feed(intake, 3000, 9000, 950, 0);
    expect(intake.isHungry(9000)).toBe(false);
  });

  it('is not for a moment in which nothing comes', () => {
    const intake = new Intake();
    feed(intake, 0, 10_000, 1000, 0);
    feed(intake, 10_000, 11_000, 0, 0);
    expect(intake.isHungry(11_000)).toBe(false);
    feed(intake, 11_000, 14_000, 0, 0);
    expect(intake.isHungry(14_000)).toBe(true);
  });

  it('forgets a peak that does not come again', () => {
    const intake = new Intake();
    feed(intake, 0, 2000, 1000, 0);
    feed(intake, 2000, 70_000, 350, 0);
    expect(intake.isHungry(70_000)).toBe(false);
  });
});
