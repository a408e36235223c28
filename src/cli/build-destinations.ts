import type { Graph } from '../content/graph.ts';
import { familiarReference, formatRepository, type Reference } from '../oci/reference.ts';
import type { PublishedImage } from '../publish/publication.ts';
import { type BuildFlags, buildPlatforms } from './build-flags.ts';
import type { BuildOutputs } from './build-outputs.ts';
import type { Context } from './context.ts';
import type { Location } from './location.ts';
import { openDestination } from './open.ts';
import type { Publishing } from './publishing.ts';

/** What was asked for, read and checked. */
export interface WantedBuild<Flags extends Pick<BuildFlags, 'push' | 'platform'> = BuildFlags> {
  readonly flags: Flags;
  readonly outputs: BuildOutputs;
  readonly names: readonly Reference[];
}

/** The registries and locations that the image goes to beside the local store. */
export async function buildDestinations(
  context: Context,
  graph: Graph,
  { flags, outputs, names }: WantedBuild,
): Promise<Publishing> {
  const isPushed = flags.push === true || outputs.isPushed;
  const [only, ...others] = buildPlatforms(flags.platform);
  const images: PublishedImage[] = [];
  const finishes: (() => Promise<void>)[] = [];
  const add = async (location: Location, tags?: readonly string[]) => {
    const { destination, finish, fit } = await openDestination(context, location);
    const destinations = [tags === undefined ? destination : { ...destination, names: tags }];
    images.push({
      graph: (await fit?.(graph, others.length === 0 ? only : undefined)) ?? graph,
      destinations,
    });
    finishes.push(finish);
  };
  for (const group of isPushed ? Map.groupBy(names, formatRepository).values() : []) {
    const [reference] = group as [Reference];
    const tags = group.map(({ tag = 'latest' }) => tag);
    await add({ transport: 'docker', reference }, [...new Set(tags)]);
  }
  for (const location of outputs.locations) await add(location);
  for (const name of outputs.isLoaded ? names.map(familiarReference) : []) {
    await add({ transport: 'docker-daemon', name });
  }
  return {
    images,
    async finish() {
      for (const finish of finishes) await finish();
    },
  };
}
