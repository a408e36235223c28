import { createLane } from '../bytes/lane.ts';
import type { Bytes } from '../bytes/stream.ts';
import type { CredentialLookup } from '../credentials/credential.ts';
import { SlipwayError } from '../errors.ts';
import type { Emit } from '../events.ts';
import type { Http, HttpResponse } from '../http/client.ts';
import { isLoopback, sameOrigin } from '../http/origin.ts';
import { type HostGate, type RetryPolicy, withRetry } from '../http/retry.ts';
import { probeScheme } from '../http/scheme.ts';
import { DOCKER_HUB, type RepositoryName } from '../oci/reference.ts';
import { type Authorizer, createAuthorizer } from './authorizer.ts';
import { isTransientStatus, registryError } from './errors.ts';
import type { Scope } from './scope.ts';
import type { TokenRealmPolicy } from './token-realm.ts';

/** How plain http is used with a host: see trust rules in `docs/security.md`. */
export type SchemeChoice = 'https' | 'http' | 'probe';

export interface HostSettings {
  readonly http: Http;
  readonly credentials: CredentialLookup;
  readonly realmPolicy: TokenRealmPolicy;
  readonly retry: RetryPolicy;
  readonly emit: Emit;
  /** undefined: https, or a probe where the host is this machine */
  readonly scheme?: SchemeChoice;
}

/** A request to a registry. */
export interface RegistryRequest {
  readonly method: string;
  /** `/v2/…` or the URL that an upload's Location named */
  readonly url: string | URL;
  readonly repository: RepositoryName;
  readonly scopes: readonly Scope[];
  readonly headers?: Readonly<Record<string, string>>;
  /** Opens the body anew for each try. */
  readonly body?: () => Bytes | Uint8Array;
  readonly bodyBytes?: number;
  readonly headersTimeoutMs?: number;
  /** what is being done, for errors: "push a blob" */
  readonly doing: string;
  readonly digest?: string;
  /** false: a failure is thrown at once; whoever called knows what to repeat */
  readonly retried?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** One registry host in one run: its connections, tokens, patience and scheme. */
export interface RegistryHost {
  /** as in references: `docker.io`, `localhost:5000` */
  readonly name: string;
  /**
   * Sends a request and follows redirects of reads. Answers with a status that repeating may mend
   * are repeated, then thrown; all others are returned.
   *
   * @throws SlipwayError `NETWORK`, `TLS`, `SERVER_ERROR`, `RATE_LIMITED`, `AUTH_REQUIRED` …
   */
  send(request: RegistryRequest): Promise<HttpResponse>;
  /**
   * Does work in one of the host's lanes: large blobs in one, small blobs and manifests in another,
   * so that a small request never waits behind layers.
   */
  inLane<T>(sizeBytes: number, work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Requests that were sent for a repository so far, those for tokens left out. */
  requests(repository: RepositoryName): number;
  /** The account that requests are sent as: part of what is remembered about the host. */
  account(repository: RepositoryName): Promise<string>;
}

const MAX_REDIRECTS = 5;
/** Blobs up to here, and manifests, go in the lane for small pieces. */
const SMALL_BYTES = 1024 * 1024;
const LARGE_AT_ONCE = 4;
const SMALL_AT_ONCE = 8;

/** The host that really answers for the names of a reference's host. */
function endpointOf(host: string): string {
  return host === DOCKER_HUB ? 'registry-1.docker.io' : host;
}

/** Makes the state of one host; nothing is sent before the first request. */
export function createHost(name: string, gate: HostGate, settings: HostSettings): RegistryHost {
  const { http, retry, emit } = settings;
  const endpoint = endpointOf(name);
  const hostname = new URL(`https://${endpoint}`).hostname;
  const large = createLane(LARGE_AT_ONCE);
  const small = createLane(SMALL_AT_ONCE);
  const sent = new Map<string, number>();
  let probing: Promise<URL> | undefined;
  let authorizer: Authorizer | undefined;

  const base = async (signal: AbortSignal | undefined): Promise<URL> => {
    const choice = settings.scheme ?? (isLoopback(hostname) ? 'probe' : 'https');
    if (choice !== 'probe') return new URL(`${choice}://${endpoint}`);
    probing ??= probeScheme(endpoint, { signal }).then(
      (scheme) => new URL(`${scheme}://${endpoint}`),
    );
    try {
      return await probing;
    } catch (error) {
      // A refused connection says nothing about the scheme.
      probing = undefined;
      throw error;
    }
  };

  const attempt = async (request: RegistryRequest): Promise<HttpResponse> => {
    const { signal } = request;
    const origin = await base(signal);
    gate.answered ||= probing !== undefined;
    authorizer ??= createAuthorizer(http, origin, settings.credentials, settings.realmPolicy);
    let url = new URL(request.url, origin);
    let refusals = 0;
    let redirects = 0;
    for (;;) {
      const isOwn = sameOrigin(url, origin);
      const authorization = isOwn ? await authorizer.header(request) : undefined;
      sent.set(request.repository.path, (sent.get(request.repository.path) ?? 0) + 1);
      const response = await http.send({
        method: request.method,
        url,
        headers: {
          ...request.headers,
          ...(authorization === undefined ? {} : { authorization }),
        },
        ...(request.body === undefined ? {} : { body: request.body() }),
        ...(request.bodyBytes === undefined ? {} : { bodyBytes: request.bodyBytes }),
        ...(request.headersTimeoutMs === undefined
          ? {}
          : { headersTimeoutMs: request.headersTimeoutMs }),
        signal,
      });
      gate.answered = true;
      if (response.status === 401 && isOwn) {
        const refusal = { sent: authorization, refusals: refusals++ };
        if (await authorizer.learn(response, request, refusal)) {
          await response.drop();
          continue;
        }
      }
      const next = redirectTarget(response, request);
      if (next === undefined) return response;
      await response.drop();
      if (++redirects > MAX_REDIRECTS) throw tooManyRedirects(name);
      url = next;
    }
  };

  const checked = async (request: RegistryRequest): Promise<HttpResponse> => {
    const response = await attempt(request);
    if (!isTransientStatus(response.status)) return response;
    throw await registryError(response, {
      host: name,
      repository: request.repository.path,
      doing: request.doing,
      ...(request.digest === undefined ? {} : { digest: request.digest }),
    });
  };

  return {
    name,
    async send(request) {
      if (request.retried === false) return await checked(request);
      return await withRetry(() => checked(request), {
        gate,
        policy: retry,
        emit,
        signal: request.signal,
      });
    },
    inLane: (sizeBytes, work, signal) =>
      (sizeBytes < SMALL_BYTES ? small : large).run(work, signal),
    requests: ({ path }) => sent.get(path) ?? 0,
    async account(repository) {
      return (await settings.credentials(repository))?.username ?? '';
    },
  };
}

/** Where a read is sent on to, or undefined. Never from https to http. */
function redirectTarget(response: HttpResponse, { method }: RegistryRequest): URL | undefined {
  const { status } = response;
  const isRedirect =
    status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
  const location = response.header('location');
  if (!isRedirect || location === undefined || (method !== 'GET' && method !== 'HEAD')) {
    return undefined;
  }
  return resolveLocation(location, response.url);
}

/**
 * Resolves a `Location`: relative to the request that it answers, and never from https to http.
 *
 * @throws SlipwayError `NOT_A_REGISTRY`, `TLS`
 */
export function resolveLocation(location: string, from: URL): URL {
  const refuse = (why: string) =>
    new SlipwayError('NOT_A_REGISTRY', `${from.host} sends on to a Location that ${why}`, {
      host: from.host,
    });
  let url: URL;
  try {
    url = new URL(location, from);
  } catch {
    throw refuse('is no URL');
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw refuse('is no http URL');
  if (url.username !== '' || url.password !== '') throw refuse('holds a password');
  if (from.protocol === 'https:' && url.protocol === 'http:') {
    throw new SlipwayError(
      'TLS',
      `${from.host} sends on from https to plain http; that is refused`,
      {
        host: from.host,
        hint: 'a proxy before the registry may have to set X-Forwarded-Proto',
      },
    );
  }
  return url;
}

function tooManyRedirects(host: string): SlipwayError {
  return new SlipwayError('NOT_A_REGISTRY', `${host} redirects more than ${MAX_REDIRECTS} times`, {
    host,
  });
}
