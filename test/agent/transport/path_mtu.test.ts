import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PathMtu } from '../../../agent/transport/path_mtu.js';

const PTO_MS = 100;

/** Searches until nothing is due, over a path that carries up to `carries` bytes. @returns the sizes tried. */
function search(mtu: PathMtu, carries: number, from = 0): number[] {
  const tried: number[] = [];
  for (let now = from; tried.length < 100; now += 1) {
    const bytes = mtu.due(now);
    if (bytes === 0 && mtu.deadline === Number.POSITIVE_INFINITY) return tried;
    if (bytes > 0) {
      tried.push(bytes);
      mtu.onProbeSent(now, bytes, PTO_MS);
      if (bytes <= carries) mtu.onProbeAnswered(bytes);
    }
    now = Math.max(now, Math.min(mtu.deadline, now + 1000));
    mtu.onTimer(now);
  }
  throw new Error('the search does not end');
}

describe('P-6.7 path MTU (RFC 8899)', () => {
  it('goes up to what the path carries, upwards only', () => {
    const mtu = new PathMtu(8952, true);
    expect(search(mtu, 8952)).toEqual([1372, 1452, 1472, 4052, 8952]);
    expect(mtu.bytes).toBe(8952);
  });

  it('tries the size that is lost three times, and none above it', () => {
    const mtu = new PathMtu(8952, true);
    expect(search(mtu, 1460)).toEqual([1372, 1452, 1472, 1472, 1472]);
    expect(mtu.bytes).toBe(1452);
  });

  it('believes no second probe of a size where fragments would not be seen', () => {
    expect(search(new PathMtu(8952, false), 1460)).toEqual([1372, 1452, 1472]);
  });

  it('stops at once where the kernel cuts the probe up, whatever answers', () => {
    const mtu = new PathMtu(8952, true);
    mtu.onProbeSent(0, 1372, PTO_MS);
    mtu.onFragmented(0);
    mtu.onProbeAnswered(1372);
    expect([mtu.bytes, mtu.due(1)]).toEqual([1200, 0]);
  });

  it('tries again after ten minutes, since paths get better', () => {
    const mtu = new PathMtu(8952, true);
    search(mtu, 1460);
    expect(mtu.due(599_000)).toBe(0);
    expect(search(mtu, 8952, 700_000)).toEqual([1472, 4052, 8952]);
  });

  it('tries nothing above what it is let, and nothing at all at 1,200', () => {
    expect(search(new PathMtu(1452, true), 9000)).toEqual([1372, 1452]);
    expect(search(new PathMtu(1400, true), 9000)).toEqual([1372, 1400]);
    expect(search(new PathMtu(1200, true), 9000)).toEqual([]);
  });

  it('heeds no answer to a size that is not being tried', () => {
    const mtu = new PathMtu(8952, true);
    mtu.onProbeSent(0, 1372, PTO_MS);
    for (const bytes of [8952, 1452, 0]) mtu.onProbeAnswered(bytes);
    expect(mtu.bytes).toBe(1200);
  });

  describe('black holes', () => {
    const large = (mtu: PathMtu, sentAt: number[]) => {
      for (const at of sentAt) mtu.onLost(at, 1452);
    };
    const found = () => {
      const mtu = new PathMtu(1452, true);
      search(mtu, 1452);
      return mtu;
    };

    it('goes back to 1,200 when four large datagrams in a row are lost and a smaller one sent after them arrives', () => {
      for (const smallFirst of [true, false]) {
        const mtu = found();
        if (smallFirst) mtu.onAcked(10, 1200);
        large(mtu, [1, 2, 3, 4]);
        if (!smallFirst) mtu.onAcked(10, 1200);
        expect([mtu.bytes, mtu.due(11)]).toEqual([1200, 1372]);
      }
    });

    it.each([
      ['three are lost', (mtu: PathMtu) => large(mtu, [1, 2, 3])],
      ['one of them arrives', (mtu: PathMtu) => [large(mtu, [1, 2]), mtu.onAcked(3, 1452), large(mtu, [4, 5])]],
      ['small ones are lost', (mtu: PathMtu) => [1, 2, 3, 4, 5].map((at) => mtu.onLost(at, 1200))],
      ['a larger one sent later has arrived', (mtu: PathMtu) => [mtu.onAcked(5, 1452), large(mtu, [1, 2, 3, 4])]],
    ])('stays where %s', (_what, happen) => {
      const mtu = found();
      happen(mtu);
      mtu.onAcked(10, 1200);
      expect(mtu.bytes).toBe(1452);
    });

    it('stays where nothing arrives at all: that is an outage', () => {
      const mtu = found();
      large(mtu, [1, 2, 3, 4, 5, 6]);
      expect(mtu.bytes).toBe(1452);
    });
  });

  it('begins anew on another path', () => {
    const mtu = new PathMtu(8952, true);
    search(mtu, 1460);
    mtu.reset();
    expect([mtu.bytes, mtu.due(1)]).toEqual([1200, 1372]);
  });

  it('ends its search, at or below what the path carries, whatever is lost', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1200, max: 9000 }), fc.integer({ min: 1200, max: 9000 }), (carries, most) => {
        const mtu = new PathMtu(most, true);
        search(mtu, carries);
        expect(mtu.bytes).toBeLessThanOrEqual(Math.max(1200, Math.min(carries, most)));
      }),
    );
  });
});
