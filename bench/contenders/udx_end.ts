import { createRequire } from 'node:module';
import { argv } from 'node:process';
import { CHECKOUT } from '../checkout.js';

/** One stream of udx-native, unsealed. `receive <seconds>`, `send <port> <seconds>` */

/** What is used of the package, which carries no types. */
interface Socket {
  bind(port: number, host: string): void;
  address(): { port: number };
  setRecvBufferSize(bytes: number): void;
  setSendBufferSize(bytes: number): void;
  on(event: 'message', listener: (message: Buffer, from: { port: number; host: string }) => void): void;
  send(message: Buffer, port: number, host: string): Promise<void>;
}
interface Stream {
  connect(socket: Socket, remoteId: number, port: number, host: string): void;
  on(event: 'data', listener: (data: Buffer) => void): void;
  on(event: 'drain' | 'error', listener: () => void): void;
  write(data: Buffer): boolean;
}
interface Udx {
  createSocket(): Socket;
  createStream(id: number): Stream;
}

const RECEIVER_ID = 1;
const SENDER_ID = 2;
const PIECE_BYTES = 65_536;
/** Asked of the kernel, as chunkmesh does. */
const BUFFER_BYTES = 4 * 2 ** 20;
const HOST = '127.0.0.1';

const load = createRequire(`${CHECKOUT}/bench/packages/package.json`)('udx-native') as new () => Udx;

function open(udx: Udx): Socket {
  const socket = udx.createSocket();
  socket.bind(0, HOST);
  socket.setRecvBufferSize(BUFFER_BYTES);
  socket.setSendBufferSize(BUFFER_BYTES);
  return socket;
}

function receive(seconds: number): void {
  const udx = new load();
  const socket = open(udx);
  const stream = udx.createStream(RECEIVER_ID);
  // The sender says where it is with a datagram of its own.
  socket.on('message', (_message, { port, host }) => stream.connect(socket, SENDER_ID, port, host));
  let bytes = 0;
  let begun = 0;
  stream.on('data', (data) => {
    if (bytes === 0) {
      begun = performance.now();
      setTimeout(() => process.send?.({ bytes, seconds: (performance.now() - begun) / 1000 }), seconds * 1000);
    }
    bytes += data.length;
  });
  stream.on('error', () => {});
  process.send?.(socket.address().port);
}

async function send(port: number): Promise<void> {
  const udx = new load();
  const socket = open(udx);
  await socket.send(Buffer.from('here'), port, HOST);
  const stream = udx.createStream(SENDER_ID);
  stream.connect(socket, RECEIVER_ID, port, HOST);
  stream.on('error', () => {});
  const piece = Buffer.alloc(PIECE_BYTES, 0x5a);
  const fill = (): void => {
    while (stream.write(piece));
  };
  stream.on('drain', fill);
  fill();
}

if (argv[2] === 'receive') receive(Number(argv[3]));
else await send(Number(argv[3]));
process.on('disconnect', () => process.exit(0));
