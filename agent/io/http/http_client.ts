import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { createSecureContext } from 'node:tls';
import { ChunkmeshError } from '../../../shared/errors.js';
import { VERSION } from '../../../shared/version.js';
import { checkHead, isWhole, rangeHeader, redirectTarget } from './answer.js';
import { isEnded, requestError, shown } from './http_error.js';
import { HttpFlow } from './http_flow.js';
import type { HttpSource, HttpWanted } from './http_source.js';
import { takeBody } from './paced_body.js';

/** GET over HTTP/1.1, one at a time for each artifact, over connections that are kept for the next (P-11.2). */

/** A name, a connection, TLS and the head of an answer, over the slowest link that is any good. */
export const HEAD_TIMEOUT_MS = 10_000;
/** One for a name that moved, one for a store behind it, and one to spare. */
export const MAX_REDIRECTS = 3;
/** Of a connection that nobody uses: shorter than what servers grant, so that few end under a request. */
const IDLE_MS = 15_000;

export interface HttpClientOptions {
  /** PEM: who may vouch for servers, instead of those that Node brings. */
  readonly ca?: string | undefined;
  /** A flow begins: it is to be given its share of what may come. */
  readonly onFlow?: (flow: HttpFlow) => void;
}

export class HttpClient implements HttpSource {
  readonly #plain = new HttpAgent({ keepAlive: true, timeout: IDLE_MS });
  readonly #sealed: HttpsAgent;
  readonly #onFlow: (flow: HttpFlow) => void;
  #flow: HttpFlow | undefined;

  constructor({ ca, onFlow = () => {} }: HttpClientOptions = {}) {
    const secureContext = ca === undefined ? undefined : createSecureContext({ ca });
    this.#sealed = new HttpsAgent({ keepAlive: true, timeout: IDLE_MS, ...(secureContext && { secureContext }) });
    this.#onFlow = onFlow;
  }

  async get(wanted: HttpWanted, take: (bytes: Uint8Array) => void, signal: AbortSignal): Promise<void> {
    const flow = wanted.unlimited ? new HttpFlow() : this.#beginFlow();
    try {
      await takeBody(await this.#answer(wanted, signal), wanted, flow, take, signal);
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      flow.end();
    }
  }

  /** Requests under way fail. */
  async close(): Promise<void> {
    this.#plain.destroy();
    this.#sealed.destroy();
  }

  #beginFlow(): HttpFlow {
    const known = this.#flow;
    const flow = known === undefined || known.isFinished ? new HttpFlow() : known;
    flow.begin();
    if (flow !== known) this.#onFlow(flow);
    this.#flow = flow;
    return flow;
  }

  /** Follows where the server leads. @returns the answer whose body is what is wanted, unread */
  async #answer(wanted: HttpWanted, signal: AbortSignal): Promise<IncomingMessage> {
    const published = new URL(wanted.url);
    let url = published;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const answer = await this.#ask(url, wanted, signal);
      try {
        const to = redirectTarget(answer, url, published);
        if (to === null) {
          checkHead(answer, wanted);
          return answer;
        }
        url = to;
      } catch (error) {
        dismiss(answer);
        throw error;
      }
      dismiss(answer);
    }
    throw new ChunkmeshError('E_HTTP_REDIRECT', `${shown(wanted.url)} leads on more than ${MAX_REDIRECTS} times`);
  }

  async #ask(url: URL, wanted: HttpWanted, signal: AbortSignal): Promise<IncomingMessage> {
    try {
      return await this.#askOnce(url, wanted, signal);
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error;
      return await this.#askOnce(url, wanted, signal);
    }
  }

  #askOnce(url: URL, wanted: HttpWanted, signal: AbortSignal): Promise<IncomingMessage> {
    const [request, agent] =
      url.protocol === 'https:' ? ([httpsRequest, this.#sealed] as const) : ([httpRequest, this.#plain] as const);
    const headers = {
      'accept-encoding': 'identity',
      'user-agent': `chunkmesh/${VERSION}`,
      ...(!isWhole(wanted) && { range: rangeHeader(wanted) }),
    };
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const asking = request(url, { agent, headers });
      let connected = false;
      const fail = (error: unknown): void => {
        const isStale = asking.reusedSocket && isEnded(error);
        reject(isStale ? new StaleConnection() : requestError(error, url.href, connected));
      };
      const end = (): void => void asking.destroy(asError(signal.reason));
      const patience = setTimeout(() => {
        const code = connected ? 'E_HTTP_SILENT' : 'E_HTTP_UNREACHABLE';
        asking.destroy(new ChunkmeshError(code, `${shown(url.href)}: nothing in ${HEAD_TIMEOUT_MS / 1000} s`));
      }, HEAD_TIMEOUT_MS);
      signal.addEventListener('abort', end, { once: true });
      asking.on('socket', (socket) => {
        if (asking.reusedSocket) connected = true;
        else socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => (connected = true));
      });
      asking.once('response', resolve);
      asking.on('error', fail);
      asking.once('close', () => fail(undefined));
      for (const over of ['response', 'close'] as const) {
        asking.once(over, () => {
          clearTimeout(patience);
          signal.removeEventListener('abort', end);
        });
      }
      asking.end();
    });
  }
}

/** A connection that was kept ended before the request was there: nobody's fault, and asked once more. */
class StaleConnection extends Error {}

/** What is not wanted is not read to its end: it may have none. */
function dismiss(answer: IncomingMessage): void {
  answer.on('error', () => {});
  answer.destroy();
}

const asError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error('ended'));
