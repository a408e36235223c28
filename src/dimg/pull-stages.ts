import { isSlipwayError } from '../errors.ts';
import type { Repository } from '../registry/repository.ts';
import { createStages } from './build-dimgs.ts';
import type { ImageConfig } from './config.ts';
import { takeStage } from './find-stage.ts';
import { neededBy } from './project.ts';
import { type DimgSession, dimgTitle, stageName } from './session.ts';

/**
 * Takes stages that the store hasn't from a repository, for each image from the last one down until
 * one is there, or all of them; then those of what it is made of.
 *
 * @throws SlipwayError what the registry says when it is asked; a stage that can't be pulled is told
 */
export async function pullStages(
  session: DimgSession,
  images: readonly ImageConfig[],
  from: Repository,
  { all }: { readonly all: boolean },
): Promise<void> {
  const { config } = session;
  const stages = createStages({ ...session, stagesFrom: from }, 'leave');
  const seen = new Set<ImageConfig>();
  const pull = async (image: ImageConfig): Promise<void> => {
    if (seen.has(image)) return;
    seen.add(image);
    for (const { name, signature } of (await stages.of(image)).stages.toReversed()) {
      const isThere = await pullStage(session, `${dimgTitle(image)}: ${name}`, signature, from);
      if (isThere && !all) break;
    }
    for (const { kind, name } of neededBy(image)) {
      const other = config.images.find((each) => each.kind === kind && each.name === name);
      if (other !== undefined) await pull(other);
    }
  };
  for (const image of images) await pull(image);
}

/** False if the next older stage is to be tried. */
async function pullStage(
  session: DimgSession,
  title: string,
  signature: string,
  from: Repository,
): Promise<boolean> {
  const { store, signal, tell, dryRun, emit } = session;
  const unlessMissing = (error: unknown): undefined => {
    if (isSlipwayError(error, 'NOT_FOUND')) return undefined;
    throw error;
  };
  const local = await store.resolve(stageName(session, signature), { signal }).catch(unlessMissing);
  if (local !== undefined) {
    tell(title, 'EXIST');
    return true;
  }
  const remote = await from.resolve(`dimgstage-${signature}`, { signal }).catch(unlessMissing);
  if (remote === undefined) {
    tell(title, 'NOT EXIST');
    return false;
  }
  tell(title, dryRun ? 'PULL' : 'PULLING');
  if (dryRun) return true;
  const startedMs = performance.now();
  try {
    await takeStage(session, from, remote, signature);
    tell(title, 'OK', (performance.now() - startedMs) / 1000);
    return true;
  } catch (error) {
    if (!isSlipwayError(error)) throw error;
    tell(title, 'NOT PULLED');
    emit({ type: 'warning', message: `${title} is not pulled: ${error.message}` });
    return false;
  }
}
