import { CANCEL_BYTES, encodeCancel } from '../../shared/wire/frames/cancel.js';
import { COMING_BYTES, encodeComing } from '../../shared/wire/frames/coming.js';
import { encodeHave, HAVE_HEADER_BYTES } from '../../shared/wire/frames/have.js';
import { encodeLimit, LIMIT_BYTES } from '../../shared/wire/frames/limit.js';
import { encodePeers, type PeerName, peersByteLength } from '../../shared/wire/frames/peers.js';
import { encodeReject, REJECT_BYTES, type RejectReason } from '../../shared/wire/frames/reject.js';
import { encodeRequest, REQUEST_BYTES } from '../../shared/wire/frames/request.js';
import type { HaveMap } from './have_map.js';
import type { OwnRequest } from './own_requests.js';

/** What a packet carried besides DATA, so that a lost one can be said again by meaning (P-8.2). */
export type ControlItem =
  | { readonly kind: 'request'; readonly request: OwnRequest }
  | { readonly kind: 'cancel'; readonly chunk: number }
  | { readonly kind: 'reject'; readonly chunk: number; readonly reason: RejectReason }
  | { readonly kind: 'peers'; readonly peers: readonly PeerName[]; readonly round: number }
  | { readonly kind: 'limit'; readonly rate: number; readonly round: number }
  | { readonly kind: 'coming'; readonly chunk: number }
  | { readonly kind: 'have'; readonly firstByte: number; readonly byteCount: number };

function itemByteLength(item: ControlItem): number {
  switch (item.kind) {
    case 'request':
      return REQUEST_BYTES;
    case 'cancel':
      return CANCEL_BYTES;
    case 'reject':
      return REJECT_BYTES;
    case 'peers':
      return peersByteLength(item.peers);
    case 'limit':
      return LIMIT_BYTES;
    case 'coming':
      return COMING_BYTES;
    case 'have':
      return HAVE_HEADER_BYTES + item.byteCount;
  }
}

function encodeItem(into: Buffer, at: number, item: ControlItem, haves: HaveMap): number {
  switch (item.kind) {
    case 'request':
      return encodeRequest(into, at, item.request.chunk, item.request.offset, item.request.length);
    case 'cancel':
      return encodeCancel(into, at, item.chunk);
    case 'reject':
      return encodeReject(into, at, item.chunk, item.reason);
    case 'peers':
      return encodePeers(into, at, item.peers);
    case 'limit':
      return encodeLimit(into, at, item.rate);
    case 'coming':
      return encodeComing(into, at, item.chunk);
    case 'have':
      return encodeHave(into, at, item.firstByte * 8, haves.bits(item.firstByte, item.byteCount));
  }
}

/** What waits to be said besides DATA, in order. Its callers bound what they put in. */
export class ControlQueue {
  #items: ControlItem[] = [];

  get length(): number {
    return this.#items.length;
  }

  push(item: ControlItem): void {
    this.#items.push(item);
  }

  /** Drops what `gone` says no longer needs saying. */
  drop(gone: (item: ControlItem) => boolean): void {
    this.#items = this.#items.filter((item) => !gone(item));
  }

  count(kind: ControlItem['kind']): number {
    return this.#items.reduce((sum, item) => (item.kind === kind ? sum + 1 : sum), 0);
  }

  /** Writes the items that fit, and then HAVE; each one written is added to `written`. @returns where the next frame starts. */
  write(into: Buffer, at: number, end: number, haves: HaveMap, written: ControlItem[]): number {
    let next = at;
    let taken = 0;
    for (const item of this.#items) {
      if (next + itemByteLength(item) > end) break;
      next = encodeItem(into, next, item, haves);
      written.push(item);
      taken++;
    }
    if (taken > 0) this.#items.splice(0, taken);
    const have = haves.take(end - next - HAVE_HEADER_BYTES);
    if (have === null) return next;
    written.push(have);
    return encodeItem(into, next, have, haves);
  }
}
