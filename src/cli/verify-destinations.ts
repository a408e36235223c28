import { canResolve, type Source, type Target } from '../content/transport.ts';
import { SlipwayError } from '../errors.ts';
import type { PublishedImage } from '../publish/publication.ts';
import type { PublishOutcome } from '../publish/publish.ts';
import { verifyImage } from '../upkeep/verify.ts';
import type { Context } from './context.ts';

/**
 * Reads back what was published: every name stands for the digest, and all content is there.
 *
 * @throws SlipwayError `DIGEST_MISMATCH` if a name stands for something else, and what
 * {@link verifyImage} throws
 */
export async function verifyDestinations(
  context: Context,
  images: readonly PublishedImage[],
  outcome: PublishOutcome,
): Promise<void> {
  const { signal } = context;
  const destinations = images.flatMap((image) => image.destinations);
  for (const [at, { target, names }] of destinations.entries()) {
    const digest = outcome.destinations[at]?.digest;
    if (!isPlace(target) || digest === undefined) continue;
    for (const name of names.length === 0 ? [digest] : names) {
      const found = await target.resolve(name, { signal });
      if (found.digest === digest) continue;
      throw new SlipwayError(
        'DIGEST_MISMATCH',
        `${target.name}: ${name} stands for ${found.digest}, and ${digest} was published`,
        { side: 'destination', hint: 'somebody else may have published at the same time' },
      );
    }
    await verifyImage(target, digest, { signal });
  }
}

function isPlace(target: Target): target is Target & Source {
  return canResolve(target) && 'fetch' in target;
}
