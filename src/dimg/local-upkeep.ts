import type { Emit } from '../events.ts';
import type { Layout } from '../layout/layout.ts';
import type { Git } from './git.ts';
import { mappingChecksum } from './git-files.ts';
import { removeUnheld } from './held-folders.ts';
import { improperStages, type LayeredImage } from './improper-stages.ts';
import {
  isLocalDimg,
  isLocalStage,
  type LocalImage,
  localImages,
  removeLocal,
} from './local-images.ts';
import type { DimgSession } from './session.ts';
import { CACHE_VERSION } from './signature.ts';

/** A local store that is cleaned. */
export interface LocalCleaning {
  readonly store: Layout;
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
  readonly emit: Emit;
  /** told of each name that goes, or would go */
  readonly tell: (name: string) => void;
}

/** Stages as young as this may be of images that aren't pushed yet. */
const YOUNG_MS = 2 * 60 * 60 * 1000;

/** Removes what `dimg tag` named, or the stages, of a project. */
export async function flushLocal(
  cleaning: LocalCleaning,
  project: string,
  { dimgs, stages }: { readonly dimgs: boolean; readonly stages: boolean },
): Promise<void> {
  const images = await ofProject(cleaning, project);
  const gone = images.filter(
    (image) => (dimgs && isLocalDimg(image)) || (stages && (isLocalStage(image) || !image.name)),
  );
  await removeLocal(cleaning.store, gone, cleaning);
}

/** Removes what interrupted builds of a project left in the store. */
export async function removeNameless(cleaning: LocalCleaning, project: string): Promise<void> {
  const images = await ofProject(cleaning, project);
  const gone = images.filter(({ name }) => name === undefined);
  await removeLocal(cleaning.store, gone, cleaning);
}

/** What `dimg stages cleanup` takes away. */
export interface StageCleaning {
  readonly cacheVersion: boolean;
  readonly gitCommit: boolean;
  /** dimgs of a registry, whose stages stay; left out if all stay */
  readonly images?: readonly LayeredImage[] | undefined;
}

/** Removes the stages of a project that policies mean. */
export async function cleanLocalStages(
  session: DimgSession,
  cleaning: LocalCleaning,
  { cacheVersion, gitCommit, images }: StageCleaning,
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  const all = (await ofProject(cleaning, session.project)).filter(isLocalStage);
  const stages = all.map((image) => ({ ...image, signature: image.name?.split(':').at(-1) ?? '' }));
  const name = 'DISABLE_SYNC_LOCAL_STAGES_DATE_PERIOD_POLICY';
  const sparesYoung = !env[`WERF_${name}`] && !env[`DAPP_${name}`];
  const policies = {
    cacheVersion,
    ...(gitCommit ? { hasCommit: await commitsOf(session) } : {}),
  };
  const gone = new Set<LocalImage>(await improperStages(stages, policies));
  for (const stage of await improperStages(stages, { cacheVersion: false, images })) {
    const ageMs = Date.now() - (stage.createdMs ?? 0);
    if (!sparesYoung || ageMs > YOUNG_MS) gone.add(stage);
  }
  await removeLocal(cleaning.store, [...gone], cleaning);
}

/** Knows whether commits of the project's mappings still exist; those of others are let be. */
export async function commitsOf({
  config,
  sources,
}: DimgSession): Promise<(mapping: string, commit: string) => Promise<boolean>> {
  const known = new Map<string, Git>();
  for (const image of config.images) {
    await sources.load(image, { fetch: true });
    for (const mapping of image.git) known.set(mappingChecksum(mapping), sources.of(mapping));
  }
  return async (mapping, commit) => (await known.get(mapping)?.has(commit)) ?? true;
}

/** Which images of all projects `dimg mrproper` removes. */
export interface ProperPolicies {
  readonly all: boolean;
  readonly devMode: boolean;
  readonly cacheVersion: boolean;
}

/** Removes images of all projects, with `all` also what builds have kept beside them. */
export async function removeOfAllProjects(
  cleaning: LocalCleaning,
  home: string,
  { all, devMode, cacheVersion }: ProperPolicies,
): Promise<void> {
  const images = await localImages(cleaning.store, cleaning);
  const gone = images.filter((image) => {
    const isStage = isLocalStage(image);
    if (!isStage && !isLocalDimg(image) && image.name !== undefined) return false;
    if (all) return true;
    if (devMode && image.labels['werf-dev-mode'] === 'true') return true;
    return cacheVersion && isStage && image.labels['werf-cache-version'] !== CACHE_VERSION;
  });
  await removeLocal(cleaning.store, gone, cleaning);
  if (!all) return;
  const tellHeld = (folder: string) =>
    cleaning.emit({ type: 'warning', message: `${folder} stays: a running build uses it` });
  await removeUnheld(home, ['dimg-build', 'dimg-git', 'dimg-dev'], { ...cleaning, tellHeld });
}

async function ofProject(
  { store, signal }: LocalCleaning,
  project: string,
): Promise<readonly LocalImage[]> {
  return (await localImages(store, { signal })).filter(({ labels }) => labels.werf === project);
}
