import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_QUEUED_REJECTS } from '../../../agent/transport/outbox.js';
import { MAX_PATHS, MAX_PENDING_PONGS } from '../../../agent/transport/paths.js';
import { INITIAL_RTT_MS } from '../../../agent/transport/rtt.js';
import { MAX_PENDING_SERVE_BYTES } from '../../../agent/transport/send_queue.js';
import { MAX_SESSION_REQUESTS } from '../../../shared/limits.js';
import { CLOSE } from '../../../shared/wire/frames/close.js';
import { REJECT } from '../../../shared/wire/frames/reject.js';
import { RawPeer } from './raw_peer.js';

const u32 = (n: number) => n.toString(16).padStart(8, '0');
const request = (chunk: number, offset = 0, length = 1000) => `04${u32(chunk)}${u32(offset)}${u32(length)}`;
const data = (chunk: number, offset: number, hex: string) =>
  `05${u32(chunk)}${u32(offset)}${(hex.length / 2).toString(16).padStart(4, '0')}${hex}`;
const ack = (largest: number, first = 0) =>
  `03${largest.toString(16).padStart(12, '0')}${u32(0)}${u32(0)}00${u32(first)}`;
const PING = '010102030405060708';

describe('P-7.2 paths', () => {
  it('sends nothing but PING and PONG before a path has answered, whatever waits and whatever comes', () => {
    const peer = new RawPeer(3);
    peer.session.request(1, 0, 10);
    peer.session.have(0, Buffer.of(0xff));
    peer.send(PING + request(5), 1);
    peer.session.serve(5, 0, Buffer.alloc(1000));
    for (const now of [0, 50, 150, 350, 750, 1550, 3150]) peer.at(now).read();
    expect(new Set(peer.frames)).toEqual(new Set(['ping', 'pong 0102030405060708']));
  });

  it('tries each candidate at 0, 50, 150, 350, 750, 1550 ms, then each 800 ms', () => {
    const peer = new RawPeer(2);
    const counts = [0, 49, 50, 150, 350, 750, 1550, 2349, 2350, 3150, 3950, 4750, 4999].map((now) =>
      peer.at(now).read(),
    );
    expect(counts).toEqual([2, 0, 2, 2, 2, 2, 2, 0, 2, 2, 2, 2, 0]);
  });

  it('gives a PONG to the address that the PING came from, and no other', () => {
    const peer = new RawPeer().open();
    peer.send(PING);
    peer.read();
    peer.paths.length = 0;
    peer.send(PING, 9);
    peer.read();
    expect(peer.frames.slice(-2)).toEqual(['pong 0102030405060708', 'ping']);
    expect(peer.paths).toEqual([9, 9]);
  });

  it('answers 8 PINGs of one datagram, and all of several', () => {
    const peer = new RawPeer().open();
    const pongs = (): number => peer.frames.splice(0).filter((frame) => frame.startsWith('pong')).length;
    peer.read();
    pongs();
    peer.send(PING.repeat(60));
    peer.read();
    expect(pongs()).toBe(8);
    for (let i = 0; i < 3; i++) {
      peer.send(PING.repeat(3));
      peer.read();
    }
    expect(pongs()).toBe(9);
  });

  it('uses the path whose token came back, whatever path the PONG took', () => {
    const peer = new RawPeer(2);
    peer.open(1);
    expect(peer.events[0]).toBe('open 0');
  });

  it('opens by no PONG that it did not ask for', () => {
    const peer = new RawPeer();
    peer.read();
    peer.send('020102030405060708');
    expect(peer.session.isOpen).toBe(false);
  });

  it('P-5.7 tries an address that a datagram of the session came from, and none that junk came from', () => {
    const peer = new RawPeer(1);
    peer.read();
    peer.session.onDatagram(0, Buffer.alloc(100, 0x41), 7);
    expect(peer.read()).toBe(0);
    peer.send(PING, 8);
    peer.paths.length = 0;
    peer.read();
    expect(peer.paths).toEqual([8, 8]);
  });

  it('answers many PINGs of one address in one datagram that is no longer than theirs', () => {
    const peer = new RawPeer().open();
    peer.send(PING);
    // An ACK among it, so that none is due.
    peer.read();
    const asked = peer.sealed(PING.repeat(8));
    peer.session.onDatagram(0, asked, 0);
    const datagram = Buffer.alloc(1500);
    expect(peer.session.poll(0, datagram)).toBeLessThanOrEqual(asked.length);
    expect(peer.session.poll(0, datagram)).toBe(0);
  });

  it('tries no more than 16 paths, and owes no more than 8 PONGs', () => {
    const peer = new RawPeer(0);
    for (let path = 0; path < MAX_PATHS + 10; path++) peer.send(PING, path);
    peer.read();
    expect(peer.frames.filter((frame) => frame === 'ping').length).toBe(MAX_PATHS);
    expect(peer.frames.length - MAX_PATHS).toBe(MAX_PENDING_PONGS);
  });
});

describe('P-7.6 what is held', () => {
  const haves = (peer: RawPeer) => peer.frames.filter((frame) => frame.startsWith('have')).length;
  const holds = (peer: RawPeer, chunk: number) => peer.session.have(chunk, Buffer.of(0x80));

  it('is told once for all that came within 20 ms', () => {
    const peer = new RawPeer().open();
    for (const [now, chunk] of [[0, 3] as const, [10, 4] as const, [19, 50] as const]) {
      peer.at(now);
      holds(peer, chunk);
      expect(peer.read()).toBe(0);
    }
    expect(peer.session.nextDeadline()).toBe(20);
    expect(peer.at(20).read()).toBe(1);
    expect(haves(peer)).toBeGreaterThan(0);
    holds(peer, 5);
    expect(peer.read()).toBe(0);
    expect(peer.at(40).read()).toBe(1);
  });

  it('goes with whatever else leaves', () => {
    const peer = new RawPeer().open();
    holds(peer, 3);
    peer.session.coming(7);
    expect(peer.read()).toBe(1);
    expect(haves(peer)).toBe(1);
    holds(peer, 4);
    peer.send(PING);
    peer.send(PING);
    peer.at(4).read();
    expect(haves(peer)).toBe(2);
  });
});

describe('P-7.11 a peer that moves', () => {
  const DATA_PATHS = (peer: RawPeer) => {
    peer.paths.length = 0;
    peer.session.coming(0);
    peer.read();
    return [...peer.paths];
  };

  it('is followed once it has answered at its new address, and not before', () => {
    const peer = new RawPeer().open();
    peer.send(PING, 5);
    peer.read();
    expect(DATA_PATHS(peer)).toEqual([0]);
    peer.open(5);
    expect(peer.session.activePath).toBe(5);
  });

  it('is not looked for where a copy of an older datagram came from', () => {
    const peer = new RawPeer().open();
    const [older, newer] = [peer.sealed(PING), peer.sealed(PING)];
    peer.session.onDatagram(0, newer, 0);
    peer.session.onDatagram(0, older, 5);
    peer.frames.length = 0;
    peer.read();
    expect(peer.frames).not.toContain('ping');
  });

  it('is not looked for any more once it is heard where it was', () => {
    const peer = new RawPeer().open();
    peer.send(PING, 5);
    peer.send(PING, 0);
    peer.frames.length = 0;
    peer.at(1000).read();
    expect(peer.frames).not.toContain('ping');
  });

  it('sends at most 5 PINGs to an address that does not answer', () => {
    const peer = new RawPeer().open();
    peer.send('00', 5);
    peer.paths.length = 0;
    for (let now = 0; now < 3000; now += 10) peer.at(now).read();
    expect(peer.paths.filter((path) => path === 5).length).toBe(5);
    expect(peer.session.activePath).toBe(0);
  });

  it.each([
    [false, 'another host', 'begin anew'],
    [true, 'another port of its host', 'stay'],
  ])('rebound %s: at %s RTT and window %s', (rebound) => {
    const peer = new RawPeer().open();
    for (let i = 0; i < 20; i++) {
      peer.session.have(i * 5, Buffer.of(0x80));
      peer.at(i * 100).read();
      peer.at(i * 100 + 50).send(ack(peer.sentPackets - 1));
    }
    const before = peer.session.stats.smoothedRtt;
    expect(before).toBeLessThan(200);
    peer.session.onDatagram(peer.now, peer.sealed(PING), 5, rebound);
    peer.open(5);
    expect(peer.session.activePath).toBe(5);
    expect(peer.session.stats.smoothedRtt).toBe(rebound ? before : INITIAL_RTT_MS);
  });

  it('takes no answer for an address that the driver has forgotten', () => {
    const peer = new RawPeer().open();
    peer.send(PING, 5);
    peer.read();
    peer.session.forgetPath(5);
    peer.open(5);
    expect(peer.session.activePath).toBe(0);
  });
});

describe('P-7.13 COMING', () => {
  it('is said to the peer once, and heard from it, whatever chunk it names', () => {
    const peer = new RawPeer().open();
    peer.session.coming(7);
    peer.read();
    expect(peer.frames.filter((frame) => frame.startsWith('coming'))).toEqual(['coming 7']);
    peer.send(`0c${u32(0xffff_ffff)}`);
    expect(peer.events).toContain('coming 4294967295');
  });

  it('is dropped where too many wait to leave', () => {
    const peer = new RawPeer();
    for (let chunk = 0; chunk < 1000; chunk++) peer.session.coming(chunk);
    peer.open().read();
    expect(peer.frames.filter((frame) => frame.startsWith('coming')).length).toBe(64);
  });
});

describe('P-7.12 LIMIT', () => {
  const limit = (rate: number) => `0b${u32(rate)}`;

  function serving(): RawPeer {
    const peer = new RawPeer().open();
    peer.session.limitPeer(5000);
    peer.send(request(1, 0, 100_000));
    peer.session.serve(1, 0, Buffer.alloc(100_000));
    return peer;
  }
  const dataBytes = (peer: RawPeer) =>
    peer.frames.reduce((sum, frame) => sum + (frame.startsWith('data') ? Number(frame.split(' ')[3]) : 0), 0);

  it('is said to the peer', () => {
    const peer = serving();
    peer.read();
    expect(peer.frames).toContain('limit 5000');
  });

  it('is not passed by DATA in the company of a PING, neither to stay alive nor at a probe timeout', () => {
    const peer = serving();
    peer.send(limit(100));
    peer.read();
    peer.frames.length = 0;
    // One datagram of 1,200 bytes is 12 s of the limit; nothing is acknowledged, so probe timeouts come too.
    for (let now = 10; now < 9_000; now += 10) peer.at(now).read();
    expect(dataBytes(peer)).toBe(0);
    expect(peer.frames).toContain('ping');
  });

  it('is heeded: no DATA at 0, and on from there when it is lifted', () => {
    const peer = serving();
    peer.send(limit(0));
    peer.read();
    expect(dataBytes(peer)).toBe(0);
    peer.send(limit(0xffff_ffff));
    peer.read();
    expect(dataBytes(peer)).toBeGreaterThan(5000);
  });

  it('the newest counts, also where an older one arrives after it', () => {
    const peer = serving();
    const [older, newer] = [peer.sealed(limit(0xffff_ffff)), peer.sealed(limit(0))];
    peer.session.onDatagram(0, newer, 0);
    peer.session.onDatagram(0, older, 0);
    peer.read();
    expect(dataBytes(peer)).toBe(0);
  });

  it('sends no DATA at 0 over many probe timeouts either, and goes on when it is lifted', () => {
    const peer = serving();
    peer.read();
    peer.send(limit(0));
    peer.frames.length = 0;
    for (let now = 0; now < 8000; now += 10) peer.at(now).read();
    expect(dataBytes(peer)).toBe(0);
    expect(peer.frames).toContain('ping');
    peer.at(8010).send(limit(0xffff_ffff) + ack(peer.sentPackets - 1, peer.sentPackets - 1));
    peer.read();
    expect(dataBytes(peer)).toBeGreaterThan(1000);
  });

  it('stays alive at 0: a PING passes', () => {
    const peer = new RawPeer().open();
    peer.send(limit(0));
    peer.frames.length = 0;
    for (let now = 0; now < 4000; now += 50) peer.at(now).read();
    expect(peer.frames).toContain('ping');
  });

  it.each([Number.NaN, -1])('E_ARGUMENT: refuses to ask for %d', (rate) => {
    expect(() => new RawPeer().open().session.limitPeer(rate)).toThrowError(
      expect.objectContaining({ code: 'E_ARGUMENT' }),
    );
  });

  it('still acknowledges and answers PINGs at 0', () => {
    const peer = serving();
    peer.send(limit(0));
    peer.read();
    peer.frames.length = 0;
    peer.send(PING);
    peer.at(30).read();
    expect(peer.frames.some((frame) => frame.startsWith('pong'))).toBe(true);
    expect(peer.frames.some((frame) => frame.startsWith('ack'))).toBe(true);
  });
});

describe('P-6.6 what is dropped', () => {
  it('answers nothing to a datagram that is foreign, short, replayed, flipped or malformed, and counts it', () => {
    const peer = new RawPeer().open();
    const good = peer.sealed(PING);
    peer.session.onDatagram(0, good, 0);
    peer.at(100).read();
    const sent = peer.session.stats.datagramsSent;
    const flipped = peer.sealed(PING);
    flipped[20] = (flipped[20] ?? 0) ^ 1;
    const foreign = peer.sealed(PING);
    foreign[3] = 0;
    peer.send('ff');
    peer.send(`${PING}0600000064000180`);
    for (const bytes of [good, flipped, foreign, good.subarray(0, 31), Buffer.alloc(0), Buffer.alloc(9000, 0x41)]) {
      peer.session.onDatagram(0, bytes, 0);
    }
    expect(peer.session.stats.rejected).toEqual({ foreign: 4, replayed: 1, unopened: 1, malformed: 2, closed: 0 });
    expect(peer.at(200).read()).toBe(0);
    expect(peer.session.stats.datagramsSent).toBe(sent);
  });

  it('P-7 does not acknowledge a malformed datagram', () => {
    const peer = new RawPeer().open();
    peer.at(50).read();
    peer.frames.length = 0;
    peer.send(`${PING}ff`);
    peer.send('01aabbccddeeff0011');
    peer.at(100).read();
    expect(peer.frames).toEqual(['pong aabbccddeeff0011', 'ack 2 2']);
  });

  it('never throws, and stays open, on random frames', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { maxLength: 10 }), (all) => {
        const peer = new RawPeer().open();
        for (const frames of all) {
          const type = (frames[0] ?? 0) % 10;
          peer.send(Buffer.from([type, ...frames.subarray(1)]).toString('hex'), (frames[0] ?? 0) % 3);
          peer.at(peer.now + 30).read();
        }
        expect([null, CLOSE.protocolError]).toContain(peer.closed);
      }),
    );
  });
});

describe('P-7.3 ACK', () => {
  it('closes with a protocol error on an ACK of a packet never sent', () => {
    const peer = new RawPeer().open();
    peer.send(ack(1000));
    expect(peer.closed).toBe(CLOSE.protocolError);
    peer.read();
    expect(peer.frames.at(-1)).toBe('close 2');
  });

  it('takes an ACK of the newest packet sent, and not of one past it', () => {
    const peer = new RawPeer().open();
    const next = peer.session.stats.datagramsSent;
    peer.send(ack(next - 1, next - 1));
    expect(peer.closed).toBeNull();
    peer.send(ack(next, 0));
    expect(peer.closed).toBe(CLOSE.protocolError);
  });

  it('RFC 9000 §21.4 closes on an ACK of a packet number that was skipped', () => {
    const peer = new RawPeer().open();
    let largest = peer.session.stats.datagramsSent;
    for (let i = 0; i < 1400 && peer.closed === null; i++) {
      peer.session.cancel(1);
      peer.send(`01${u32(i)}${u32(i)}`);
      peer.read();
      largest++;
    }
    expect(peer.closed).toBeNull();
    peer.session.request(2, 0, 5);
    peer.read();
    peer.send(ack(largest, largest));
    expect(peer.closed).toBe(CLOSE.protocolError);
  });

  it('P-8.3 acknowledges within 20 ms, at once at a gap, and with every 8th packet', () => {
    const peer = new RawPeer().open().at(500);
    peer.read();
    peer.frames.length = 0;
    peer.send(request(1));
    expect(peer.read()).toBe(0);
    expect(peer.at(519).read()).toBe(0);
    expect(peer.at(520).read()).toBe(1);
    peer.sealed('00');
    peer.send(request(2));
    expect(peer.read()).toBe(1);
    for (let i = 3; i < 10; i++) peer.send(request(i));
    expect(peer.read()).toBe(0);
    peer.send(request(10));
    expect(peer.read()).toBe(1);
  });

  it('P-7.1 acknowledges no ACK, PADDING or CLOSE', () => {
    const peer = new RawPeer().open().at(500);
    peer.read();
    peer.send(`0000${ack(0)}`);
    peer.send('00');
    expect(peer.at(600).read()).toBe(0);
  });
});

describe('P-7.4 P-7.5 P-7.8 requests', () => {
  it('P-7.4 holds 256 requests and answers the next with REJECT busy', () => {
    const peer = new RawPeer().open();
    for (let i = 0; i < MAX_SESSION_REQUESTS; i++) peer.send(request(i));
    peer.read();
    expect(peer.frames.some((frame) => frame.startsWith('reject'))).toBe(false);
    peer.send(request(5000));
    peer.read();
    expect(peer.frames.at(-1)).toBe(`reject 5000 ${REJECT.busy}`);
    expect(peer.events.filter((event) => event.startsWith('request')).length).toBe(MAX_SESSION_REQUESTS);
  });

  it('P-7.8 refuses all that was asked and is not there yet, and what is asked after that is heard', () => {
    const peer = new RawPeer().open();
    for (const chunk of [3, 4, 5]) peer.send(request(chunk));
    peer.session.serve(3, 0, Buffer.alloc(1000));
    peer.session.rejectAll(REJECT.busy);
    peer.at(1).read();
    expect(peer.frames.filter((frame) => /^(reject|data)/.test(frame))).toEqual([3, 4, 5].map((i) => `reject ${i} 1`));
    expect(peer.session.pendingServeBytes).toBe(0);
    peer.send(request(4));
    expect(peer.session.serve(4, 0, Buffer.alloc(1000))).toBe(true);
    peer.at(2).read();
    expect(peer.frames.at(-1)).toBe('data 4 0 1000');
  });

  it('closes on a peer that asks for everything and reads no answer, with nothing queued past the cap', () => {
    const peer = new RawPeer().open();
    let asked = 0;
    while (peer.closed === null && asked < 10_000) peer.send(request(asked++));
    expect(asked).toBe(MAX_SESSION_REQUESTS + MAX_QUEUED_REJECTS + 1);
    expect(peer.closed).toBe(CLOSE.protocolError);
  });

  it('takes a request that comes twice once', () => {
    const peer = new RawPeer().open();
    peer.send(request(1));
    peer.send(request(1));
    expect(peer.events.filter((event) => event.startsWith('request')).length).toBe(1);
  });

  it('P-7.5 drops bytes not asked for, and hands on of a DATA only what was', () => {
    const peer = new RawPeer().open();
    expect(peer.session.request(1, 100, 4)).toBe(true);
    peer.send(data(2, 100, 'aabbccdd'));
    peer.send(data(1, 104, 'aabbccdd'));
    peer.send(data(1, 96, 'aabbccdd'));
    peer.send(data(1, 98, '0011aabb'));
    peer.send(data(1, 98, '0011aabb'));
    peer.send(data(1, 102, 'ccdd9999'));
    peer.send(data(1, 100, 'aabbccdd'));
    expect(peer.events.filter((event) => event.startsWith('data'))).toEqual(['data 1 100 aabb', 'data 1 102 ccdd']);
    expect(peer.session.stats.unwantedBytes).toBe(20);
  });

  it('refuses to ask for more than a peer takes, and for nothing', () => {
    const peer = new RawPeer().open();
    for (let i = 0; i < MAX_SESSION_REQUESTS; i++) expect(peer.session.request(i, 0, 1)).toBe(true);
    expect(peer.session.request(999, 0, 1)).toBe(false);
    expect(new RawPeer().session.request(1, 0, 0)).toBe(false);
  });

  it('serves only what is held, in order, and not after a CANCEL', () => {
    const peer = new RawPeer().open();
    const { session } = peer;
    expect(session.serve(1, 0, Buffer.alloc(10))).toBe(false);
    peer.send(request(1, 50, 20));
    expect(session.serve(1, 0, Buffer.alloc(10))).toBe(false);
    expect(session.serve(1, 50, Buffer.alloc(21))).toBe(false);
    expect(session.serve(1, 50, Buffer.alloc(0))).toBe(false);
    let over = 0;
    const done = (): void => void over++;
    expect(session.serve(1, 50, Buffer.alloc(5), done)).toBe(true);
    expect(session.serve(1, 50, Buffer.alloc(5), done)).toBe(false);
    expect(over).toBe(0);
    expect(session.pendingServeBytes).toBe(5);
    peer.send(`07${u32(1)}`);
    expect(peer.events.at(-1)).toBe('cancel 1');
    expect(session.pendingServeBytes).toBe(0);
    expect(over).toBe(1);
    expect(session.serve(1, 55, Buffer.alloc(5))).toBe(false);
    peer.at(100).read();
    expect(peer.frames.some((frame) => frame.startsWith('data'))).toBe(false);
  });

  it('takes no more to serve than its cap, one largest answer excepted', () => {
    const peer = new RawPeer().open();
    const big = Buffer.alloc(MAX_PENDING_SERVE_BYTES);
    peer.send(request(1, 0, big.length));
    peer.send(request(2, 0, 1));
    expect(peer.session.serve(1, 0, big)).toBe(true);
    expect(peer.session.serve(2, 0, Buffer.alloc(1))).toBe(false);
  });

  it('closes on a peer that leaves more holes in an answer than any network does', () => {
    const peer = new RawPeer().open();
    peer.session.request(1, 0, 1_000_000);
    for (let i = 0; i < 60 && peer.closed === null; i++) {
      let frames = '';
      for (let j = 0; j < 90; j++) frames += data(1, 1 + (i * 90 + j) * 2, 'ee');
      peer.send(frames);
    }
    expect(peer.closed).toBe(CLOSE.protocolError);
  });
});

describe('P-7.10 the end', () => {
  it('sends CLOSE three times and then nothing, and takes nothing', () => {
    const peer = new RawPeer().open();
    peer.session.close(CLOSE.shutdown);
    for (const now of [0, 50, 100, 200, 300, 1000]) peer.at(now).read();
    expect(peer.frames.filter((frame) => frame === 'close 1').length).toBe(3);
    expect(peer.session.isFinished).toBe(true);
    peer.send(PING);
    expect(peer.session.stats.rejected.closed).toBe(1);
    expect(peer.session.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });

  it('answers nothing to a CLOSE, and tells its owner once', () => {
    const peer = new RawPeer().open();
    peer.at(50).read();
    const { datagramsSent } = peer.session.stats;
    peer.send('0a03');
    peer.send('0a03');
    peer.session.close(CLOSE.done);
    expect(peer.at(200).read()).toBe(0);
    expect(peer.session.stats.datagramsSent).toBe(datagramsSent);
    expect(peer.events.filter((event) => event.startsWith('closed'))).toEqual(['closed 3 true']);
  });

  it('hands on nothing after its owner closed it in the middle of a datagram', () => {
    const peer = new RawPeer().open();
    peer.onRequest = () => peer.session.close(CLOSE.noRoom);
    peer.send(request(1) + request(2) + request(3));
    expect(peer.events.slice(-2)).toEqual(['request 1 0 1000', 'closed 4 false']);
  });

  it('sends no CLOSE to an address that never answered', () => {
    const peer = new RawPeer();
    peer.session.close(CLOSE.shutdown);
    expect(peer.read()).toBe(0);
    expect(peer.session.isFinished).toBe(true);
  });
});
