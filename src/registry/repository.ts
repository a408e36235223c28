import type { Bytes } from '../bytes/stream.ts';
import type {
  ConditionTester,
  InRegistry,
  Lister,
  ManifestRemover,
  Open,
  Place,
  ReferrerLister,
  RequestCounter,
  StreamTarget,
  TagOptions,
  TagRemover,
} from '../content/transport.ts';
import { type Side, SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { isManifestType } from '../oci/mediatype.ts';
import { formatRepository } from '../oci/reference.ts';
import { blobExists, fetchBlob } from './blobs.ts';
import { refusesConditions } from './conditions.ts';
import type { RepositoryContext } from './context.ts';
import { removeManifest, removeTag } from './delete.ts';
import { fetchManifest, manifestExists, putManifest, resolveManifest } from './manifests.ts';
import { pushBlob, pushBlobStream, seenIn } from './push.ts';
import { createReferrers } from './referrers.ts';
import { tagTogether } from './tag-together.ts';
import { listTags } from './tags.ts';

/** A repository of a registry: where images come from and go to. */
export interface Repository
  extends InRegistry,
    Place,
    Lister,
    StreamTarget,
    TagRemover,
    ManifestRemover,
    ReferrerLister,
    RequestCounter,
    ConditionTester {}

/** Makes a repository of a host; nothing is sent before it is used. */
export function createRepository(context: RepositoryContext): Repository {
  const { host, repository } = context;
  const isManifest = ({ mediaType }: Descriptor) => isManifestType(mediaType);
  const referrers = createReferrers(context);
  const put = async (
    descriptor: Descriptor,
    reference: string,
    open: Open,
    options: TagOptions = {},
  ): Promise<readonly string[]> => {
    const noted = await putManifest(context, descriptor, reference, open, options);
    await referrers.note(descriptor, open, noted.subject, { signal: options.signal });
    return noted.tags;
  };
  const tag = tagTogether(context, put);
  return {
    name: formatRepository(repository),
    repository,
    get requests() {
      return host.requests(repository);
    },
    resolve: (reference, options) => resolveManifest(context, reference, options),
    fetch: (descriptor, options) =>
      isManifest(descriptor)
        ? fetchManifest(context, descriptor, options)
        : fetchBlob(context, descriptor, options),
    exists: (descriptor, options) =>
      isManifest(descriptor)
        ? manifestExists(context, descriptor, options)
        : blobExists(context, descriptor, options),
    push: (descriptor, open, options) =>
      asDestination(open, async (opened) => {
        if (!isManifest(descriptor)) return await pushBlob(context, descriptor, opened, options);
        await put(descriptor, descriptor.digest, opened, { signal: options?.signal });
        return { status: 'uploaded', bytesSent: descriptor.size };
      }),
    tag: (descriptor, reference, open, options) =>
      asDestination(open, (opened) => tag(descriptor, reference, opened, options)),
    pushStream: (made, open, options) =>
      asDestination(open, (opened) => pushBlobStream(context, made, opened, options)),
    seenIn: (descriptor) => seenIn(context, descriptor),
    list: (options) => listTags(context, options),
    referrers: (subject, options) => referrers.list(subject, options),
    removeTag: (tag, options) => asDestination(nothing, () => removeTag(context, tag, options)),
    removeManifest: (digest, options) =>
      asDestination(nothing, () => removeManifest(context, digest, options)),
    refusesConditions: (present, open, options) =>
      asDestination(open, (opened) => refusesConditions(context, present, opened, options)),
  };
}

async function* nothing(): Bytes {}

/** Tells failures of the bytes from those of the registry that they go to. */
async function asDestination<T>(open: Open, work: (open: Open) => Promise<T>): Promise<T> {
  const sided = (error: unknown, side: Side): unknown =>
    error instanceof SlipwayError && error.facts.side === undefined ? error.with({ side }) : error;
  try {
    return await work(async function* opened(offset): Bytes {
      try {
        yield* open(offset);
      } catch (error) {
        throw sided(error, 'source');
      }
    });
  } catch (error) {
    throw sided(error, 'destination');
  }
}
