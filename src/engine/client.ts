import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { buildConnector } from 'undici';
import { type Bytes, collect } from '../bytes/stream.ts';
import type { Signalled } from '../content/transport.ts';
import { createHttp, type Http, type HttpResponse } from '../http/client.ts';
import { createConnector } from '../http/connect.ts';
import type { JsonObject } from '../oci/json.ts';
import type { Platform } from '../oci/platform.ts';
import { type EngineAddress, formatEngineAddress } from './address.ts';
import { brokenError, contactError, isForbidden, messageOf, noEngine, refusal } from './errors.ts';
import { type EngineProduct, engineAddresses } from './find.ts';
import {
  compareVersions,
  type Found,
  GREETING_MS,
  greet,
  parseAnswer,
  platformOf,
} from './greet.ts';
import { dialThroughSsh } from './ssh.ts';

/** A request to an engine's API. */
export interface EngineRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'HEAD';
  /** without version: `/images/json` */
  readonly path: string;
  /** values that are undefined are left out */
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** sent as JSON, or as it is */
  readonly body?: JsonObject | Uint8Array | AsyncIterable<Uint8Array>;
  /** what is wanted, for errors: `load an image` */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
}

/** A running engine, spoken to through Docker's API (docs.docker.com/reference/api/engine). */
export interface Engine {
  /** for people: `docker at unix:///var/run/docker.sock` */
  readonly name: string;
  readonly product: EngineProduct;
  /** where it was found */
  readonly address: EngineAddress;
  /** the engine's own version */
  readonly version: string;
  /** version of the API that is spoken: `1.41` */
  readonly apiVersion: string;
  /** What it runs images for. */
  platform(options?: Signalled): Promise<Platform>;
  /** True if it speaks this version of the API: `1.44`. */
  speaks(apiVersion: string): boolean;
  /**
   * Sends a request and gives an answer that is no error. It waits as long as the engine lives.
   *
   * @throws SlipwayError `NETWORK` if the engine went away; by the engine's answer `NOT_FOUND`,
   * `UNSUPPORTED`, `DENIED`, `NO_SPACE`, `SERVER_ERROR`, with its status in `facts.status`
   */
  send(request: EngineRequest): Promise<HttpResponse>;
  /** Sends a request and reads the answer as JSON; undefined if it is empty. */
  json(request: EngineRequest): Promise<unknown>;
  /** Turns a connection into a stream both ways: `tcp` to attach, `h2c` for BuildKit. */
  upgrade(request: Omit<EngineRequest, 'body'>, protocol: string): Promise<Duplex>;
  close(): Promise<void>;
}

export interface ConnectOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** only an engine that is one of docker's or podman's by its place */
  readonly only?: EngineProduct;
  /** how long an engine may take for its first answer; default 10 s */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

const MAX_JSON_BYTES = 32 * 1024 * 1024;
const MAX_ERROR_BYTES = 64 * 1024;

/**
 * Connects to the engine that `DOCKER_HOST`, the docker context or `CONTAINER_HOST` name, else to
 * the first one that answers at the usual sockets.
 *
 * @throws SlipwayError `NO_ENGINE`, `TLS`, `CONFIG_INVALID`
 */
export async function connectEngine(options: ConnectOptions = {}): Promise<Engine> {
  const { addresses } = await engineAddresses(options.env, options.only);
  const failures: unknown[] = [];
  for (const address of addresses) {
    try {
      return await connectTo(address, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      failures.push(error);
    }
  }
  const [only] = failures;
  if (failures.length === 1) throw only;
  // A socket that may not be used says more than those that aren't there.
  throw failures.find(isForbidden) ?? noEngine(addresses.map(formatEngineAddress));
}

/**
 * Connects to the engine at an address.
 *
 * @throws SlipwayError `NO_ENGINE`, `TLS`
 */
async function connectTo(address: EngineAddress, options: ConnectOptions): Promise<Engine> {
  const where = formatEngineAddress(address);
  const http = createHttp({ idleTimeoutMs: 0, connect: connectorFor(address, options) });
  const origin = address.kind === 'tcp' && address.tls !== undefined ? 'https' : 'http';
  const base = new URL(`${origin}://${address.kind === 'tcp' ? address.host : 'localhost'}`);
  try {
    const found = await greet(http, base, where, options);
    return createEngine(http, base, where, { ...found, address });
  } catch (error) {
    await http.close();
    options.signal?.throwIfAborted();
    throw contactError(error, where);
  }
}

function createEngine(
  http: Http,
  base: URL,
  where: string,
  { platform, ...found }: Found & Pick<Engine, 'address'>,
): Engine {
  const { apiVersion } = found;
  const name = `${found.product} at ${where}`;
  const urlOf = ({ path, query = {} }: Pick<EngineRequest, 'path' | 'query'>): URL => {
    const url = new URL(`/v${apiVersion}${path}`, base);
    for (const [key, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(key, String(value));
    }
    return url;
  };
  const send: Engine['send'] = async (request) => {
    const { method, what, signal } = request;
    const { body, headers } = bodyOf(request);
    const answer = await http
      .send({
        method,
        url: urlOf(request),
        headers: { ...headers, ...request.headers },
        ...(body === undefined ? {} : { body }),
        signal,
      })
      .catch((error: unknown) => {
        throw brokenError(error, name);
      });
    // 304: it is so already. No other redirection is one that an engine makes.
    const isDone = answer.status < 300 || answer.status === 304;
    if (isDone) return { ...answer, ...unbroken(answer, name) };
    const said = messageOf(await answer.read(MAX_ERROR_BYTES));
    throw refusal(said, { name, what, status: answer.status });
  };
  const json: Engine['json'] = async (request) => {
    const body = await (await send(request)).read(MAX_JSON_BYTES);
    return body.byteLength === 0 ? undefined : parseAnswer(body, name);
  };
  return {
    ...found,
    name,
    async platform({ signal } = {}) {
      if (platform !== undefined) return platform;
      const what = 'say what it is';
      return platformOf(await json({ method: 'GET', path: '/version', what, signal }));
    },
    speaks: (version) => compareVersions(version, apiVersion) <= 0,
    send,
    json,
    async upgrade(request, protocol) {
      const { method, what, headers = {}, signal } = request;
      const asked = { method, url: urlOf(request), headers, signal };
      const upgraded = await http.upgrade(asked, protocol).catch((error: unknown) => {
        throw brokenError(error, name);
      });
      if ('stream' in upgraded) return upgraded.stream;
      throw refusal(messageOf(upgraded.body), { name, what, status: upgraded.status });
    },
    close: () => http.close(),
  };
}

/**
 * The body of an answer whose breaking is told as the engine's. It may take as long as a container
 * runs.
 */
function unbroken(answer: HttpResponse, name: string): Pick<HttpResponse, 'body' | 'read'> {
  const body = (async function* (): Bytes {
    try {
      yield* answer.body;
    } catch (error) {
      throw brokenError(error, name);
    }
  })();
  return { body, read: (maxBytes) => collect(body, maxBytes, `the answer of ${name}`) };
}

function bodyOf({ body }: EngineRequest): {
  readonly body?: Uint8Array | Bytes;
  readonly headers: Record<string, string>;
} {
  if (body === undefined) return { headers: {} };
  if (body instanceof Uint8Array || Symbol.asyncIterator in body) {
    return { body: body as Uint8Array | Bytes, headers: { 'content-type': 'application/x-tar' } };
  }
  return {
    body: Buffer.from(JSON.stringify(body)),
    headers: { 'content-type': 'application/json' },
  };
}

function connectorFor(
  address: EngineAddress,
  { timeoutMs: timeout = GREETING_MS }: ConnectOptions,
): buildConnector.connector {
  if (address.kind === 'ssh') {
    return (_options, done) => {
      dialThroughSsh(address).then(
        // It has what is needed of a socket.
        (stream) => done(null, stream as Socket),
        (error: Error) => done(error, null),
      );
    };
  }
  if (address.kind === 'unix') return buildConnector({ socketPath: address.path, timeout });
  return createConnector(address.tls, timeout);
}
