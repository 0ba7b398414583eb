import { describe, expect, it } from 'vitest';
import { FragmentWatch, fragmentsIn } from '../../../agent/io/fragments.js';

describe('fragments that the kernel made', () => {
  it('reads the count of IPv4, whatever columns stand before it', () => {
    const text =
      'Ip: Forwarding DefaultTTL FragOKs FragFails FragCreates OutTransmits\nIp: 2 64 1 0 7 9\nIcmp: InMsgs\nIcmp: 3\n';
    expect(fragmentsIn(text)).toBe(7);
  });

  it('reads the count of IPv6', () => {
    expect(fragmentsIn('Ip6InReceives                   \t5\nIp6FragCreates                  \t12\nIp6Out 3\n')).toBe(
      12,
    );
  });

  it.each(['', 'Ip: a b\n', 'Ip: FragOKs\nIp: 4\n'])('is 0 where there is none: %j', (text) => {
    expect(fragmentsIn(text)).toBe(0);
  });

  it('finds the counters of this kernel', () => {
    const watch = FragmentWatch.open();
    expect(watch?.count()).toBeGreaterThanOrEqual(0);
    watch?.close();
  });
});
