import { once } from 'node:events';
import type { TLSSocket } from 'node:tls';

/** MQTT 3.1.1 packets by hand, for what a client library would refuse to send. */

function text(value: string | Buffer): Buffer {
  const content = Buffer.from(value);
  return Buffer.concat([Buffer.from([content.length >> 8, content.length & 0xff]), content]);
}

/** With three bytes of remaining length, whatever it is. */
function withHeader(type: number, body: Buffer): Buffer {
  const low = [(body.length & 0x7f) | 0x80, ((body.length >> 7) & 0x7f) | 0x80, body.length >> 14];
  return Buffer.concat([Buffer.from([type, ...low]), body]);
}

/** Clean session, no keep-alive. */
export const connectPacket = (id: string): Buffer =>
  withHeader(0x10, Buffer.concat([text('MQTT'), Buffer.from([4, 2, 0, 0]), text(id)]));

/** At QoS 0. */
export const publishPacket = (topic: string | Buffer): Buffer =>
  withHeader(0x30, Buffer.concat([text(topic), Buffer.from('x')]));

/** Packet identifier 7, QoS 0. */
export const subscribePacket = (filter: string | Buffer): Buffer =>
  withHeader(0x82, Buffer.concat([Buffer.from([0, 7]), text(filter), Buffer.from([0])]));

/** The next `count` bytes. */
export async function bytes(socket: TLSSocket, count: number): Promise<Buffer> {
  for (;;) {
    const part = socket.read(count) as Buffer | null;
    if (part !== null) return part;
    await once(socket, 'readable');
  }
}
