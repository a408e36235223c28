import { type Bytes, collect, fromMemory } from '../bytes/stream.ts';
import { accountOf, type CredentialLookup } from '../credentials/credential.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { orAborted } from '../http/abort.ts';
import type { Http, HttpResponse } from '../http/client.ts';
import { sameOrigin } from '../http/origin.ts';
import { withHeaders } from '../http/own-headers.ts';
import { createPace } from '../http/pace.ts';
import {
  closeGate,
  type HostGate,
  type RetryPolicy,
  waitForGate,
  withRetry,
} from '../http/retry.ts';
import { probeScheme } from '../http/scheme.ts';
import type { RepositoryName } from '../oci/reference.ts';
import {
  type Authorizer,
  createAuthorizer,
  isAboutLogin,
  lacksScope,
  type OnLogin,
} from './authorizer.ts';
import { isTransientStatus, registryError } from './errors.ts';
import { redirectTarget } from './location.ts';
import { pathAt, type Reach, takesNoPushes } from './reach.ts';
import type { Scope } from './scope.ts';
import { loginWithheld } from './token.ts';
import type { TokenRealmPolicy } from './token-realm.ts';
import type { Traits } from './traits.ts';
import { createWarnings } from './warnings.ts';

export interface HostSettings {
  readonly http: Http;
  readonly credentials: CredentialLookup;
  readonly realmPolicy: TokenRealmPolicy;
  readonly retry: RetryPolicy;
  readonly emit: Emit;
  readonly traits: Traits;
  /** large blobs that are sent at once, at most, and half as many as small ones; undefined: adapts */
  readonly jobs?: number;
  /** requests prove a login, and this is told of what they get for it */
  readonly onLogin?: OnLogin;
  /** Where and how the host is asked; found out when the first request is sent. */
  reach(): Promise<Reach>;
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
  /** bytes sent before that the registry puts away until it answers */
  readonly heldBytes?: number;
  /** The body of a 2xx is read within the try, so that a cut in it is repeated; one byte more is an error. */
  readonly answerBytes?: number;
  /** what is being done, for errors: "push a blob" */
  readonly doing: string;
  readonly digest?: string;
  /** false: a failure is thrown at once, for whoever called knows what to repeat */
  readonly retried?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** One registry host in one run: its connections, tokens, patience and scheme. */
export interface RegistryHost {
  /** as in references: `docker.io`, `localhost:5000` */
  readonly name: string;
  /**
   * Sends a request, logs in where that is wanted, and follows redirects. What repeating may mend
   * is repeated, then thrown, as is a refused login; all other answers are returned.
   *
   * @throws SlipwayError `NETWORK`, `TLS`, `SERVER_ERROR`, `RATE_LIMITED`, `AUTH_REQUIRED`, `DENIED` …
   */
  send(request: RegistryRequest): Promise<HttpResponse>;
  /**
   * Repeats a step of several requests, as `send` repeats a request; while `progress` grows the
   * attempts are counted anew.
   */
  repeat<T>(
    step: () => Promise<T>,
    signal: AbortSignal | undefined,
    progress?: () => number,
  ): Promise<T>;
  /** Tells what will be asked for in this run: one token is fetched for all, where that is granted. */
  expect(scopes: readonly Scope[]): void;
  /** The registry's own URL; finds out its scheme where that isn't known. */
  origin(signal?: AbortSignal): Promise<URL>;
  /** what is known of this registry */
  readonly traits: Traits;
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
const LARGE_AT_ONCE = { startAtOnce: 4, mostAtOnce: 8 };
const SMALL_AT_ONCE = { startAtOnce: 8, mostAtOnce: 16 };

/** Makes the state of one host; nothing is sent before the first request. */
export function createHost(name: string, gate: HostGate, settings: HostSettings): RegistryHost {
  const { http, retry, emit } = settings;
  const { jobs } = settings;
  const large = createPace(
    jobs === undefined ? LARGE_AT_ONCE : { startAtOnce: jobs, mostAtOnce: jobs },
  );
  const small = createPace(
    jobs === undefined ? SMALL_AT_ONCE : { startAtOnce: 2 * jobs, mostAtOnce: 2 * jobs },
  );
  const slowDown = (): void => {
    large.slowDown();
    small.slowDown();
  };
  const sent = new Map<string, number>();
  const warnOf = createWarnings(name, emit);
  let probing: Promise<URL> | undefined;
  let authorizer: Authorizer | undefined;
  const expected: Scope[] = [];

  const base = async (signal?: AbortSignal): Promise<URL> => {
    const { host, scheme: choice, route } = await settings.reach();
    if (choice !== 'probe') return new URL(`${choice}://${host}`);
    if (probing === undefined) {
      // Shared by all requests: no single one's signal may end it for the others.
      const probe = probeScheme(host, { route }).then((scheme) => new URL(`${scheme}://${host}`));
      probing = probe;
      probe.then(
        () => {
          gate.answered = true;
        },
        () => {
          // A refused connection says nothing about the scheme.
          if (probing === probe) probing = undefined;
        },
      );
    }
    return await orAborted(probing, signal);
  };

  const begin = (origin: URL, ownHttp: Http): Authorizer => {
    const { credentials, realmPolicy, onLogin } = settings;
    const begun = createAuthorizer(ownHttp, origin, credentials, realmPolicy, onLogin);
    begun.expect(expected);
    return begun;
  };

  const attempt = async (request: RegistryRequest): Promise<HttpResponse> => {
    const { signal } = request;
    const reach = await settings.reach();
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (!isRead && !reach.takesPushes) throw takesNoPushes(name);
    const origin = await base(signal);
    const ownHttp = withHeaders(http, origin, reach.headers);
    authorizer ??= begin(origin, ownHttp);
    const { url: asked } = request;
    let url = typeof asked === 'string' ? new URL(pathAt(reach, asked), origin) : asked;
    let refusals = 0;
    let redirects = 0;
    for (;;) {
      const isOwn = sameOrigin(url, origin);
      const authorization = isOwn ? await authorizer.header(request) : undefined;
      sent.set(request.repository.path, (sent.get(request.repository.path) ?? 0) + 1);
      const response = await ownHttp.send({
        method: request.method,
        url,
        headers: {
          ...request.headers,
          ...(authorization === undefined ? {} : { authorization }),
        },
        ...(request.body === undefined ? {} : { body: request.body() }),
        ...(request.bodyBytes === undefined ? {} : { bodyBytes: request.bodyBytes }),
        ...(request.heldBytes === undefined ? {} : { heldBytes: request.heldBytes }),
        signal,
      });
      gate.answered = true;
      if (isOwn) {
        settings.traits.recognise(response);
        warnOf(response);
      }
      if (isOwn && isAboutLogin(response)) {
        const refusal = { sent: authorization, refusals: refusals++ };
        if (await authorizer.learn(response, request, refusal)) {
          await response.drop();
          continue;
        }
      } else if (isOwn) {
        authorizer.accepted(authorization, request);
      }
      const next = redirectTarget(response, request.method);
      if (next === undefined) return response;
      await response.drop();
      if (++redirects > MAX_REDIRECTS) throw tooManyRedirects(name);
      url = next;
    }
  };

  /** The token service that a login was kept from, where that may be why the registry refuses. */
  const withheldLogin = async (
    request: RegistryRequest,
    { status, url }: HttpResponse,
  ): Promise<URL | undefined> => {
    const isRefusal = status === 401 || status === 403;
    if (!isRefusal || !sameOrigin(url, await base())) return undefined;
    return await authorizer?.withheldFrom(request);
  };

  const checked = async (request: RegistryRequest): Promise<HttpResponse> => {
    await waitForGate(gate, request.signal);
    const response = await attempt(request).catch((error: unknown) => {
      if (isSlipwayError(error) && error.facts.transient === true) slowDown();
      throw error;
    });
    const { status } = response;
    const withheldFrom = await withheldLogin(request, response);
    const isRefused = status === 401 || withheldFrom !== undefined;
    if (!isRefused && !isTransientStatus(status)) {
      const isRead = request.answerBytes !== undefined && status >= 200 && status < 300;
      return isRead ? await inMemory(response, request.answerBytes ?? 0) : response;
    }
    if (!isRefused) slowDown();
    const isDenied = status === 401 && lacksScope(response);
    const isLoggedIn = isDenied && (await settings.credentials(request.repository)) !== undefined;
    const error = await registryError(response, {
      host: name,
      repository: request.repository.path,
      doing: request.doing,
      isLoggedIn,
      ...(request.digest === undefined ? {} : { digest: request.digest }),
    });
    if (withheldFrom !== undefined) throw loginWithheld(error, withheldFrom, await base());
    // Also for those that are sent meanwhile, not only for who repeats this one.
    const { retryAfterMs = 0 } = error.facts;
    if (retryAfterMs <= retry.maxRetryAfterMs) closeGate(gate, retryAfterMs);
    throw error;
  };

  const repeat = <T>(
    step: () => Promise<T>,
    signal: AbortSignal | undefined,
    progress?: () => number,
  ): Promise<T> => withRetry(step, { gate, policy: retry, emit, signal, progress });

  return {
    name,
    async send(request) {
      if (request.retried === false) return await checked(request);
      return await repeat(() => checked(request), request.signal);
    },
    repeat,
    expect(scopes) {
      expected.push(...scopes);
      authorizer?.expect(scopes);
    },
    origin: base,
    traits: settings.traits,
    inLane: (sizeBytes, work, signal) =>
      (sizeBytes < SMALL_BYTES ? small : large).run(work, signal, sizeBytes),
    requests: ({ path }) => sent.get(path) ?? 0,
    async account(repository) {
      return accountOf(await settings.credentials(repository));
    },
  };
}

function tooManyRedirects(host: string): SlipwayError {
  return new SlipwayError('NOT_A_REGISTRY', `${host} redirects more than ${MAX_REDIRECTS} times`, {
    host,
  });
}

/** The same answer with its body read. */
async function inMemory(response: HttpResponse, maxBytes: number): Promise<HttpResponse> {
  const bytes = await response.read(maxBytes);
  const body = fromMemory(bytes);
  return {
    ...response,
    body,
    read: (most) => collect(fromMemory(bytes), most, `the answer of ${response.url.host}`),
    drop: async () => {},
  };
}
