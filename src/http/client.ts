import { type buildConnector, errors, Pool } from 'undici';
import { type Bytes, collect } from '../bytes/stream.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import { createConnector } from './connect.ts';
import { connectionError, stalled } from './connection-error.ts';
import { noticingKept, wasKept } from './kept.ts';
import { CONNECT_TIMEOUT_MS, type RouteLookup } from './route.ts';
import { openTunnel, proxyAuthorization, proxyConnector, proxyRefused } from './tunnel.ts';
import { requestUpgrade, type Upgraded } from './upgrade.ts';
import { BYTES_PER_MS, watchBody } from './watched-body.ts';

export interface HttpRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** the body, read once */
  readonly body?: Bytes | Uint8Array;
  /** length of a streamed body in bytes; without it the body is sent in chunked coding */
  readonly bodyBytes?: number;
  /** bytes sent before that the other side has to put away until it answers: it is given time */
  readonly heldBytes?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpResponse {
  readonly status: number;
  /** the URL that answered */
  readonly url: URL;
  /** The value of a header; several of one name are joined by commas. */
  header(name: string): string | undefined;
  /** All values of a header. */
  headers(name: string): readonly string[];
  /** The body, as it was sent, to be read once. Every response is either read or dropped. */
  readonly body: Bytes;
  /**
   * Reads the body into memory.
   *
   * @param timeoutMs for all of it, so that a drip of bytes ends too; default 5 minutes
   * @throws SlipwayError `LIMIT_EXCEEDED`, `NETWORK`
   */
  read(maxBytes: number, timeoutMs?: number): Promise<Buffer>;
  /** Frees the connection without using the body. */
  drop(): Promise<void>;
}

export interface HttpOptions {
  /**
   * Nothing received and nothing taken for this long ends a request; default 60 s. For the answer
   * to a body it is a second longer for every 10 MB. 0 waits forever.
   */
  readonly idleTimeoutMs?: number;
  /** how each origin is reached; directly and with the usual authorities if left out */
  readonly route?: RouteLookup;
  /** makes connections in another way than by the URL's host and port */
  readonly connect?: buildConnector.connector;
}

/** Sends single requests: no redirects, no credentials, no retries of its own. */
export interface Http {
  /** @throws SlipwayError `NETWORK`, `TLS`, `NOT_A_REGISTRY`; or what the body's iteration threw */
  send(request: HttpRequest): Promise<HttpResponse>;
  /**
   * Asks for a connection to be turned into a stream of bytes both ways.
   *
   * @throws SlipwayError `NETWORK`, `TLS`
   */
  upgrade(request: Omit<HttpRequest, 'body'>, protocol: string): Promise<Upgraded>;
  close(): Promise<void>;
}

/** More connections to one origin than this help no registry. */
const CONNECTIONS_PER_ORIGIN = 32;
const MAX_HEADER_BYTES = 64 * 1024;
/** A body that nobody wants is read up to here to keep the connection; beyond, it is closed. */
const DROP_BYTES = 64 * 1024;
const DROP_TIMEOUT_MS = 2_000;
const READ_TIMEOUT_MS = 300_000;
/** Each lets the answer itself take its time anew. */
const MAX_INTERIM_ANSWERS = 100;

/** An origin's connections. A request in plain http names its whole URL to a proxy. */
interface Door {
  readonly pool: Pool;
  readonly plainProxy?: URL;
  /** HEAD was answered here on a connection that is used further */
  hasKeptHead: boolean;
  /** something other than an answer came on a connection: a body of HEAD, perhaps */
  hasStrayBytes: boolean;
}

/** Makes a client with a pool of connections for each origin, also where a proxy is between. */
export function createHttp(options: HttpOptions = {}): Http {
  const idleTimeoutMs = options.idleTimeoutMs ?? 60_000;
  const doors = new Map<string, Promise<Door>>();
  let isClosed = false;

  const open = async (url: URL): Promise<Door> => {
    const {
      tls,
      proxy,
      connectTimeoutMs: timeoutMs = CONNECT_TIMEOUT_MS,
    } = (await options.route?.(url)) ?? {};
    const plainProxy = url.protocol === 'http:' ? proxy : undefined;
    const tunnel = proxy && (() => openTunnel(proxy, url, timeoutMs));
    const pool = new Pool(plainProxy?.origin ?? url.origin, {
      connections: CONNECTIONS_PER_ORIGIN,
      allowH2: false,
      headersTimeout: idleTimeoutMs,
      bodyTimeout: idleTimeoutMs,
      maxHeaderSize: MAX_HEADER_BYTES,
      connect: noticingKept(
        options.connect ??
          (plainProxy
            ? proxyConnector(plainProxy, url, timeoutMs)
            : createConnector(tls, timeoutMs, tunnel)),
      ),
    });
    if (isClosed) await pool.destroy();
    const door = { pool, hasKeptHead: false, hasStrayBytes: false };
    return plainProxy ? { ...door, plainProxy } : door;
  };

  const doorTo = (url: URL): Promise<Door> => {
    const known = doors.get(url.origin);
    if (known !== undefined) return known;
    const door = open(new URL(url.origin));
    doors.set(url.origin, door);
    door.catch(() => doors.delete(url.origin));
    return door;
  };

  return {
    async send(request) {
      request.signal?.throwIfAborted();
      const { url, body } = request;
      const door = await doorTo(url);
      const { pool, plainProxy } = door;
      request.signal?.throwIfAborted();
      const keepsHead = request.method === 'HEAD' && !door.hasStrayBytes;
      const common = {
        method: request.method as 'GET',
        path: `${plainProxy ? url.origin : ''}${url.pathname}${url.search}`,
        headers: {
          ...BASE_HEADERS,
          ...request.headers,
          ...lengthOf(request),
          ...(plainProxy && { host: url.host, ...proxyAuthorization(plainProxy) }),
        },
        onInfo: countInterim(url),
      };
      const answered = async (answer: Answer): Promise<HttpResponse> => {
        const response = wrap(answer, request);
        if (plainProxy === undefined || answer.statusCode !== 407) return response;
        await response.drop();
        throw proxyRefused(plainProxy, url, 407);
      };
      if (body === undefined || body instanceof Uint8Array) {
        const signal = request.signal ?? null;
        try {
          const headersTimeout =
            idleTimeoutMs === 0 ? 0 : idleTimeoutMs + (request.heldBytes ?? 0) / BYTES_PER_MS;
          const answer = await pool.request({
            ...common,
            body: body ?? null,
            // After HEAD the library would close the connection: some servers send a body.
            ...(keepsHead && { reset: false }),
            signal,
            headersTimeout,
          });
          door.hasKeptHead ||= keepsHead;
          return await answered(answer);
        } catch (error) {
          request.signal?.throwIfAborted();
          throw unanswered(error, url, door);
        }
      }
      const sending = watchBody(body, url, idleTimeoutMs, request.heldBytes);
      const signals = [sending.stalled, ...(request.signal === undefined ? [] : [request.signal])];
      try {
        const answer = await pool.request({
          ...common,
          body: sending.body as unknown as Buffer,
          signal: AbortSignal.any(signals),
          // The library's clock also runs while the body is being sent; ours knows better.
          headersTimeout: 0,
        });
        return await answered(answer);
      } catch (error) {
        request.signal?.throwIfAborted();
        throw sending.failure()?.error ?? unanswered(error, url, door, sending.sentBytes);
      } finally {
        sending.end();
      }
    },
    async upgrade({ method, url, headers, signal }, protocol) {
      signal?.throwIfAborted();
      try {
        const path = `${url.pathname}${url.search}`;
        const asked = { method: method as 'GET', path, headers: { ...BASE_HEADERS, ...headers } };
        const { pool } = await doorTo(url);
        return await requestUpgrade(pool, asked, protocol, signal);
      } catch (error) {
        signal?.throwIfAborted();
        throw connectionError(error, url);
      }
    },
    async close() {
      isClosed = true;
      const opened = await Promise.allSettled(doors.values());
      await Promise.all(
        opened.map((door) => (door.status === 'fulfilled' ? door.value.pool.destroy() : undefined)),
      );
      doors.clear();
    },
  };
}

/** A connection that took more than this had not been closed before. */
const STALE_BYTES = 1024 * 1024;

/** What became of a request that got no answer. */
function unanswered(error: unknown, url: URL, door: Door, sentBytes = 0): unknown {
  const failure = connectionError(error, url);
  if (error instanceof errors.HTTPParserError && door.hasKeptHead) {
    door.hasStrayBytes = true;
    if (failure instanceof SlipwayError) {
      return failure.with({ transient: true, staleConnection: true });
    }
  }
  const isStale = isSlipwayError(failure, 'NETWORK') && sentBytes <= STALE_BYTES && wasKept(error);
  return isStale ? failure.with({ staleConnection: true }) : failure;
}

/** Counts what comes before an answer (RFC 9110, 15.2); what it throws ends the request. */
function countInterim(url: URL): () => void {
  let count = 0;
  return () => {
    if (++count <= MAX_INTERIM_ANSWERS) return;
    throw new SlipwayError(
      'NOT_A_REGISTRY',
      `${url.host} announced an answer more than ${MAX_INTERIM_ANSWERS} times and gave none`,
      { host: url.host },
    );
  };
}

const BASE_HEADERS = { 'user-agent': 'slipway', 'accept-encoding': 'identity' };

function lengthOf({ body, bodyBytes }: HttpRequest): Record<string, string> {
  const length = body instanceof Uint8Array ? body.byteLength : bodyBytes;
  return length === undefined ? {} : { 'content-length': String(length) };
}

type Answer = Awaited<ReturnType<Pool['request']>>;

function wrap(answer: Answer, { url, signal }: HttpRequest): HttpResponse {
  const headers = (name: string): readonly string[] => {
    const value = answer.headers[name];
    return value === undefined ? [] : Array.isArray(value) ? value : [value];
  };
  const body = translated(answer.body, url, signal);
  return {
    status: answer.statusCode,
    url,
    headers,
    header(name) {
      const all = headers(name);
      return all.length === 0 ? undefined : all.join(', ');
    },
    body,
    async read(maxBytes, timeoutMs = READ_TIMEOUT_MS) {
      const timer = setTimeout(() => answer.body.destroy(stalled(url)), timeoutMs);
      try {
        return await collect(body, maxBytes, `the answer of ${url.host}`);
      } finally {
        clearTimeout(timer);
      }
    },
    async drop() {
      const signal = AbortSignal.timeout(DROP_TIMEOUT_MS);
      await answer.body.dump({ limit: DROP_BYTES, signal }).catch(() => {});
    },
  };
}

async function* translated(body: Bytes, url: URL, signal: AbortSignal | undefined): Bytes {
  try {
    yield* body;
  } catch (error) {
    signal?.throwIfAborted();
    throw connectionError(error, url);
  }
}
