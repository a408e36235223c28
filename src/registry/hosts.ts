import { keepLogin, keepSecret } from '../bytes/secrets.ts';
import type { Signalled } from '../content/transport.ts';
import { anonymous, type Credential, type CredentialLookup } from '../credentials/credential.ts';
import { type Emit, silent } from '../events.ts';
import { createHttp, type Http } from '../http/client.ts';
import { DEFAULT_RETRY_POLICY, openGate, type RetryPolicy } from '../http/retry.ts';
import { traced } from '../http/traced.ts';
import type { Hints } from '../state/hints.ts';
import { createHost, type HostSettings, type RegistryHost } from './host.ts';
import {
  ALL_CAPABILITIES,
  type Capability,
  type Endpoint,
  type HostConfig,
  type HostConfigLookup,
} from './hosts-dir/endpoint.ts';
import { checkLogin, type LoginResult } from './login.ts';
import { endpointNamed, type ReachOptions, reachOf } from './reach.ts';
import type { TokenRealmPolicy } from './token-realm.ts';
import { createTraits } from './traits.ts';

export interface HostsOptions extends ReachOptions {
  /** who we are; anonymous if left out */
  readonly credentials?: CredentialLookup;
  /** see `--token-realm`; default `auto` */
  readonly realmPolicy?: TokenRealmPolicy;
  /** how often and how long is waited; parts left out are the defaults */
  readonly retry?: Partial<RetryPolicy>;
  /** certificates and mirrors of each registry, as {@link hostsFromFolders} reads them */
  readonly hosts?: HostConfigLookup;
  /** nothing sent and nothing received for so long ends a request; default 60,000 */
  readonly idleTimeoutMs?: number;
  /** where blobs were seen, open uploads, what hosts do: between runs; without it nothing is remembered */
  readonly hints?: Hints;
  /**
   * large blobs that are sent to one registry at once, at most; if left out it adapts to each, from
   * 4 on between 1 and 8
   */
  readonly jobs?: number;
  readonly emit?: Emit;
  /** also tells each request and what becomes of it, without secrets; default false */
  readonly debug?: boolean;
}

/** A host that can be read from, in the place of a registry or behind it. */
export interface ReadHost {
  readonly host: RegistryHost;
  readonly capabilities: ReadonlySet<Capability>;
  /** set when it failed: then it is left alone for the rest of the run */
  readonly state: { isAside: boolean };
}

/** The hosts of one run, by the registry whose names they answer for. */
export interface Hosts {
  /** Where a registry is written, and asked about what is there. */
  main(registry: string): RegistryHost;
  /** Where it is read: its mirrors in their order, then its server. */
  readers(registry: string): Promise<readonly ReadHost[]>;
  /** Proves a login to the registry itself, whatever its mirrors. */
  login(registry: string, credential: Credential, options?: Signalled): Promise<LoginResult>;
  close(): Promise<void>;
}

/** Makes the hosts of one run; each is made when it is first asked for. */
export function createHosts(options: HostsOptions): Hosts {
  const { emit = silent } = options;
  const credentials = remembered(options.credentials ?? anonymous);
  const clients: Http[] = [];
  const hosts = new Map<string, RegistryHost>();
  const configs = new Map<string, Promise<HostConfig | undefined>>();
  const reading = new Map<string, Promise<readonly ReadHost[]>>();
  let requests = 0;

  const configFor = remembering(configs, async (name: string) => {
    const config = await options.hosts?.(name);
    for (const endpoint of config === undefined ? [] : [...config.mirrors, config.server]) {
      if (endpoint.tls.skipVerify !== true) continue;
      const host = endpoint.url?.host ?? name;
      const message = `the certificate of ${host} is not checked, as ${config?.where} says`;
      emit({ type: 'warning', message });
    }
    return config;
  });

  const makeHost = (
    registry: string,
    called: string,
    endpoint: () => Promise<Endpoint | undefined>,
    retry: Partial<RetryPolicy>,
    login: Partial<Pick<HostSettings, 'credentials' | 'onLogin'>> = {},
  ): RegistryHost => {
    const reach = once(async () => {
      const reached = reachOf(registry, await endpoint(), options);
      keepSecret(...secretHeaders(reached.headers));
      return reached;
    });
    // A client for each: one registry's certificates are never used for another's sake.
    const plain = createHttp({
      ...(options.idleTimeoutMs === undefined ? {} : { idleTimeoutMs: options.idleTimeoutMs }),
      route: async (url) => (await reach()).route(url),
    });
    const http = options.debug === true ? traced(plain, emit, () => ++requests) : plain;
    clients.push(http);
    return createHost(called, openGate(called), {
      http,
      credentials: async (repository) => {
        const { host, namespace } = await reach();
        return await credentials(namespace === undefined ? repository : { ...repository, host });
      },
      realmPolicy: options.realmPolicy ?? 'auto',
      retry: { ...DEFAULT_RETRY_POLICY, ...options.retry, ...retry },
      emit,
      traits: createTraits(options.hints, called),
      ...(options.jobs === undefined ? {} : { jobs: options.jobs }),
      reach,
      ...login,
    });
  };

  const main = (name: string): RegistryHost => {
    let host = hosts.get(name);
    if (host === undefined) {
      host = makeHost(name, name, async () => mainEndpoint(await configFor(name)), {});
      hosts.set(name, host);
    }
    return host;
  };

  const readers = remembering(reading, async (name: string) => {
    const config = await configFor(name);
    const written = mainEndpoint(config);
    return [...(config?.mirrors ?? []), config?.server].map((endpoint): ReadHost => {
      const isServer = endpoint === config?.server;
      const called = endpoint?.url?.host ?? name;
      return {
        host:
          isServer && endpoint === written
            ? main(name)
            : makeHost(name, called, async () => endpoint, isServer ? {} : MIRROR_RETRY),
        capabilities: endpoint?.capabilities ?? ALL_CAPABILITIES,
        state: { isAside: false },
      };
    });
  });

  return {
    main,
    readers,
    login(name, credential, signalled) {
      keepCredential(credential);
      // A mirror has a login of its own: what is said to be the registry's never goes there.
      const endpoint = async () => endpointNamed(name, await configFor(name));
      const hostOf = (login: Pick<HostSettings, 'credentials' | 'onLogin'>) =>
        makeHost(name, name, endpoint, {}, login);
      return checkLogin(hostOf, credential, signalled);
    },
    close: async () => {
      await Promise.all(clients.map((client) => client.close()));
    },
  };
}

/** A mirror is there to be quick: what it can't give now, its registry gives. */
const MIRROR_RETRY: Partial<RetryPolicy> = {
  attempts: 2,
  firstContactAttempts: 1,
  maxRetryAfterMs: 0,
};

/** The first that takes pushes, else the last one. */
function mainEndpoint(config: HostConfig | undefined): Endpoint | undefined {
  if (config === undefined) return undefined;
  const all = [...config.mirrors, config.server];
  return all.find(({ capabilities }) => capabilities.has('push')) ?? config.server;
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

function remembering<T>(
  known: Map<string, Promise<T>>,
  make: (name: string) => Promise<T>,
): (name: string) => Promise<T> {
  return (name) => {
    const found = known.get(name) ?? make(name);
    known.set(name, found);
    return found;
  };
}

/** Remembers what is found, so that it is never printed. */
function remembered(lookup: CredentialLookup): CredentialLookup {
  return async (repository) => {
    const found = await lookup(repository);
    if (found !== undefined) keepCredential(found);
    return found;
  };
}

function keepCredential(credential: Credential): void {
  keepLogin(credential.username, credential.password);
  keepSecret(credential.identityToken, credential.registryToken);
}

/** Those named `X-Meta-…` go to every registry, so they are no secrets of any. */
function secretHeaders(headers: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(headers).flatMap(([name, value]) =>
    name.toLowerCase().startsWith('x-meta-') ? [] : [value],
  );
}
