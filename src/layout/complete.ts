import { type Walk, walk } from '../content/graph.ts';
import type { Fetcher, Signalled } from '../content/transport.ts';
import { sizeMismatch } from '../content/verify.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { isNonDistributable } from '../oci/mediatype.ts';

/** True or a size: what is known of a blob that is looked for. */
export type Look = (blob: Descriptor) => Promise<number | undefined>;

/**
 * Walks an image and makes sure that all of it is there: manifests are read and checked, of blobs
 * the size is looked at. A layer that may not be distributed and names its origin may be absent.
 *
 * @throws SlipwayError `CONTENT_MISSING` for the first blob or manifest that isn't there,
 * `SIZE_MISMATCH`, `DIGEST_MISMATCH`, `CONTENT_INVALID`, `LIMIT_EXCEEDED`
 */
export async function walkComplete(
  source: Fetcher,
  root: Descriptor,
  look: Look,
  options: Signalled = {},
): Promise<Walk> {
  let walked: Walk;
  try {
    walked = await walk(source, root, options);
  } catch (error) {
    if (!isSlipwayError(error, 'NOT_FOUND')) throw error;
    throw absent(error.facts.digest ?? root.digest, root, error);
  }
  // A manifest that is embedded in its parent is read from there; other tools want its file.
  const embedded = walked.manifests
    .map((node) => node.descriptor)
    .filter((descriptor) => descriptor.data !== undefined);
  await Promise.all(
    [...walked.blobs, ...embedded].map(async (blob) => {
      const size = await look(blob);
      if (size === undefined) {
        if (isNonDistributable(blob.mediaType) && blob.urls?.length) return;
        throw absent(blob.digest, root);
      }
      if (size !== blob.size) throw sizeMismatch(blob, size);
    }),
  );
  return walked;
}

function absent(digest: string, root: Descriptor, cause?: unknown): SlipwayError {
  return new SlipwayError(
    'CONTENT_MISSING',
    digest === root.digest
      ? `${digest} is not in the layout`
      : `${digest}, which ${root.digest} needs, is not in the layout`,
    { digest, hint: 'get the image again from where it was made', cause },
  );
}
