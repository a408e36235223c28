import { graphOf } from '../content/graph.ts';
import type { RepositoryName } from '../oci/reference.ts';
import type { Repository } from '../registry/repository.ts';
import { createAhead } from './ahead.ts';
import { createStages, type DimgStages, lastStage, type SignedImage } from './build-dimgs.ts';
import type { ImageConfig } from './config.ts';
import { namesOf, type Release, type ReleasePlace, releasesOf } from './publish.ts';
import { dimgRepository } from './repo.ts';
import type { DimgSession } from './session.ts';

/** What was built, and what is to be published of it. */
export interface BuiltReleases {
  readonly stages: DimgStages;
  readonly releases: readonly Release[];
}

/** Where what is built goes. */
export interface BuildingPlace extends ReleasePlace {
  readonly look: (repository: RepositoryName) => Repository;
  /** the stages themselves go to `repo`, too */
  readonly withStages: boolean;
}

/**
 * Builds images one after the other. Layers of what is built go up meanwhile, and what the registry
 * has of an image is looked for while the next one is built.
 *
 * @throws SlipwayError what building says, and what a registry refuses as soon as it does so
 */
export async function buildReleases(
  session: DimgSession,
  images: readonly ImageConfig[],
  place: BuildingPlace,
): Promise<BuiltReleases> {
  const { repo, look, withStages } = place;
  const { store, tell, dryRun } = session;
  const stop = new AbortController();
  const meanwhile = { ...session, signal: AbortSignal.any([session.signal, stop.signal]) };
  const ahead = createAhead(meanwhile, look);
  const stages = createStages(session, 'build', (image, root) => {
    ahead.throwIfRefused();
    const graph = graphOf(store, root, image.name ?? image.kind);
    if (withStages) ahead.send(graph, repo);
    if (images.includes(image)) ahead.send(graph, dimgRepository(repo, image.name));
  });
  const lookAhead = async (signed: SignedImage): Promise<readonly Release[] | undefined> => {
    try {
      const releases = await releasesOf(meanwhile, signed, place);
      const missing = releases.find(({ names }) => names.some(({ isThere }) => !isThere));
      if (missing !== undefined && !dryRun) ahead.send(missing.graph, missing.repository);
      return releases;
    } catch (error) {
      ahead.failed(error);
      return undefined;
    }
  };
  // What is sent stays there, or can be gone on with: the next run sends only the rest.
  const cut = async (): Promise<void> => {
    stop.abort();
    await ahead.settle();
    await Promise.all(built.map(({ looked }) => looked));
  };
  const built: { readonly signed: SignedImage; readonly looked: ReturnType<typeof lookAhead> }[] =
    [];
  try {
    for (const image of images) {
      const signed = await stages.of(image);
      ahead.throwIfRefused();
      built.push({ signed, looked: lookAhead(signed) });
    }
    await Promise.all(built.map(({ looked }) => looked));
    await ahead.settle();
  } catch (error) {
    await cut();
    throw error;
  }
  const releases: Release[] = [];
  for (const { signed, looked } of built) {
    if (dryRun && lastStage(signed).root === undefined) {
      for (const name of namesOf(signed.image, place)) tell(name, 'PUSH');
      continue;
    }
    // What could not be seen is looked for once more: it may be long ago.
    releases.push(...((await looked) ?? (await releasesOf(session, signed, place))));
  }
  return { stages, releases };
}
