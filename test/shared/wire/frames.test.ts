import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AckFrame, ackByteLength, encodeAck } from '../../../shared/wire/frames/ack.js';
import { cancelByteLength, encodeCancel } from '../../../shared/wire/frames/cancel.js';
import { type CloseReason, closeByteLength, encodeClose } from '../../../shared/wire/frames/close.js';
import { comingByteLength, encodeComing } from '../../../shared/wire/frames/coming.js';
import { dataByteLength, encodeData } from '../../../shared/wire/frames/data.js';
import { encodeHave, haveByteLength } from '../../../shared/wire/frames/have.js';
import { encodeLimit, limitByteLength } from '../../../shared/wire/frames/limit.js';
import { encodePadding, paddingByteLength } from '../../../shared/wire/frames/padding.js';
import { encodePeers, type PeerName, peersByteLength } from '../../../shared/wire/frames/peers.js';
import { encodePing, pingByteLength } from '../../../shared/wire/frames/ping.js';
import { encodePong, pongByteLength } from '../../../shared/wire/frames/pong.js';
import { encodeReject, type RejectReason, rejectByteLength } from '../../../shared/wire/frames/reject.js';
import { encodeRequest, requestByteLength } from '../../../shared/wire/frames/request.js';
import { FRAME } from '../../../shared/wire/frames/types.js';
import { decodeFrames, type FrameHandler } from '../../../shared/wire/frames.js';

type Message =
  | { type: 'PADDING'; count: number }
  | { type: 'PING'; token: string }
  | { type: 'PONG'; token: string }
  | { type: 'ACK'; delayMicros: number; arrivalMicros: number; intervals: [number, number][] }
  | { type: 'REQUEST'; chunk: number; offset: number; length: number }
  | { type: 'DATA'; chunk: number; offset: number; bytes: string }
  | { type: 'HAVE'; first: number; bits: string }
  | { type: 'CANCEL'; chunk: number }
  | { type: 'REJECT'; chunk: number; reason: RejectReason }
  | { type: 'PEERS'; peers: PeerName[] }
  | { type: 'CLOSE'; reason: CloseReason }
  | { type: 'LIMIT'; rate: number | null }
  | { type: 'COMING'; chunk: number };

interface Vector {
  readonly name: string;
  readonly message: Message;
  readonly hex: string;
}

const vectors: Vector[] = JSON.parse(readFileSync(new URL('../../vectors/frames.json', import.meta.url), 'utf8'));
const CHUNKS = 100;
const hex = (text: string) => Buffer.from(text, 'hex');
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

class Recorder implements FrameHandler {
  readonly seen: Message[] = [];
  onPing(token: Uint8Array) {
    this.seen.push({ type: 'PING', token: toHex(token) });
  }
  onPong(token: Uint8Array) {
    this.seen.push({ type: 'PONG', token: toHex(token) });
  }
  onAck(ack: AckFrame) {
    const intervals: [number, number][] = [];
    for (let i = 0; i < ack.count; i++) intervals.push([ack.high[i] ?? -1, ack.low[i] ?? -1]);
    const { delayMicros, arrivalMicros } = ack;
    this.seen.push({ type: 'ACK', delayMicros, arrivalMicros, intervals });
  }
  onRequest(chunk: number, offset: number, length: number) {
    this.seen.push({ type: 'REQUEST', chunk, offset, length });
  }
  onData(chunk: number, offset: number, bytes: Uint8Array) {
    this.seen.push({ type: 'DATA', chunk, offset, bytes: toHex(bytes) });
  }
  onHave(first: number, bits: Uint8Array) {
    this.seen.push({ type: 'HAVE', first, bits: toHex(bits) });
  }
  onCancel(chunk: number) {
    this.seen.push({ type: 'CANCEL', chunk });
  }
  onReject(chunk: number, reason: RejectReason) {
    this.seen.push({ type: 'REJECT', chunk, reason });
  }
  onPeers(peers: readonly PeerName[]) {
    this.seen.push({ type: 'PEERS', peers: [...peers] });
  }
  onClose(reason: CloseReason) {
    this.seen.push({ type: 'CLOSE', reason });
  }
  onComing(chunk: number) {
    this.seen.push({ type: 'COMING', chunk });
  }
  onLimit(rate: number) {
    this.seen.push({ type: 'LIMIT', rate: rate === Number.POSITIVE_INFINITY ? null : rate });
  }
}

function decode(bytes: Buffer, chunkCount = CHUNKS): Message[] | null {
  const recorder = new Recorder();
  const taken = decodeFrames(bytes, bytes.length, chunkCount, recorder);
  if (!taken) expect(recorder.seen).toEqual([]);
  return taken ? recorder.seen : null;
}

function ackOf(message: { delayMicros: number; arrivalMicros: number; intervals: [number, number][] }): AckFrame {
  const ack = new AckFrame();
  ack.delayMicros = message.delayMicros;
  ack.arrivalMicros = message.arrivalMicros;
  ack.count = message.intervals.length;
  message.intervals.forEach(([high, low], i) => {
    ack.high[i] = high;
    ack.low[i] = low;
  });
  return ack;
}

/** Where the frame ends, and what its byteLength foretold. */
function encode(into: Buffer, m: Message): [end: number, foretold: number] {
  switch (m.type) {
    case 'PADDING':
      return [encodePadding(into, 0, m.count), paddingByteLength(m.count)];
    case 'PING':
      return [encodePing(into, 0, hex(m.token)), pingByteLength()];
    case 'PONG':
      return [encodePong(into, 0, hex(m.token)), pongByteLength()];
    case 'ACK':
      return [encodeAck(into, 0, ackOf(m)), ackByteLength(ackOf(m))];
    case 'REQUEST':
      return [encodeRequest(into, 0, m.chunk, m.offset, m.length), requestByteLength()];
    case 'DATA': {
      const source = Buffer.concat([Buffer.alloc(3), hex(m.bytes), Buffer.alloc(3)]);
      const length = source.length - 6;
      return [encodeData(into, 0, m.chunk, m.offset, source, 3, length), dataByteLength(length)];
    }
    case 'HAVE':
      return [encodeHave(into, 0, m.first, hex(m.bits)), haveByteLength(hex(m.bits).length)];
    case 'CANCEL':
      return [encodeCancel(into, 0, m.chunk), cancelByteLength()];
    case 'REJECT':
      return [encodeReject(into, 0, m.chunk, m.reason), rejectByteLength()];
    case 'PEERS':
      return [encodePeers(into, 0, m.peers), peersByteLength(m.peers)];
    case 'CLOSE':
      return [encodeClose(into, 0, m.reason), closeByteLength()];
    case 'LIMIT':
      return [encodeLimit(into, 0, m.rate ?? Number.POSITIVE_INFINITY), limitByteLength()];
    case 'COMING':
      return [encodeComing(into, 0, m.chunk), comingByteLength()];
  }
}

describe('P-7 golden frames', () => {
  it('numbers its types without a gap', () => {
    expect(Object.values(FRAME)).toEqual(Object.keys(FRAME).map((_, i) => i));
  });

  it('has a vector for every type of the table', () => {
    expect(new Set(vectors.map(({ message }) => message.type))).toEqual(new Set(Object.keys(FRAME)));
  });

  it.each(vectors)('encodes $name', ({ message, hex: golden }) => {
    const into = Buffer.alloc(4000, 0xee);
    const [end, foretold] = encode(into, message);
    expect(toHex(into.subarray(0, end))).toBe(golden);
    expect(foretold).toBe(end);
    expect(into.subarray(end).every((byte) => byte === 0xee)).toBe(true);
  });

  it.each(vectors)('decodes $name', ({ message, hex: golden }) => {
    expect(decode(hex(golden))).toEqual(message.type === 'PADDING' ? [] : [message]);
  });

  it.each(vectors)('refuses every truncated prefix of $name', ({ message, hex: golden }) => {
    const bytes = hex(golden);
    for (let length = 0; length < bytes.length; length++) {
      if (message.type === 'PADDING' && length > 0) continue;
      expect(decode(bytes.subarray(0, length))).toBeNull();
    }
  });
});

const refused: [name: string, hex: string][] = [
  ['P-7 no frame at all', ''],
  ['P-7 an unknown type', '0d'],
  ['P-7 an unknown type after good frames', '010102030405060708ff'],
  ['P-7.3 an ACK whose first range falls below 0', '03000000000003000000000000000000 00000004'.replace(' ', '')],
  [
    'P-7.3 an ACK whose second range falls below 0',
    '0300000000000900000000000000000100000000 0000000000000008'.replace(' ', ''),
  ],
  [
    'P-7.3 an ACK whose gap falls below 0',
    '0300000000000900000000000000000100000000 0000000900000000'.replace(' ', ''),
  ],
  ['P-7.3 an ACK with 32 ranges', `03ffffffffffff000000000000000020${'00000000'}${'0000000000000000'.repeat(32)}`],
  ['P-7.3 two ACKs', '0300000000000300000000000000000000000000'.repeat(2)],
  ['P-7.4 a REQUEST of no bytes', '04000000070000000000000000'],
  ['P-7.5 DATA of no bytes', '0500000007000000000000'],
  ['P-7.6 a HAVE of no bits', '06000000000000'],
  ['P-7.6 a HAVE of 1,025 bytes', `06000000000401${'00'.repeat(1025)}`],
  ['P-7.6 a HAVE with the bit of chunk 100 of 100', '060000005a0002ffe0'],
  ['P-7.6 a HAVE wholly above the chunks', '0600000064000180'],
  ['P-7.6 a HAVE far above the chunks', '06ffffffff000101'],
  ['P-7.8 a REJECT with reason 4', '080000000904'],
  ['P-7.9 PEERS of 17', `0911${'01610162'.repeat(17)}`],
  ['P-7.9 PEERS with an empty id', '0901000162'],
  ['P-7.9 PEERS with an id of 65', `090141${'61'.repeat(65)}0162`],
  ['P-1.1 PEERS with a dot in an id', '0901012e0162'],
  ['P-1.1 PEERS with a slash in an id', '0901012f0162'],
  ['P-1.1 PEERS with a byte above ASCII in an id', '090101e10162'],
  ['P-7.10 a CLOSE with reason 7', '0a07'],
];

describe('P-7 malformed frames', () => {
  it.each(refused)('refuses %s', (_name, bytes) => {
    expect(decode(hex(bytes))).toBeNull();
  });

  it.each(refused.slice(1))('hands on nothing of a datagram that ends with %s', (_name, bytes) => {
    expect(decode(hex(`010102030405060708${bytes}`))).toBeNull();
  });

  it('P-7.6 takes bits below the last chunk and none above, for any count of chunks', () => {
    fc.assert(
      fc.property(fc.nat(40), fc.nat(60), fc.uint8Array({ minLength: 1, maxLength: 4 }), (first, count, bits) => {
        const into = Buffer.alloc(32);
        const end = encodeHave(into, 0, first, bits);
        let fits = true;
        for (let i = 0; i < bits.length * 8; i++) {
          if (((bits[i >> 3] ?? 0) & (0x80 >> (i & 7))) !== 0 && first + i >= count) fits = false;
        }
        expect(decode(into.subarray(0, end), count) !== null).toBe(fits);
      }),
    );
  });

  it('never throws on random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 0, max: 12 }), (bytes, type) => {
        decode(Buffer.from(bytes));
        decode(Buffer.from([type, ...bytes]));
      }),
      { numRuns: 5000 },
    );
  });

  it('never throws on golden frames with bytes changed', () => {
    const frames = vectors.map(({ hex: golden }) => hex(golden));
    fc.assert(
      fc.property(fc.constantFrom(...frames), fc.nat(), fc.nat(255), (frame, at, byte) => {
        const bytes = Buffer.from(frame);
        bytes[at % bytes.length] = byte;
        decode(bytes);
      }),
      { numRuns: 5000 },
    );
  });
});

describe('P-7 frames together', () => {
  it('hands on all frames of a datagram, in order', () => {
    const short = vectors.filter(({ hex: golden }) => golden.length < 200);
    // P-7.3: one ACK at most.
    const ack = short.find(({ message }) => message.type === 'ACK');
    const all = short.filter((one) => one.message.type !== 'ACK' || one === ack);
    const seen = decode(hex(all.map(({ hex: golden }) => golden).join('')));
    expect(seen).toEqual(all.map(({ message }) => message).filter(({ type }) => type !== 'PADDING'));
  });

  it('hands on the bytes of DATA as a view', () => {
    const bytes = hex('05000000030000010200 04deadbeef'.replace(' ', ''));
    const recorder = new Recorder();
    let buffer: ArrayBufferLike | undefined;
    recorder.onData = (_chunk, _offset, view) => {
      buffer = view.buffer;
    };
    expect(decodeFrames(bytes, bytes.length, CHUNKS, recorder)).toBe(true);
    expect(buffer).toBe(bytes.buffer);
  });
});
