import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PacketGuard } from '../../../shared/mqtt/packet_guard.js';

function remainingLength(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low | 0x80 : low);
  } while (rest > 0);
  return bytes;
}

function packet(bodyBytes: number): Buffer {
  return Buffer.concat([Buffer.from([0x30, ...remainingLength(bodyBytes)]), Buffer.alloc(bodyBytes, 0xff)]);
}

describe('PacketGuard', () => {
  it('passes packets of every size up to the limit, however they are cut', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 12 });
    const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(sizes, cuts, (bodies, steps) => {
        const guard = new PacketGuard(303);
        const stream = Buffer.concat(bodies.map(packet));
        for (let at = 0, i = 0; at < stream.length; i++) {
          const step = steps[i % steps.length] ?? 1;
          expect(guard.check(stream.subarray(at, at + step))).toBe('pass');
          at += step;
        }
      }),
    );
  });

  it.each([127, 128, 16_383, 16_384, 131_579])('takes a body of %i bytes at the limit and refuses one more', (body) => {
    const whole = packet(body);
    const header = whole.length - body;
    expect(new PacketGuard(whole.length).check(whole)).toBe('pass');
    const over = new PacketGuard(whole.length - 1);
    expect(over.check(whole.subarray(0, header - 1))).toBe('pass');
    expect(over.check(whole.subarray(header - 1, header))).toBe('too large');
  });

  it('refuses the greatest length at its last byte of header, without a byte of body (MQTT 3.1.1 §2.2.3)', () => {
    expect(new PacketGuard(131_584).check(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]))).toBe('too large');
  });

  it('refuses a message above the QoS that is taken, and no other packet (MQTT 3.1.1 §3.3.1)', () => {
    const verdict = (header: number, maxQos?: number): string =>
      new PacketGuard(100, maxQos).check(Buffer.from([0x30, 1, 0, header, 0]));
    const [qos0, qos1, qos2, qos3] = [0x31, 0x3b, 0x3d, 0x3e];
    expect([qos0, qos1, qos2, qos3].map((header) => verdict(header, 1))).toEqual([
      ...['pass', 'pass'],
      ...['malformed', 'malformed'],
    ]);
    expect([qos0, qos1, qos2, qos3].map((header) => verdict(header))).toEqual(['pass', 'pass', 'pass', 'pass']);
    // PUBACK and PUBREL, whose flags look alike.
    expect([0x40, 0x62, 0x44, 0x24].map((header) => verdict(header, 1))).toEqual(['pass', 'pass', 'pass', 'pass']);
  });

  it('refuses a fifth byte of length', () => {
    expect(new PacketGuard(131_584).check(Buffer.from([0x30, 0x80, 0x80, 0x80, 0x80]))).toBe('malformed');
  });

  it('never throws on garbage', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 })), (chunks) => {
        const guard = new PacketGuard(131_584);
        for (const chunk of chunks) if (guard.check(chunk) !== 'pass') return;
      }),
    );
  });
});
