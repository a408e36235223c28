import { publishedImages, type Release, type WantedName } from '../dimg/publish.ts';
import type { DimgSession } from '../dimg/session.ts';
import { isSlipwayError } from '../errors.ts';
import { formatReference, type RepositoryName } from '../oci/reference.ts';
import { publish } from '../publish/publish.ts';
import type { Repository } from '../registry/repository.ts';
import { createMovedTags } from '../state/moved-tags.ts';
import type { Context } from './context.ts';

/** Opens repositories as whoever the command says that we are. */
export async function opener(
  session: DimgSession,
): Promise<(repository: RepositoryName) => Repository> {
  const registries = await session.registries();
  return (repository) => registries.repository(repository);
}

/** Publishes what isn't there as one publication, and tells of each name what became of it. */
export async function release(
  context: Context,
  session: DimgSession,
  releases: readonly Release[],
  open: (repository: RepositoryName) => Repository,
): Promise<void> {
  const { tell, signal, emit } = session;
  const names = releases.flatMap((each) => each.names);
  const missing = names.filter(({ isThere }) => !isThere);
  for (const { name, isThere } of names) {
    if (isThere) tell(name, 'EXIST');
    else tell(name, session.dryRun ? 'PUSH' : 'PUSHING');
  }
  if (session.dryRun || missing.length === 0) return;
  const movedTags = createMovedTags(await context.hints());
  const images = publishedImages(releases, open);
  await orLater(() =>
    tellEnd(session, missing, async () => {
      const { error } = await publish(
        { images },
        { signal, emit, movedTags, nonDistributable: true },
      );
      if (error !== undefined) throw error;
    }),
  );
}

/** Gives releases their names in the local store. */
export async function nameLocally(
  { store }: Context,
  session: DimgSession,
  releases: readonly Release[],
): Promise<void> {
  const { tell, signal, emit } = session;
  const names = releases.flatMap((each) => each.names);
  for (const { name } of names) tell(name, session.dryRun ? 'EXPORT' : 'EXPORTING');
  if (session.dryRun) return;
  const target = await store();
  const images = releases.map(({ graph, repository, names }) => ({
    graph,
    destinations: [
      { target, names: names.map(({ tag }) => formatReference({ ...repository, tag })) },
    ],
  }));
  await tellEnd(session, names, async () => {
    const { error } = await publish({ images }, { signal, emit, nonDistributable: true });
    if (error !== undefined) throw error;
  });
}

async function tellEnd(
  { tell }: DimgSession,
  names: readonly WantedName[],
  work: () => Promise<void>,
): Promise<void> {
  const startedMs = performance.now();
  try {
    await work();
  } catch (error) {
    for (const { name } of names) tell(name, 'FAILED');
    throw error;
  }
  for (const { name } of names) tell(name, 'OK', (performance.now() - startedMs) / 1000);
}

/** Lets a failure of a registry that may come back say what to do. */
export async function orLater<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isSlipwayError(error, 'NETWORK', 'SERVER_ERROR', 'RATE_LIMITED')) throw error;
    throw error.with({
      hint: 'no name was moved; run the same command again when the registry answers: what it has is not sent twice',
    });
  }
}
