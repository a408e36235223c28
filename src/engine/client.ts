import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { buildConnector } from 'undici';
import { type Bytes, collect } from '../bytes/stream.ts';
import { SlipwayError } from '../errors.ts';
import { createHttp, type Http, type HttpResponse } from '../http/client.ts';
import { createConnector } from '../http/connect.ts';
import { isJsonObject, type JsonObject } from '../oci/json.ts';
import { normalizePlatform, type Platform } from '../oci/platform.ts';
import { type EngineAddress, formatEngineAddress } from './address.ts';
import { brokenError, contactError, isForbidden, messageOf, noEngine, refusal } from './errors.ts';
import { type EngineProduct, engineAddresses } from './find.ts';
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
  /** what it runs images for */
  readonly platform: Platform;
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

/** What we know; an engine that knows less is asked in its own version. */
const NEWEST_API = '1.48';
/** Docker 17.06 and podman 3 know this much. */
const OLDEST_API = '1.30';
const GREETING_MS = 10_000;
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
    const found = await greet(http, base, options, where);
    return createEngine(http, base, where, { ...found, address });
  } catch (error) {
    await http.close();
    options.signal?.throwIfAborted();
    throw contactError(error, where);
  }
}

type Found = Pick<Engine, 'product' | 'version' | 'apiVersion' | 'platform'>;

async function greet(
  http: Http,
  base: URL,
  { timeoutMs = GREETING_MS, signal }: ConnectOptions,
  where: string,
): Promise<Found> {
  const deadline = AbortSignal.timeout(timeoutMs);
  const signals = signal === undefined ? [deadline] : [deadline, signal];
  let body: Buffer;
  try {
    const url = new URL('/version', base);
    const answer = await http.send({ method: 'GET', url, signal: AbortSignal.any(signals) });
    body = await answer.read(MAX_JSON_BYTES, timeoutMs);
    if (answer.status !== 200) {
      throw refusal(messageOf(body), {
        name: where,
        what: 'say what it is',
        status: answer.status,
      });
    }
  } catch (error) {
    if (!deadline.aborted || signal?.aborted) throw error;
    throw new SlipwayError('NO_ENGINE', `the engine at ${where} doesn't answer`, {
      hint: 'it may hang: look at its log, or restart it',
      cause: error,
    });
  }
  return described(body, where);
}

function described(body: Buffer, where: string): Found {
  const json = parseAnswer(body, where);
  const text = (key: string): string =>
    isJsonObject(json) && typeof json[key] === 'string' ? (json[key] as string) : '';
  const theirs = text('ApiVersion');
  if (!/^[0-9]{1,3}\.[0-9]{1,3}$/.test(theirs)) throw notAnEngine(where);
  if (compareVersions(theirs, OLDEST_API) < 0) {
    throw new SlipwayError('NO_ENGINE', `the engine at ${where} is too old: its API is ${theirs}`, {
      hint: `version ${OLDEST_API} of the API is needed, which Docker has since 17.06`,
    });
  }
  const components = isJsonObject(json) ? json.Components : undefined;
  const isPodman =
    Array.isArray(components) &&
    components.some((each) => isJsonObject(each) && /podman/i.test(String(each.Name)));
  return {
    product: isPodman ? 'podman' : 'docker',
    version: text('Version').slice(0, 100),
    apiVersion: compareVersions(theirs, NEWEST_API) < 0 ? theirs : NEWEST_API,
    platform: normalizePlatform({
      os: text('Os') || 'linux',
      architecture: text('Arch') || 'amd64',
    }),
  };
}

function createEngine(
  http: Http,
  base: URL,
  where: string,
  found: Found & Pick<Engine, 'address'>,
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
  return {
    ...found,
    name,
    speaks: (version) => compareVersions(version, apiVersion) <= 0,
    send,
    async json(request) {
      const body = await (await send(request)).read(MAX_JSON_BYTES);
      return body.byteLength === 0 ? undefined : parseAnswer(body, name);
    },
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

function parseAnswer(body: Buffer, where: string): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    throw notAnEngine(where);
  }
}

function notAnEngine(where: string): SlipwayError {
  return new SlipwayError('NO_ENGINE', `what answers at ${where} is no engine`, {
    hint: 'DOCKER_HOST may name another service',
  });
}

function compareVersions(one: string, other: string): number {
  const [a = 0, b = 0] = one.split('.').map(Number);
  const [c = 0, d = 0] = other.split('.').map(Number);
  return a - c || b - d;
}
