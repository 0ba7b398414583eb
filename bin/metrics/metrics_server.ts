import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';

/** `GET /metrics` for a monitoring system, and nothing else for anybody. */

/** Who scrapes: a few collectors, each once in some seconds. What is more is closed unheard. */
const MAX_CONNECTIONS = 16;
/** A scraper's request has a few hundred. */
const MAX_HEAD_BYTES = 4_096;
/** From the connection to the end of the request, and for all of it: a scraper is in the next rack. */
const REQUEST_MS = 5_000;
const CONNECTION_MS = 30_000;
/** How often connections are looked at for that. */
const LOOK_MS = 1_000;
const PATH = '/metrics';
/** Nobody scrapes more often. */
const KEPT_MS = 1_000;

export interface Page {
  readonly type: string;
  readonly text: string;
}

export class MetricsServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @throws E_SOCKET where the address is not of this host or the port is taken */
  static async listen(host: string, port: number, read: () => Promise<Page>): Promise<MetricsServer> {
    const timing = { headersTimeout: REQUEST_MS, requestTimeout: REQUEST_MS, connectionsCheckingInterval: LOOK_MS };
    const shared = sharedFor(KEPT_MS, read);
    const asked = new WeakSet<Socket>();
    const server = createServer({ ...timing, maxHeaderSize: MAX_HEAD_BYTES }, (request, response) => {
      // Node hands on all that one write brought before the first is answered: a thousand would each have the agent counted through.
      if (asked.has(request.socket)) {
        request.socket.destroy();
        return;
      }
      asked.add(request.socket);
      void answer(request, response, shared);
    });
    server.maxConnections = MAX_CONNECTIONS;
    server.setTimeout(CONNECTION_MS, (socket) => socket.destroy());
    server.on('clientError', (_error, socket) => socket.destroy());
    server.listen({ host, port, exclusive: true });
    try {
      await once(server, 'listening');
    } catch (cause) {
      throw new ChunkmeshError('E_SOCKET', `metrics on ${host}:${port}: ${systemCode(cause) ?? 'cannot be bound'}`, {
        cause,
      });
    }
    // It listens on; what the kernel says of one connection is not the agent's end.
    server.on('error', () => {});
    return new MetricsServer(server);
  }

  get url(): string {
    const { address, port, family } = this.#server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}${PATH}`;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, read: () => Promise<Page>): Promise<void> {
  response.on('error', () => {});
  response.shouldKeepAlive = false;
  const [path] = (request.url ?? '').split('?', 1);
  if (path !== PATH) return end(response, 404);
  if (request.method !== 'GET') return end(response.setHeader('allow', 'GET'), 405);
  try {
    const { type, text } = await read();
    response.setHeader('content-type', type);
    end(response, 200, text);
  } catch {
    end(response, 500);
  }
}

/** One page for all who ask within that time: to make one takes the agent's time. */
function sharedFor(ms: number, read: () => Promise<Page>): () => Promise<Page> {
  let page: Promise<Page> | undefined;
  let until = Number.NEGATIVE_INFINITY;
  return () => {
    if (page !== undefined && performance.now() < until) return page;
    until = performance.now() + ms;
    page = read();
    return page;
  };
}

/** A body that still comes is nobody's wish: the connection ends with the answer. */
function end(response: ServerResponse, status: number, text = ''): void {
  response.statusCode = status;
  response.end(text, () => response.socket?.destroySoon());
}
