import { describe, expect, it } from 'vitest';
import { daysLeft, RenewalPlan } from '../../../agent/enrolment/renewal_plan.js';

const DAY = 86_400;
const year = { notBefore: 0, notAfter: 360 * DAY };
const plan = (random = 0, life = year): RenewalPlan => new RenewalPlan(life, () => random);

describe('P-13.12 a certificate is asked for anew', () => {
  it('not before two thirds of its life, and from there on', () => {
    expect([240 * DAY - 1, 240 * DAY].map((now) => plan().isDue(now))).toEqual([false, true]);
  });

  it('up to a twelfth later, so that many do not ask at once', () => {
    const late = plan(0.999_999);
    expect([269 * DAY, 270 * DAY].map((now) => late.isDue(now))).toEqual([false, true]);
  });

  it('never once it has ended', () => {
    expect([360 * DAY, 360 * DAY + 1].map((now) => plan().isDue(now))).toEqual([true, false]);
  });

  it('again after half a minute to a minute, then twice that, up to a quarter of a day', () => {
    const asking = plan();
    const waits: number[] = [];
    for (let now = 240 * DAY; waits.length < 12; ) {
      asking.asked(now);
      let wait = 0;
      while (!asking.isDue(now + wait)) wait += 10;
      waits.push(wait);
      now += wait;
    }
    expect(waits).toEqual([30, 60, 120, 240, 480, 960, 1920, 3840, 7680, 10_800, 10_800, 10_800]);
  });

  it('some hours after a refusal', () => {
    const refused = plan();
    refused.refused(250 * DAY);
    expect([10_799, 10_800].map((wait) => refused.isDue(250 * DAY + wait))).toEqual([false, true]);
  });

  it('by the life of the new one, and never at once, though a clock were far ahead', () => {
    const renewed = plan();
    renewed.renewed({ notBefore: 250 * DAY, notAfter: 610 * DAY }, 250 * DAY);
    expect([489 * DAY, 490 * DAY].map((now) => renewed.isDue(now))).toEqual([false, true]);
    renewed.renewed({ notBefore: 0, notAfter: 610 * DAY }, 600 * DAY);
    expect(renewed.isDue(600 * DAY + 1)).toBe(false);
  });
});

describe('P-13.12 a person is told', () => {
  it('from 14 days before the end, once a day, and at the end', () => {
    const told = plan();
    expect(told.tell(346 * DAY - 1)).toBeNull();
    expect(told.tell(346 * DAY)).toBe('ending');
    expect(told.tell(346 * DAY + 1)).toBeNull();
    expect(told.tell(347 * DAY)).toBe('ending');
    expect(told.tell(359 * DAY + 1)).toBe('ending');
    expect(told.tell(360 * DAY)).toBe('ending');
    expect(told.tell(360 * DAY + 1)).toBeNull();
    expect(told.tell(361 * DAY)).toBe('ended');
  });

  it('at once where it has ended', () => {
    expect(plan().tell(500 * DAY)).toBe('ended');
  });

  it('of a certificate of six days on its last, and nothing more once it is renewed', () => {
    const week = plan(0, { notBefore: 0, notAfter: 6 * DAY });
    expect([5 * DAY - 1, 5 * DAY].map((now) => week.tell(now))).toEqual([null, 'ending']);
    week.renewed({ notBefore: 5 * DAY, notAfter: 11 * DAY }, 5 * DAY);
    expect(week.tell(6 * DAY)).toBeNull();
  });

  it('whole days', () => {
    expect([
      daysLeft({ notAfter: 10 * DAY }, DAY),
      daysLeft({ notAfter: DAY }, 1),
      daysLeft({ notAfter: 0 }, 1),
    ]).toEqual([9, 0, -1]);
  });
});
