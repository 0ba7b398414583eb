import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface CountingRelay {
  readonly port: number;
  up(): number;
  down(): number;
  close(): void;
}

/** Bytes as another program sees them pass, event by event, to hold the counters of sockets against. */
export async function countingRelay(target: number): Promise<CountingRelay> {
  let up = 0;
  let down = 0;
  const server = createServer({ allowHalfOpen: true }, (near: Socket) => {
    const far = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true });
    near.on('data', (part) => {
      up += part.length;
      far.write(part);
    });
    far.on('data', (part) => {
      down += part.length;
      near.write(part);
    });
    near.on('end', () => far.end()).on('error', () => far.destroy());
    far.on('end', () => near.end()).on('error', () => near.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { port, up: () => up, down: () => down, close: () => void server.close() };
}
