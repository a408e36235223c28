import { isSlipwayError } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import { CACHE_VERSION } from './signature.ts';

/** An image as its config describes it. */
export interface LayeredImage {
  readonly labels: Readonly<Record<string, string>>;
  readonly diffIds: readonly Digest[];
}

/** A stage, wherever it is. */
export interface FoundStage extends LayeredImage {
  readonly signature: string;
}

/** Which stages may go; one that any of them means goes. */
export interface StagePolicies {
  /** those of another version of the cache */
  readonly cacheVersion: boolean;
  /** asked whether a commit that the files of a mapping are of still exists; left out to keep all */
  readonly hasCommit?: (mapping: string, commit: string) => Promise<boolean>;
  /** images that stages stand below; left out to keep all */
  readonly images?: readonly LayeredImage[] | undefined;
}

/** The stages that policies mean. */
export async function improperStages<S extends FoundStage>(
  stages: readonly S[],
  { cacheVersion, hasCommit, images }: StagePolicies,
): Promise<ReadonlySet<S>> {
  const gone = new Set<S>(images === undefined ? [] : unneededStages(stages, images));
  for (const stage of stages) {
    if (cacheVersion && stage.labels['werf-cache-version'] !== CACHE_VERSION) gone.add(stage);
  }
  if (hasCommit === undefined) return gone;
  for (const stage of stages) {
    if (!(await isLost(stage, hasCommit))) continue;
    gone.add(stage);
    for (const other of stages) if (standsOn(other, stage)) gone.add(other);
  }
  return gone;
}

/** The stages whose layers no image that stays begins with, artifacts of these included. */
export function unneededStages<S extends FoundStage>(
  stages: readonly S[],
  images: readonly LayeredImage[],
): readonly S[] {
  const needed = new Set<S>();
  const todo: LayeredImage[] = [...images];
  for (let image = todo.pop(); image !== undefined; image = todo.pop()) {
    const { labels, diffIds } = image;
    const artifacts = Object.entries(labels)
      .filter(([name]) => name.startsWith('werf-artifact-'))
      .map(([, signature]) => signature);
    for (const stage of stages) {
      if (needed.has(stage)) continue;
      if (!beginsWith(diffIds, stage.diffIds) && !artifacts.includes(stage.signature)) continue;
      needed.add(stage);
      todo.push(stage);
    }
  }
  return stages.filter((stage) => !needed.has(stage));
}

async function isLost(
  { labels }: FoundStage,
  hasCommit: NonNullable<StagePolicies['hasCommit']>,
): Promise<boolean> {
  for (const [name, commit] of Object.entries(labels)) {
    const mapping = /^werf-git-([0-9a-f]{64})-commit$/.exec(name)?.[1];
    if (mapping === undefined) continue;
    try {
      if (!(await hasCommit(mapping, commit))) return true;
    } catch (error) {
      // A label that isn't even a commit.
      if (!isSlipwayError(error, 'CONTENT_INVALID')) throw error;
      return true;
    }
  }
  return false;
}

function standsOn(stage: FoundStage, below: FoundStage): boolean {
  return (
    stage.diffIds.length > below.diffIds.length &&
    below.diffIds.length > 0 &&
    beginsWith(stage.diffIds, below.diffIds)
  );
}

function beginsWith(diffIds: readonly Digest[], start: readonly Digest[]): boolean {
  return start.every((diffId, at) => diffId === diffIds[at]);
}
