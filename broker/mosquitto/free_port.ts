import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/** A TCP port of `host` that was free a moment ago. */
export async function freePort(host: string): Promise<number> {
  const server = createServer();
  server.listen({ host, port: 0 });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
