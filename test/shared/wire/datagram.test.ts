import { describe, expect, it } from 'vitest';
import { MAX_DATAGRAM_BYTES, MAX_PACKET_NUMBER } from '../../../shared/limits.js';
import {
  HEADER_BYTES,
  hasSessionId,
  isDatagram,
  readPacketNumber,
  writeHeader,
} from '../../../shared/wire/datagram.js';

describe('P-6 the header', () => {
  it('has golden bytes', () => {
    const into = Buffer.alloc(HEADER_BYTES);
    writeHeader(into, Buffer.from('a1a2a3a4a5a6a7a8', 'hex'), 0x010203040506);
    expect(into.toString('hex')).toBe('41a1a2a3a4a5a6a7a8010203040506');
    expect(readPacketNumber(into)).toBe(0x010203040506);
  });

  it.each([0, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, MAX_PACKET_NUMBER])('P-6.4 carries packet number %d', (number) => {
    const into = Buffer.alloc(HEADER_BYTES);
    writeHeader(into, Buffer.alloc(8), number);
    expect(readPacketNumber(into)).toBe(number);
  });

  it('P-6.4 refuses to write a packet number past the highest', () => {
    expect(() => writeHeader(Buffer.alloc(HEADER_BYTES), Buffer.alloc(8), MAX_PACKET_NUMBER + 1)).toThrow(RangeError);
  });

  it('P-6.6 takes 32 to 8,952 bytes and nothing outside', () => {
    const of = (length: number) => isDatagram(Buffer.alloc(length, 0x41));
    expect([31, 32, MAX_DATAGRAM_BYTES, MAX_DATAGRAM_BYTES + 1].map(of)).toEqual([false, true, true, false]);
  });

  it.each([0x00, 0x01, 0x40, 0x42, 0x81, 0xc1])('P-6.1 takes no datagram that starts with %d', (first) => {
    expect(isDatagram(Buffer.alloc(64, first))).toBe(false);
  });

  it('P-6.6 tells its session id from any that differs in one byte', () => {
    const into = Buffer.alloc(HEADER_BYTES);
    const id = Buffer.from('a1a2a3a4a5a6a7a8', 'hex');
    writeHeader(into, id, 1);
    expect(hasSessionId(into, id)).toBe(true);
    for (let i = 0; i < 8; i++) {
      const other = Buffer.from(id);
      other[i] = (other[i] ?? 0) ^ 1;
      expect(hasSessionId(into, other)).toBe(false);
    }
  });
});
