import type { Emit } from '../events.ts';
import type { RepositoryName } from '../oci/reference.ts';
import type { UploadSessions } from '../state/upload-sessions.ts';
import type { RegistryHost } from './host.ts';
import { repositoryScope, type Scope } from './scope.ts';
import type { Sightings } from './sightings.ts';

/** What the files of this folder need to know of the repository that they work on. */
export interface RepositoryContext {
  readonly host: RegistryHost;
  readonly repository: RepositoryName;
  readonly sightings: Sightings;
  readonly uploads: UploadSessions;
  readonly emit: Emit;
  readonly pull: readonly Scope[];
  readonly push: readonly Scope[];
}

/** What a repository needs, from its host and from what is shared by all. */
export function contextOf(
  repository: RepositoryName,
  shared: Pick<RepositoryContext, 'host' | 'sightings' | 'uploads' | 'emit'>,
): RepositoryContext {
  const { path } = repository;
  return {
    ...shared,
    repository,
    pull: [repositoryScope(path, 'pull')],
    push: [repositoryScope(path, 'pull', 'push')],
  };
}

/** The facts that every error about this repository carries. */
export function whereIs(context: RepositoryContext): { host: string; repository: string } {
  return { host: context.host.name, repository: context.repository.path };
}
