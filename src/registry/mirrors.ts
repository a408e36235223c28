import type { Bytes } from '../bytes/stream.ts';
import type { FetchOptions, Signalled } from '../content/transport.ts';
import { verifiedOpen } from '../content/verify.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { Emit } from '../events.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { isManifestType } from '../oci/mediatype.ts';
import { fetchBlob } from './blobs.ts';
import type { RepositoryContext } from './context.ts';
import type { ReadHost } from './hosts.ts';
import type { Capability } from './hosts-dir/endpoint.ts';
import { fetchManifest, resolveManifest } from './manifests.ts';
import type { Repository } from './repository.ts';

/** A repository at one of the hosts that can be read from. */
export interface ReadPlace extends Omit<ReadHost, 'host'> {
  readonly context: RepositoryContext;
}

/**
 * A repository that is read from its mirrors first, in their order, and from its registry where
 * they lack something or fail; a blob that breaks off goes on at the next place. All else goes to
 * the registry.
 *
 * @param places the registry is the last one
 */
export function withMirrors(
  repository: Repository,
  places: () => Promise<readonly ReadPlace[]>,
  emit: Emit,
): Repository {
  const able = async (capability: Capability): Promise<readonly ReadPlace[]> => {
    const all = await places();
    const found = all.filter(
      ({ capabilities, state }, at) =>
        capabilities.has(capability) && (!state.isAside || at === all.length - 1),
    );
    if (found.length > 0) return found;
    throw new SlipwayError(
      'CONFIG_INVALID',
      `there is no host to ${capability} ${repository.name} from`,
      { hint: `its hosts.toml gives nobody the capability "${capability}"` },
    );
  };

  const setAside = ({ context, state }: ReadPlace, error: unknown): void => {
    if (!isSlipwayError(error) || error.code === 'CONFIG_INVALID') throw error;
    const isLacking = error.code === 'NOT_FOUND' || error.code === 'CONTENT_MISSING';
    if (isLacking || state.isAside) return;
    state.isAside = true;
    const message = `the mirror ${context.host.name} is not asked any more: ${error.message}`;
    emit({ type: 'warning', message });
  };

  async function* fetch(descriptor: Descriptor, { offset = 0, signal }: FetchOptions = {}): Bytes {
    const asked = await able('pull');
    let position = offset;
    for (const place of asked) {
      const isLast = place === asked.at(-1);
      const read = (from: number): Bytes =>
        (isManifestType(descriptor.mediaType) ? fetchManifest : fetchBlob)(
          place.context,
          descriptor,
          { offset: from, signal },
        );
      const isWhole = position === 0 && !isLast;
      try {
        for await (const chunk of isWhole ? verifiedOpen(descriptor, read)(0) : read(position)) {
          position += chunk.byteLength;
          yield chunk;
        }
        if (isLast || position >= descriptor.size) return;
      } catch (error) {
        signal?.throwIfAborted();
        if (isLast) throw error;
        setAside(place, error);
        const isWrong = isSlipwayError(error, 'DIGEST_MISMATCH', 'SIZE_MISMATCH');
        if (isWrong && position > offset) throw sentWrong(place, error);
      }
    }
  }

  return {
    ...repository,
    get requests() {
      return repository.requests;
    },
    async resolve(reference: string, options: Signalled = {}) {
      const asked = await able('resolve');
      for (const place of asked) {
        try {
          return await resolveManifest(place.context, reference, options);
        } catch (error) {
          options.signal?.throwIfAborted();
          if (place === asked.at(-1)) throw error;
          setAside(place, error);
        }
      }
      return await repository.resolve(reference, options);
    },
    fetch,
  };
}

/** What was handed on can't be taken back. */
function sentWrong({ context }: ReadPlace, error: SlipwayError): SlipwayError {
  const host = context.host.name;
  return new SlipwayError(error.code, `the mirror ${host} sent wrong content: ${error.message}`, {
    ...error.facts,
    host,
    side: 'source',
    hint: 'whoever runs the mirror has to mend it; its hosts.toml says that it is asked',
  });
}
