import type { Emit } from '../events.ts';
import type { RepositoryName } from '../oci/reference.ts';
import type { UploadSessions } from '../state/upload-sessions.ts';
import type { RegistryHost } from './host.ts';
import type { Scope } from './scope.ts';
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

/** The facts that every error about this repository carries. */
export function whereIs(context: RepositoryContext): { host: string; repository: string } {
  return { host: context.host.name, repository: context.repository.path };
}
