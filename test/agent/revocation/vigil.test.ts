import { describe, expect, it } from 'vitest';
import { ASK_AGAIN_MS, SILENCE_MS, Vigil } from '../../../agent/revocation/vigil.js';

describe('P-14.3 before a device trusts others', () => {
  it('the list has to come', () => {
    const vigil = new Vigil();
    expect(vigil.isOver(1e9)).toBe(false);
    vigil.heard();
    expect([vigil.isOver(0), vigil.deadline]).toEqual([true, Number.POSITIVE_INFINITY]);
  });

  it('or the broker, having granted the subscription, says nothing for 2 s', () => {
    const vigil = new Vigil();
    vigil.granted(1000);
    vigil.granted(1500);
    expect(vigil.deadline).toBe(1000 + SILENCE_MS);
    expect([vigil.isOver(1000 + SILENCE_MS - 1), vigil.isOver(1000 + SILENCE_MS)]).toEqual([false, true]);
  });

  it('a broker that does not grant it lets the device meet nobody', () => {
    expect(new Vigil().isOver(Number.MAX_SAFE_INTEGER)).toBe(false);
  });

  it('a list that is refused for its time alone is no silence, until one comes that is taken', () => {
    const vigil = new Vigil();
    vigil.granted(0);
    vigil.refused();
    expect([vigil.isOver(1e9), vigil.deadline]).toEqual([false, Number.POSITIVE_INFINITY]);
    vigil.heard();
    vigil.refused();
    expect(vigil.isOver(0)).toBe(true);
    vigil.begin();
    vigil.granted(0);
    expect(vigil.isOver(SILENCE_MS)).toBe(true);
  });

  it('anew with each connection', () => {
    const vigil = new Vigil();
    vigil.granted(0);
    vigil.heard();
    vigil.begin();
    expect(vigil.isOver(1e9)).toBe(false);
    vigil.granted(2e9);
    expect(vigil.isOver(2e9 + SILENCE_MS)).toBe(true);
  });
});

describe('P-14.4 a peer that holds a newer list', () => {
  it('has the broker asked at once, and no more than once in 5 s', () => {
    const vigil = new Vigil();
    const asked = [0, 1, ASK_AGAIN_MS - 1, ASK_AGAIN_MS, ASK_AGAIN_MS + 1].map((at) => vigil.asks(at));
    expect(asked).toEqual([true, false, false, true, false]);
  });
});
