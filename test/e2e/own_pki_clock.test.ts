import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openTlsStream } from '../../shared/mqtt/tls_stream.js';
import { Issuer } from '../support/members.js';
import { authorityOf, type Issued, issue, serverOf } from '../support/own_pki.js';

/** P-12.6, P-13.4: a broker of the fleet's own PKI, and a device that does not believe its clock. Real TLS. */

await Issuer.authority();

const DAY_MS = 86_400_000;
/** A certificate that is good now; and one that is not yet by this machine's clock, as all are to a device that says 1970. */
const TIMES = { right: Date.now() - DAY_MS, behind: Date.now() + 3650 * DAY_MS };

interface Pki {
  readonly root: Issued;
  readonly middle: Issued;
  readonly broker: Issued;
}

async function pki(from: number): Promise<Pki> {
  const root = await issue({ name: 'corp root', from, extensions: authorityOf() });
  const middle = await issue({ name: 'corp middle', by: root, from, extensions: authorityOf(0) });
  return { root, middle, broker: await issue({ name: 'broker', by: middle, from, extensions: serverOf('localhost') }) };
}

/** What comes of a connection to a broker that shows these. */
async function reach(chain: readonly Issued[], ca: string, believed: boolean, now = Date.now()): Promise<string> {
  const key = chain[0]?.privateKey.export({ type: 'pkcs8', format: 'pem' });
  const server = createServer({ cert: chain.map(({ pem }) => pem).join(''), key }, (socket) => {
    socket.on('error', () => {});
    socket.end('hello');
  });
  server.on('tlsClientError', () => {});
  server.listen(0);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const socket = openTlsStream({ host: 'localhost', port, ca }, { now: () => now / 1000, believed });
  return new Promise((resolve) => {
    socket.once('error', ({ message }) => resolve(message));
    socket.once('data', () => resolve('reached'));
  });
}

describe('P-12.6 a broker of the fleet’s own PKI', () => {
  it.each([
    ['believed', true, TIMES.right],
    ['not believed, and right', false, TIMES.right],
    ['not believed, and ten years behind', false, TIMES.behind],
  ])('is reached over an intermediate with a clock that is %s', async (_, believed, from) => {
    const { root, middle, broker } = await pki(from);
    expect(await reach([broker, middle], root.pem, believed, from + DAY_MS)).toBe('reached');
    expect(await reach([broker, middle, root], root.pem, believed, from + DAY_MS)).toBe('reached');
  });

  it.each(Object.entries(TIMES))('is reached where its CA is one of several, clock %s', async (_, from) => {
    const [{ root, middle, broker }, other] = [await pki(from), await pki(from)];
    expect(await reach([broker, middle], other.root.pem + root.pem, false, from)).toBe('reached');
  });

  it.each(Object.entries(TIMES))(
    'of another root, without who vouches for it, or expired, is refused, clock %s',
    async (_, from) => {
      const [{ root, middle, broker }, other] = [await pki(from), await pki(from)];
      expect(await reach([broker, middle], other.root.pem, false, from)).toMatch(/fleet made/);
      expect(await reach([broker], root.pem, false, from)).toMatch(/fleet made/);
      expect(await reach([broker, middle], root.pem, false, from + 31 * DAY_MS)).toMatch(/has expired/);
    },
  );

  it.each(Object.entries(TIMES))('is reached where the CA that is believed is no root, clock %s', async (_, from) => {
    const { middle, broker } = await pki(from);
    expect(await reach([broker, middle], middle.pem, false, from)).toBe('reached');
    expect(await reach([broker], middle.pem, false, from)).toBe('reached');
  });

  it('that shows a circle of CAs is refused, and at once', async () => {
    const from = TIMES.behind;
    const { root } = await pki(from);
    const [a, b] = [await issue({ name: 'a', from }), await issue({ name: 'b', from })];
    const ab = await issue({ name: 'a', keyOf: a, by: b, from, extensions: authorityOf() });
    const ba = await issue({ name: 'b', keyOf: b, by: a, from, extensions: authorityOf() });
    const broker = await issue({ name: 'broker', by: a, from, extensions: serverOf('localhost') });
    expect(await reach([broker, ab, ba, ab, ba], root.pem, false, from)).toMatch(/fleet made/);
  });
});
