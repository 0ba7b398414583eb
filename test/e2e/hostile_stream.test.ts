import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createServer, type TLSSocket } from 'node:tls';
import { expect, it, onTestFinished } from 'vitest';
import type { Credential } from '../../shared/identity/bundle.js';
import { ControlLink } from '../../shared/mqtt/control_link.js';
import { TestFleet } from '../support/test_fleet.js';

/** What a broker may write on a member's connection that no broker has reason to. */

const CONNACK = Buffer.from([0x20, 2, 0, 0]);
const SOON_MS = 5_000;

/** A listener with the broker's certificate that answers CONNECT and then does as `then` says. Gone with the test. */
async function brokerThat(then: (socket: TLSSocket) => void): Promise<{ credential: Credential; broker: string }> {
  const fleet = await TestFleet.create();
  const read = (name: string): Promise<string> => readFile(join(fleet.folder, 'broker', name), 'utf8');
  const [key, cert] = await Promise.all([read('server.key'), read('server.crt')]);
  const server = createServer({ key, cert }, (socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write(CONNACK);
      then(socket);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    server.close();
    await fleet.remove();
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { credential: await fleet.enroll('cam-1'), broker: `mqtts://localhost:${port}` };
}

/** PUBLISH of QoS 2 on the topic `x`, never released. */
function qos2(id: number, bytes: number): Buffer {
  const packet = Buffer.alloc(bytes + 8);
  packet.set([0x34, ((bytes + 5) & 0x7f) | 0x80, (bytes + 5) >> 7, 0, 1, 0x78]);
  packet.writeUInt16BE(id, 6);
  return packet;
}

it('messages of QoS 2, which nobody asked for and which would be held until they are released, end the connection', async () => {
  let timer: NodeJS.Timeout | undefined;
  const { credential, broker } = await brokerThat((socket) => {
    let id = 0;
    timer = setInterval(() => socket.write(qos2(++id, 1024)), 1);
  });
  const link = new ControlLink(credential, { broker });
  onTestFinished(async () => {
    clearInterval(timer);
    await link.close();
  });
  link.on('failure', () => {});
  let heard = 0;
  link.on('message', () => heard++);
  await link.waitOnline(SOON_MS);
  await once(link, 'offline', { signal: AbortSignal.timeout(SOON_MS) });
  expect(heard).toBe(0);
});
