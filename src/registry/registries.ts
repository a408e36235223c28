import { keepLogin, keepSecret } from '../bytes/secrets.ts';
import type { Signalled } from '../content/transport.ts';
import { anonymous, type CredentialLookup } from '../credentials/credential.ts';
import { type Emit, silent } from '../events.ts';
import { createHttp, type Http } from '../http/client.ts';
import { DEFAULT_RETRY_POLICY, openGate, type RetryPolicy } from '../http/retry.ts';
import type { TlsSettings } from '../http/tls.ts';
import { traced } from '../http/traced.ts';
import { DOCKER_HUB, type RepositoryName } from '../oci/reference.ts';
import type { Hints } from '../state/hints.ts';
import { createUploadSessions } from '../state/upload-sessions.ts';
import { contextOf } from './context.ts';
import { type Examination, examine } from './examine.ts';
import { createHost, type RegistryHost, type SchemeChoice } from './host.ts';
import { createRepository, type Repository } from './repository.ts';
import { repositoryScope } from './scope.ts';
import { createSightings } from './sightings.ts';
import type { TokenRealmPolicy } from './token-realm.ts';
import { createTraits } from './traits.ts';

export interface RegistriesOptions {
  /** who we are; anonymous if left out */
  readonly credentials?: CredentialLookup;
  /** see `--token-realm`; default `auto` */
  readonly realmPolicy?: TokenRealmPolicy;
  /** how often and how long is waited; parts left out are the defaults */
  readonly retry?: Partial<RetryPolicy>;
  /** plain http or https for a host, or `probe`; undefined lets Slipway's rules decide */
  readonly scheme?: (host: string) => SchemeChoice | undefined;
  readonly tls?: (host: string) => TlsSettings;
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

/** All registries of one run: connections, tokens and patience are shared by host. */
export interface Registries {
  /** A repository as Source and Target. Nothing is sent before it is used. */
  repository(name: RepositoryName): Repository;
  /**
   * Announces that this run will push to a repository: where a registry's token service allows it,
   * one token is fetched for all that were announced.
   */
  expect(name: RepositoryName): void;
  /**
   * Finds out what the registry does by trying it in a repository and one beside it, whose name ends
   * in `-neighbour`; both are cleaned up as far as the registry lets them.
   *
   * @throws SlipwayError what the registry says if nothing may be pushed there
   */
  examine(name: RepositoryName, options?: Signalled): Promise<Examination>;
  /** Cuts all connections. */
  close(): Promise<void>;
}

/**
 * Opens the door to registries (distribution-spec 1.1).
 *
 * @example
 * const registries = createRegistries();
 * const repository = registries.repository(parseRepository('localhost:5000/team/app'));
 * console.log(await repository.resolve('1.0'));
 * await registries.close();
 */
export function createRegistries(options: RegistriesOptions = {}): Registries {
  const plain = createHttp({
    ...(options.idleTimeoutMs === undefined ? {} : { idleTimeoutMs: options.idleTimeoutMs }),
    route: (url) => (options.tls === undefined ? {} : { tls: options.tls(url.host) }),
  });
  const { emit = silent } = options;
  const http: Http = options.debug === true ? traced(plain, emit) : plain;
  const credentials = remembered(options.credentials ?? anonymous);
  const hosts = new Map<string, RegistryHost>();

  const hostFor = (name: string): RegistryHost => {
    const known = hosts.get(name);
    if (known !== undefined) return known;
    const scheme = name === DOCKER_HUB ? 'https' : options.scheme?.(name);
    const host = createHost(name, openGate(name), {
      http,
      credentials,
      realmPolicy: options.realmPolicy ?? 'auto',
      retry: { ...DEFAULT_RETRY_POLICY, ...options.retry },
      emit,
      traits: createTraits(options.hints, name),
      ...(options.jobs === undefined ? {} : { jobs: options.jobs }),
      ...(scheme === undefined ? {} : { scheme }),
    });
    hosts.set(name, host);
    return host;
  };

  const shared = {
    sightings: createSightings(options.hints),
    uploads: createUploadSessions(options.hints),
    emit,
  };
  const contextFor = (name: RepositoryName) =>
    contextOf(name, { ...shared, host: hostFor(name.host) });

  return {
    repository: (name) => createRepository(contextFor(name)),
    examine: (name, signalled) => {
      const neighbour = { ...name, path: `${name.path}-neighbour` };
      return examine(contextFor(name), contextFor(neighbour), signalled);
    },
    expect: ({ host, path }) => hostFor(host).expect([repositoryScope(path, 'pull', 'push')]),
    close: () => http.close(),
  };
}

/** Remembers what is found, so that it is never printed. */
function remembered(lookup: CredentialLookup): CredentialLookup {
  return async (repository) => {
    const found = await lookup(repository);
    if (found !== undefined) {
      keepLogin(found.username, found.password);
      keepSecret(found.identityToken, found.registryToken);
    }
    return found;
  };
}
