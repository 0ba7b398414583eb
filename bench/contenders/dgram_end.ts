import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { argv } from 'node:process';

/** Node's UDP socket and nothing else: connected, no window, no flow control. `receive <seconds> <bytes>`, `send <port> <seconds> <bytes>` */

const BUFFER_BYTES = 4 * 2 ** 20;
/** Between two turns of the event loop. */
const BURST = 64;

async function receive(seconds: number): Promise<void> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  socket.setRecvBufferSize(BUFFER_BYTES);
  let bytes = 0;
  let begun = 0;
  socket.on('message', (datagram) => {
    if (bytes === 0) {
      begun = performance.now();
      setTimeout(() => process.send?.({ bytes, seconds: (performance.now() - begun) / 1000 }), seconds * 1000);
    }
    bytes += datagram.length;
  });
  process.send?.(socket.address().port);
}

async function send(port: number, bytes: number): Promise<void> {
  const socket = createSocket('udp4');
  socket.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.setSendBufferSize(BUFFER_BYTES);
  // The receiver may be gone first.
  socket.on('error', () => {});
  const datagram = Buffer.alloc(bytes, 0x5a);
  const sent = (): void => {};
  const burst = (): void => {
    for (let i = 0; i < BURST; i++) socket.send(datagram, 0, bytes, sent);
    setImmediate(burst);
  };
  burst();
}

if (argv[2] === 'receive') await receive(Number(argv[3]));
else await send(Number(argv[3]), Number(argv[5]));
process.on('disconnect', () => process.exit(0));
