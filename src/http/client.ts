import { Pool } from 'undici';
import { type Bytes, collect } from '../bytes/stream.ts';
import { connectionError } from './connection-error.ts';
import { connectionOptions, type TlsSettings } from './tls.ts';

export interface HttpRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** the body, read once */
  readonly body?: Bytes | Uint8Array;
  /** length of a streamed body in bytes; without it the body is sent in chunked coding */
  readonly bodyBytes?: number;
  readonly signal?: AbortSignal | undefined;
  /** wait for the answer's headers once the body is sent; the idle time-out if left out */
  readonly headersTimeoutMs?: number;
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
  /** Reads the body into memory. */
  read(maxBytes: number): Promise<Buffer>;
  /** Frees the connection without using the body. */
  drop(): Promise<void>;
}

export interface HttpOptions {
  /** nothing received and nothing taken for this long ends a request; default 60 s */
  readonly idleTimeoutMs?: number;
  /** default 10 s */
  readonly connectTimeoutMs?: number;
  /** settings of TLS connections to a host (`name:port` as in a URL) */
  readonly tls?: (host: string) => TlsSettings;
}

/** Sends single requests: no redirects, no credentials, no retries of its own. */
export interface Http {
  /** @throws SlipwayError `NETWORK`, `TLS`, `NOT_A_REGISTRY`; or what the body's iteration threw */
  send(request: HttpRequest): Promise<HttpResponse>;
  close(): Promise<void>;
}

/** More connections to one origin than this help no registry. */
const CONNECTIONS_PER_ORIGIN = 32;
const MAX_HEADER_BYTES = 64 * 1024;
/** A body that nobody wants is read up to here to keep the connection; beyond, it is closed. */
const DROP_BYTES = 64 * 1024;

/** Makes a client with a pool of connections for each origin. */
export function createHttp(options: HttpOptions = {}): Http {
  const idleTimeoutMs = options.idleTimeoutMs ?? 60_000;
  const pools = new Map<string, Pool>();

  const poolFor = (url: URL): Pool => {
    let pool = pools.get(url.origin);
    if (pool === undefined) {
      pool = new Pool(url.origin, {
        connections: CONNECTIONS_PER_ORIGIN,
        allowH2: false,
        headersTimeout: idleTimeoutMs,
        bodyTimeout: idleTimeoutMs,
        maxHeaderSize: MAX_HEADER_BYTES,
        connect: {
          ...connectionOptions(options.tls?.(url.host)),
          timeout: options.connectTimeoutMs ?? 10_000,
        },
      });
      pools.set(url.origin, pool);
    }
    return pool;
  };

  return {
    async send(request) {
      request.signal?.throwIfAborted();
      const { url } = request;
      let bodyFailure: { error: unknown } | undefined;
      const body =
        request.body === undefined || request.body instanceof Uint8Array
          ? request.body
          : remembering(request.body, (error) => {
              bodyFailure = { error };
            });
      try {
        const response = await poolFor(url).request({
          method: request.method as 'GET',
          path: `${url.pathname}${url.search}`,
          headers: { ...BASE_HEADERS, ...request.headers, ...lengthOf(request) },
          ...(body === undefined ? {} : { body: body as unknown as Buffer }),
          ...(request.signal === undefined ? {} : { signal: request.signal }),
          headersTimeout: Math.max(request.headersTimeoutMs ?? 0, idleTimeoutMs),
        });
        return wrap(response, url, request.signal);
      } catch (error) {
        request.signal?.throwIfAborted();
        if (bodyFailure !== undefined) throw bodyFailure.error;
        throw connectionError(error, url);
      }
    },
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()));
      pools.clear();
    },
  };
}

const BASE_HEADERS = { 'user-agent': 'slipway', 'accept-encoding': 'identity' };

function lengthOf({ body, bodyBytes }: HttpRequest): Record<string, string> {
  const length = body instanceof Uint8Array ? body.byteLength : bodyBytes;
  return length === undefined ? {} : { 'content-length': String(length) };
}

/** Hands a body through and keeps what its iteration threw: the HTTP library wraps it. */
async function* remembering(body: Bytes, failed: (error: unknown) => void): Bytes {
  try {
    yield* body;
  } catch (error) {
    failed(error);
    throw error;
  }
}

type Answer = Awaited<ReturnType<Pool['request']>>;

function wrap(answer: Answer, url: URL, signal: AbortSignal | undefined): HttpResponse {
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
    read: (maxBytes) => collect(body, maxBytes, 'the answer'),
    async drop() {
      await answer.body.dump({ limit: DROP_BYTES }).catch(() => {});
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
