import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { atEnd, type Owner } from '../rig/lifetime.ts';
import { reset } from '../rig/reset.ts';
import type { TokenService } from './token-service.ts';

/** An answer of the registry, as it is handed on. */
export interface Answer {
  status: number;
  readonly headers: http.OutgoingHttpHeaders;
  readonly body: AsyncIterable<Uint8Array>;
}

/** One request that passes the proxy. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** where the proxy listens, `127.0.0.1:PORT` */
  readonly host: string;
  readonly tokens: TokenService | undefined;
  /**
   * Sends the request to the registry and gives its answer; `upToBytes` of the body at most, then
   * the registry sees a cut connection and nothing comes back.
   */
  forward(upToBytes?: number): Promise<Answer | undefined>;
  /** Hands an answer to the client. */
  reply(answer: Answer): Promise<void>;
  /** Reads the body and throws it away. */
  drain(): Promise<void>;
  /** Cuts the client's connection with a TCP reset. */
  reset(): void;
  /** Takes no connections for so long; all that are open are cut. */
  vanish(ms: number): Promise<void>;
}

/** Does something to a request. `false`: it found nothing to do, and the request still waits. */
export type Fault = (exchange: Exchange) => Promise<boolean | undefined>;

/** When a fault strikes. */
export interface Rule {
  readonly method?: RegExp;
  /** of the path with its query */
  readonly path?: RegExp;
  /** the first so many matching requests pass; default 0 */
  readonly skip?: number;
  /** strikes so often; default always */
  readonly times?: number;
  readonly fault: Fault;
}

/** A request as it passed. */
export interface Passed {
  readonly method: string;
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  /** of the answer that the client was given; 0 if there was none */
  status: number;
  /** of the body that was read from the client */
  bytes: number;
  /** when it came, `performance.now()` */
  readonly atMs: number;
}

export interface FaultProxy {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly passed: readonly Passed[];
  /** when faults struck, `performance.now()` */
  readonly strikesMs: readonly number[];
}

export interface FaultProxyOptions {
  readonly tokens?: TokenService | undefined;
  /** cuts a connection so long after an answer, without a word */
  readonly closesIdleAfterMs?: number | undefined;
}

/** Starts a proxy before a plain registry on loopback that does to requests what rules say. */
export async function startFaultProxy(
  owner: Owner,
  upstream: string,
  rules: readonly Rule[],
  { tokens, closesIdleAfterMs }: FaultProxyOptions = {},
): Promise<FaultProxy> {
  const passed: Passed[] = [];
  const agent = new http.Agent({ keepAlive: true });
  const states = rules.map((rule) => ({ rule, skip: rule.skip ?? 0, left: rule.times ?? 1e9 }));
  const strikesMs: number[] = [];
  let port = 0;
  let hasEnded = false;

  const listen = async (): Promise<void> => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  };
  const vanish = async (ms: number): Promise<void> => {
    server.close();
    server.closeAllConnections();
    await delay(ms);
    if (!hasEnded) await listen();
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = '', url = '', headers } = request;
    const log: Passed = {
      method,
      path: url,
      headers,
      status: 0,
      bytes: 0,
      atMs: performance.now(),
    };
    passed.push(log);
    response.on('finish', () => {
      log.status = response.statusCode;
      if (closesIdleAfterMs !== undefined) {
        setTimeout(() => request.socket.destroy(), closesIdleAfterMs).unref();
      }
    });
    const host = `127.0.0.1:${port}`;
    const exchange = createExchange(request, response, { log, upstream, agent, host, tokens });
    if (tokens !== undefined && (await tokens.handle(exchange))) return;
    for (const state of states) {
      const { rule } = state;
      if (state.left <= 0) continue;
      if (rule.method !== undefined && !rule.method.test(method)) continue;
      if (rule.path !== undefined && !rule.path.test(url)) continue;
      if (state.skip-- > 0) continue;
      // Two requests at once must not both find the last strike left.
      state.left--;
      const atMs = performance.now();
      strikesMs.push(atMs);
      if ((await rule.fault({ ...exchange, vanish })) !== false) return;
      state.left++;
      strikesMs.splice(strikesMs.indexOf(atMs), 1);
    }
    const answer = await exchange.forward();
    if (answer !== undefined) await exchange.reply(answer);
  };

  const server = http.createServer((request, response) => {
    response.on('error', () => {});
    // A client that goes away in the middle, or a registry that does, ends in a cut connection.
    handle(request, response).catch(() => request.socket.destroy());
  });
  await listen();
  atEnd(owner, async () => {
    hasEnded = true;
    agent.destroy();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { host: `127.0.0.1:${port}`, passed, strikesMs };
}

interface Way {
  readonly log: Passed;
  readonly upstream: string;
  readonly agent: http.Agent;
  readonly host: string;
  readonly tokens: TokenService | undefined;
}

function createExchange(
  request: IncomingMessage,
  response: ServerResponse,
  { log, upstream, agent, host, tokens }: Way,
): Omit<Exchange, 'vanish'> & Exchange {
  const { hostname, port } = new URL(`http://${upstream}`);
  let taken = false;

  const bodyOf = async function* (): AsyncGenerator<Buffer> {
    if (taken) return;
    taken = true;
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      log.bytes += chunk.byteLength;
      yield chunk;
    }
  };

  const forward = async (upToBytes = Number.POSITIVE_INFINITY): Promise<Answer | undefined> => {
    const { method, url: path } = request;
    const { authorization, expect, ...headers } = request.headers;
    const passing = tokens === undefined && authorization !== undefined ? { authorization } : {};
    const onward = http.request({
      ...{ agent, hostname, port, method, path },
      // The Host header stays, so that the registry's Locations lead back through here.
      headers: { ...headers, ...passing },
    });
    onward.on('error', () => {});
    // A client that goes away in the middle is gone for the registry too.
    request.on('close', () => {
      if (!request.complete) onward.destroy();
    });
    const answered = once(onward, 'response') as Promise<[IncomingMessage]>;
    answered.catch(() => {});
    const closed = once(onward, 'close').catch(() => {});
    let left = upToBytes;
    for await (const chunk of bodyOf()) {
      const part = chunk.subarray(0, Math.min(left, chunk.byteLength));
      left -= part.byteLength;
      const isTaken = onward.write(part);
      if (left <= 0) {
        // What was let through is to arrive before the cut.
        await delay(20);
        onward.destroy();
        return undefined;
      }
      if (!isTaken) await Promise.race([once(onward, 'drain').catch(() => {}), closed, answered]);
      if (onward.destroyed) break;
    }
    onward.end();
    const [answer] = await answered;
    return { status: answer.statusCode ?? 0, headers: { ...answer.headers }, body: answer };
  };

  return {
    request,
    response,
    host,
    tokens,
    forward,
    async reply({ status, headers, body }) {
      response.writeHead(status, headers);
      if (request.method !== 'HEAD') {
        for await (const chunk of body) {
          if (!response.write(chunk)) await once(response, 'drain');
        }
      }
      response.end();
    },
    async drain() {
      for await (const _ of bodyOf());
    },
    reset: () => reset(request.socket),
    vanish: async () => {},
  };
}
