import type { Lister, Place, StreamTarget } from '../content/transport.ts';
import type { Emit } from '../events.ts';
import { isManifestType } from '../oci/mediatype.ts';
import { formatRepository, type RepositoryName } from '../oci/reference.ts';
import { blobExists, fetchBlob } from './blobs.ts';
import type { RepositoryContext } from './context.ts';
import type { RegistryHost } from './host.ts';
import { fetchManifest, manifestExists, putManifest, resolveManifest } from './manifests.ts';
import { pushBlob, pushBlobStream } from './push.ts';
import { repositoryScope } from './scope.ts';
import type { Sightings } from './sightings.ts';
import { listTags } from './tags.ts';

/** A repository of a registry: where images come from and go to. */
export interface Repository extends Place, Lister, StreamTarget {
  readonly repository: RepositoryName;
  /** requests that were sent for this repository so far, those for tokens left out */
  readonly requests: number;
}

/** Makes a repository of a host; nothing is sent before it is used. */
export function createRepository(
  host: RegistryHost,
  repository: RepositoryName,
  sightings: Sightings,
  options: { readonly idleTimeoutMs: number; readonly emit: Emit },
): Repository {
  const context: RepositoryContext = {
    host,
    repository,
    sightings,
    ...options,
    pull: [repositoryScope(repository.path, 'pull')],
    push: [repositoryScope(repository.path, 'pull', 'push')],
  };
  return {
    name: formatRepository(repository),
    repository,
    get requests() {
      return host.requests(repository);
    },
    resolve: (reference, options) => resolveManifest(context, reference, options),
    fetch: (descriptor, options) =>
      isManifestType(descriptor.mediaType)
        ? fetchManifest(context, descriptor, options)
        : fetchBlob(context, descriptor, options),
    exists: (descriptor, options) =>
      isManifestType(descriptor.mediaType)
        ? manifestExists(context, descriptor, options)
        : blobExists(context, descriptor, options),
    async push(descriptor, open, options) {
      if (!isManifestType(descriptor.mediaType)) {
        return await pushBlob(context, descriptor, open, options);
      }
      await putManifest(context, descriptor, descriptor.digest, open, options);
      return { status: 'uploaded', bytesSent: descriptor.size };
    },
    tag: (descriptor, reference, open, options) =>
      putManifest(context, descriptor, reference, open, options),
    pushStream: (made, open, options) => pushBlobStream(context, made, open, options),
    list: (options) => listTags(context, options),
  };
}
