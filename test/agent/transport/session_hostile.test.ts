import { describe, expect, it } from 'vitest';
import { CLOSE } from '../../../shared/wire/frames/close.js';
import { RawPeer } from './raw_peer.js';

/** Peers that were agreed upon and mean harm. */

const PING = `01${'00'.repeat(8)}`;
const u32 = (value: number): string => value.toString(16).padStart(8, '0');
const request = (chunk: number): string => `04${u32(chunk)}${u32(0)}${u32(1)}`;

describe('a hostile peer', () => {
  it.each([2 ** 32, 2 ** 33, 2 ** 48 - 1])(
    'P-7.3 that jumps %d packet numbers is acknowledged, and stops nothing',
    (packet) => {
      const peer = new RawPeer().open();
      peer.send(PING);
      peer.session.onDatagram(peer.now, peer.sealed(PING, packet), 0);
      peer.at(30).read();
      expect(peer.closed).toBeNull();
      peer.session.request(1, 0, 10);
      expect(peer.at(40).read()).toBeGreaterThan(0);
    },
  );

  it('P-7.4 that asks on without reading the refusals is closed, and takes no memory until then', () => {
    const peer = new RawPeer().open();
    peer.onRequest = (chunk) => peer.session.reject(chunk, 0);
    let asked = 0;
    while (peer.closed === null && asked < 100_000) {
      const frames = Array.from({ length: 80 }, () => request(++asked)).join('');
      peer.send(frames);
    }
    expect(peer.closed).toBe(CLOSE.protocolError);
    expect(asked).toBeLessThan(4_000);
  });
});
