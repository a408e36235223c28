import type { Graph } from '../content/graph.ts';
import { canResolve, type Source } from '../content/transport.ts';
import { SlipwayError } from '../errors.ts';
import { formatReference, isTag, parseReference } from '../oci/reference.ts';
import type { Destination, PublishedImage } from '../publish/publication.ts';
import { referrersOf } from '../upkeep/referrers.ts';
import type { Context } from './context.ts';

/**
 * An image with everything that belongs to it: signatures, attestations, SBOMs, and what belongs to
 * these.
 *
 * @param from the image as it was found, before anything was derived from it
 * @param image the image as it is published
 */
export async function withReferrers(
  context: Context,
  from: Graph,
  image: PublishedImage,
): Promise<readonly PublishedImage[]> {
  const { signal, emit } = context;
  if (image.graph.pending.length > 0) {
    const message = `layers of ${from.name} are compressed on the way, so its digests change: what belongs to the old ones is left behind`;
    emit({ type: 'warning', message });
    return [image];
  }
  const root = await image.graph.root();
  const place = await placeOf(context, from);
  const found = await referrersOf(place, { source: image.graph.source, root }, { signal });
  const { from: repository } = from;
  return [
    image,
    ...found.map(({ graph, subject, depth, names }) => ({
      graph: repository === undefined ? graph : { ...graph, from: repository },
      belongsTo: { subject, depth },
      destinations: image.destinations.map((destination) => ({
        ...destination,
        names: names.map((name) => nameAt(destination, name)),
      })),
    })),
  ];
}

async function placeOf(context: Context, from: Graph): Promise<Source> {
  const { source } = from;
  if (!canResolve(source)) throw cannotLook(from);
  const place = source as Source;
  if (place.name !== (await context.store()).name) return place;
  const { host, path } = parseReference(from.name);
  const full = (name: string) => (isTag(name) ? formatReference({ host, path, tag: name }) : name);
  return { ...place, resolve: (name, options) => place.resolve(full(name), options) };
}

/** In the local store names are full references, beside that of the image. */
function nameAt({ names: [first = ''] }: Destination, tag: string): string {
  if (!first.includes('/')) return tag;
  const { host, path } = parseReference(first);
  return formatReference({ host, path, tag });
}

function cannotLook({ name }: Graph): SlipwayError {
  return new SlipwayError('USAGE', `${name} knows nothing of what belongs to its images`, {
    hint: 'leave --with-referrers out',
  });
}
