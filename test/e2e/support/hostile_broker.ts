import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { Aedes } from 'aedes';
import { onTestFinished } from 'vitest';
import type { Mesh } from './mesh.js';

/** A broker that has the fleet's certificate and keeps none of its rules: no ACL, no limit, no roster. */
export async function hostileBroker({ fleet }: Mesh): Promise<string> {
  const read = (name: string): Promise<string> => readFile(join(fleet.folder, name), 'utf8');
  const [key, cert] = await Promise.all([read('broker/server.key'), read('broker/server.crt')]);
  const aedes = await Aedes.createBroker();
  const server = createServer({ key, cert }, aedes.handle);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    server.close();
    await new Promise<void>((done) => aedes.close(done));
  });
  const address = server.address();
  return `mqtts://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
}
