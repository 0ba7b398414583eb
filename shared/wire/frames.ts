import { AckFrame, checkAck, decodeAck } from './frames/ack.js';
import { checkCancel, decodeCancel } from './frames/cancel.js';
import { type CloseReason, checkClose, decodeClose } from './frames/close.js';
import { checkComing, decodeComing } from './frames/coming.js';
import { checkData, decodeData } from './frames/data.js';
import { checkHave, decodeHave } from './frames/have.js';
import { checkLimit, decodeLimit } from './frames/limit.js';
import { checkPadding } from './frames/padding.js';
import { checkPeers, decodePeers, type PeerName } from './frames/peers.js';
import { checkPing, decodePing } from './frames/ping.js';
import { checkPong, decodePong } from './frames/pong.js';
import { checkReject, decodeReject, type RejectReason } from './frames/reject.js';
import { checkRequest, decodeRequest } from './frames/request.js';
import { FRAME, type FrameType, isFrameType, MALFORMED } from './frames/types.js';

/** Takes the frames of one datagram, in order. Views and `ack` are good until the call returns. */
export interface FrameHandler {
  onPing(token: Uint8Array): void;
  onPong(token: Uint8Array): void;
  onAck(ack: AckFrame): void;
  onRequest(chunk: number, offset: number, length: number): void;
  onData(chunk: number, offset: number, bytes: Uint8Array): void;
  onHave(first: number, bits: Uint8Array): void;
  onCancel(chunk: number): void;
  onReject(chunk: number, reason: RejectReason): void;
  onPeers(peers: readonly PeerName[]): void;
  onClose(reason: CloseReason): void;
  /** @param rate bytes per second, or Infinity. */
  onLimit(rate: number): void;
  onComing(chunk: number): void;
}

/**
 * P-7: every frame is checked before the first is handed on, so that a malformed datagram leaves no trace. Never throws,
 * save what `handler` throws.
 * @param bytes the opened frames, from 0 to `length`.
 * @param chunkCount of the artifact, for P-7.6.
 * @returns false where the datagram is malformed: nothing was handed on.
 */
export function decodeFrames(bytes: Buffer, length: number, chunkCount: number, handler: FrameHandler): boolean {
  if (!checkFrames(bytes, length, chunkCount)) return false;
  for (let at = 0; at < length; ) {
    const type = bytes[at] ?? 0;
    if (!isFrameType(type)) return false;
    takeFrame(type, bytes, at, handler);
    at = checkFrame(type, bytes, at, length, chunkCount);
  }
  return true;
}

function checkFrames(bytes: Buffer, length: number, chunkCount: number): boolean {
  let at = 0;
  let acks = 0;
  while (at < length) {
    const type = bytes[at] ?? 0;
    // P-7.3: each has its reader look through all that is in flight.
    if (type === FRAME.ACK && ++acks > 1) return false;
    at = isFrameType(type) ? checkFrame(type, bytes, at, length, chunkCount) : MALFORMED;
    if (at === MALFORMED) return false;
  }
  return length > 0;
}

/** Where the next frame starts, or MALFORMED. */
function checkFrame(type: FrameType, bytes: Buffer, at: number, end: number, chunkCount: number): number {
  switch (type) {
    case FRAME.DATA:
      return checkData(bytes, at, end);
    case FRAME.ACK:
      return checkAck(bytes, at, end);
    case FRAME.PADDING:
      return checkPadding(bytes, at, end);
    case FRAME.PING:
      return checkPing(at, end);
    case FRAME.PONG:
      return checkPong(at, end);
    case FRAME.REQUEST:
      return checkRequest(bytes, at, end);
    case FRAME.HAVE:
      return checkHave(bytes, at, end, chunkCount);
    case FRAME.CANCEL:
      return checkCancel(at, end);
    case FRAME.REJECT:
      return checkReject(bytes, at, end);
    case FRAME.PEERS:
      return checkPeers(bytes, at, end);
    case FRAME.CLOSE:
      return checkClose(bytes, at, end);
    case FRAME.LIMIT:
      return checkLimit(at, end);
    case FRAME.COMING:
      return checkComing(at, end);
    default:
      return unreachable(type);
  }
}

/** One for all: a datagram is taken whole before the next. */
const ackFrame = new AckFrame();

function takeFrame(type: FrameType, bytes: Buffer, at: number, handler: FrameHandler): void {
  switch (type) {
    case FRAME.DATA:
      decodeData(bytes, at, handler);
      break;
    case FRAME.ACK:
      handler.onAck(decodeAck(bytes, at, ackFrame));
      break;
    case FRAME.PADDING:
      break;
    case FRAME.PING:
      handler.onPing(decodePing(bytes, at));
      break;
    case FRAME.PONG:
      handler.onPong(decodePong(bytes, at));
      break;
    case FRAME.REQUEST:
      decodeRequest(bytes, at, handler);
      break;
    case FRAME.HAVE:
      decodeHave(bytes, at, handler);
      break;
    case FRAME.CANCEL:
      handler.onCancel(decodeCancel(bytes, at));
      break;
    case FRAME.REJECT:
      decodeReject(bytes, at, handler);
      break;
    case FRAME.PEERS:
      decodePeers(bytes, at, handler);
      break;
    case FRAME.CLOSE:
      decodeClose(bytes, at, handler);
      break;
    case FRAME.LIMIT:
      handler.onLimit(decodeLimit(bytes, at));
      break;
    case FRAME.COMING:
      handler.onComing(decodeComing(bytes, at));
      break;
    default:
      unreachable(type);
  }
}

function unreachable(type: never): never {
  throw new TypeError(`frame type ${String(type)} has no case`);
}
