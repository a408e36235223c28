import type { Signalled } from '../content/transport.ts';
import type { Credential } from '../credentials/credential.ts';
import { silent } from '../events.ts';
import type { RepositoryName } from '../oci/reference.ts';
import { createUploadSessions } from '../state/upload-sessions.ts';
import { contextOf } from './context.ts';
import { type Examination, examine } from './examine.ts';
import { createHosts, type HostsOptions } from './hosts.ts';
import type { LoginResult } from './login.ts';
import { type ReadPlace, withMirrors } from './mirrors.ts';
import { createRepository, type Repository } from './repository.ts';
import { repositoryScope } from './scope.ts';
import { createSightings } from './sightings.ts';

export type RegistriesOptions = HostsOptions;

/** All registries of one run: connections, tokens and patience are shared by host. */
export interface Registries {
  /** A repository as Source and Target. Nothing is sent before it is used. */
  repository(name: RepositoryName): Repository;
  /**
   * The same repository to read from: what is configured as its mirrors is asked first. A tag may
   * then be the mirror's, which can lag behind; content is what its digest says wherever it is from.
   */
  source(name: RepositoryName): Repository;
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
  /**
   * Proves a login to a registry, without using it for anything else.
   *
   * @throws SlipwayError `AUTH_REQUIRED` if it is refused, `AUTH_REALM_REFUSED`, `NOT_A_REGISTRY`,
   * `NETWORK`, `TLS` …
   */
  login(host: string, credential: Credential, options?: Signalled): Promise<LoginResult>;
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
  const { emit = silent } = options;
  const hosts = createHosts(options);
  const shared = {
    sightings: createSightings(options.hints),
    uploads: createUploadSessions(options.hints),
    emit,
  };
  const contextFor = (name: RepositoryName) =>
    contextOf(name, { ...shared, host: hosts.main(name.host) });

  return {
    repository: (name) => createRepository(contextFor(name)),
    source: (name) =>
      withMirrors(
        createRepository(contextFor(name)),
        async () =>
          (await hosts.readers(name.host)).map(
            ({ host, ...place }): ReadPlace => ({
              ...place,
              context: contextOf(name, { ...shared, host }),
            }),
          ),
        emit,
      ),
    examine: (name, signalled) => {
      const neighbour = { ...name, path: `${name.path}-neighbour` };
      return examine(contextFor(name), contextFor(neighbour), signalled);
    },
    expect: ({ host, path }) => hosts.main(host).expect([repositoryScope(path, 'pull', 'push')]),
    login: (host, credential, signalled) => hosts.login(host, credential, signalled),
    close: () => hosts.close(),
  };
}
