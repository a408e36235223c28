import { canResolve, type Source, type Target } from '../content/transport.ts';
import { isDigest } from '../oci/digest.ts';
import type { PublishedImage } from '../publish/publication.ts';
import type { PublishOutcome } from '../publish/publish.ts';
import { verifyName } from '../upkeep/settle.ts';
import { verifyImage } from '../upkeep/verify.ts';
import type { Context } from './context.ts';

/** How long a registry may take until it shows what was published, unless the user says. */
const DEFAULT_WAIT_SECONDS = 10;

/**
 * Reads back what was published: every name stands for the digest, and all content is there. A
 * registry that shows it late is waited for.
 *
 * @param waitSeconds how long, for each name and image
 * @throws SlipwayError `DIGEST_MISMATCH` if a name stands for something else, and what
 * {@link verifyImage} throws
 */
export async function verifyDestinations(
  context: Context,
  images: readonly Pick<PublishedImage, 'destinations'>[],
  outcome: Pick<PublishOutcome, 'destinations'>,
  waitSeconds: number = DEFAULT_WAIT_SECONDS,
): Promise<void> {
  const { signal } = context;
  const waitMs = waitSeconds * 1000;
  const destinations = images.flatMap((image) => image.destinations);
  for (const [at, { target, names }] of destinations.entries()) {
    const digest = outcome.destinations[at]?.digest;
    if (!isPlace(target) || !isDigest(digest)) continue;
    for (const name of names.length === 0 ? [digest] : names) {
      await verifyName(target, name, digest, { signal, waitMs });
    }
    await verifyImage(target, digest, { signal, waitMs });
  }
}

function isPlace(target: Target): target is Target & Source {
  return canResolve(target) && 'fetch' in target;
}
