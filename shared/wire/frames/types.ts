/** P-7: the one table of frame types. The first byte of each frame. */
export const FRAME = {
  PADDING: 0x00,
  PING: 0x01,
  PONG: 0x02,
  ACK: 0x03,
  REQUEST: 0x04,
  DATA: 0x05,
  HAVE: 0x06,
  CANCEL: 0x07,
  REJECT: 0x08,
  PEERS: 0x09,
  CLOSE: 0x0a,
  LIMIT: 0x0b,
  COMING: 0x0c,
} as const;

export type FrameType = (typeof FRAME)[keyof typeof FRAME];

/** Bytes of the type that each frame starts with. */
export const FRAME_TYPE_BYTES = 1;

/**
 * What `check` functions answer for a malformed frame. They take a frame's bytes from its type on and the end of what is
 * there, touch nothing, allocate nothing, and answer where the next frame starts.
 */
export const MALFORMED = -1;

/** The types have no gaps between them; a test holds that. */
const LAST_FRAME_TYPE = Math.max(...Object.values(FRAME));

export function isFrameType(byte: number): byte is FrameType {
  return byte <= LAST_FRAME_TYPE;
}
