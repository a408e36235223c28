import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SlipwayError } from '../errors.ts';
import { formatRepository, type RepositoryName } from '../oci/reference.ts';
import type { Repository } from '../registry/repository.ts';
import { withLock } from '../state/lock.ts';
import type { UsedImages } from './clusters.ts';
import { unneededStages } from './improper-stages.ts';
import { type RepoContents, type RepoImage, readRepoContents } from './repo-contents.ts';
import { retentionLimits, tagsToRemove } from './retention.ts';
import type { DimgSession } from './session.ts';

/** What is removed of a project in REPO. */
export interface Removal {
  readonly repo: RepositoryName;
  readonly open: (repository: RepositoryName) => Repository;
  readonly withStages: boolean;
  /** asks which images stay because somebody uses them */
  readonly used?: () => Promise<UsedImages>;
  /** told of each name that goes, or would go */
  readonly tell: (name: string) => void;
}

const LOCK_WAIT_MS = 600_000;

/** Removes all dimgs of the project from REPO, whatever they are of. */
export async function flushRepo(session: DimgSession, removal: Removal): Promise<void> {
  await withRepo(session, removal, async (contents) => [
    ...contents.dimgs.flat(),
    ...(removal.withStages ? contents.stages : []),
  ]);
}

/**
 * Removes the dimgs of branches, tags and commits that are gone, and of tags and commits the old
 * ones; with stages also those that no image needs which stays.
 *
 * @throws SlipwayError `CONFIG_INVALID` where it can't be known what is gone, and what `used` throws;
 * then nothing is removed
 */
export async function cleanRepo(session: DimgSession, removal: Removal): Promise<void> {
  const { git, folder } = session;
  const branches = (await git?.remoteBranches()) ?? [];
  if (git === undefined || branches.length === 0) {
    throw new SlipwayError('CONFIG_INVALID', `${folder} knows no branches of a remote repository`, {
      path: folder,
      hint: 'fetch them before: git fetch origin; else images of all branches would go',
    });
  }
  const facts = {
    nowMs: Date.now(),
    branches,
    gitTags: await git.tags(),
    hasCommit: async (commit: string) => /^[0-9a-f]{40}$/.test(commit) && (await git.has(commit)),
    limits: retentionLimits(process.env),
  };
  await withRepo(session, removal, async ({ dimgs, stages }) => {
    const used = await removal.used?.();
    const isUsed = ({ repository, tag, digest }: RepoImage): boolean =>
      used?.has({ repository: repository.name, tag, digest }) === true;
    const gone: RepoImage[] = [];
    for (const all of dimgs) {
      const images = all.filter((image) => !isUsed(image));
      const published = images.map(({ tag, labels, createdMs }) => ({
        ...{ tag, createdMs },
        scheme: labels['werf-tag-scheme'],
      }));
      const tags = await tagsToRemove(published, facts);
      gone.push(...images.filter(({ tag }) => tags.has(tag)));
    }
    if (!removal.withStages) return gone;
    const left = dimgs.flat().filter((image) => !gone.includes(image));
    return [...gone, ...unneededStages(stages, left)];
  });
}

/** Removes what is chosen of a project in REPO, while nobody else does. */
export async function withRepo(
  session: DimgSession,
  { repo, open, tell }: Removal,
  choose: (contents: RepoContents) => Promise<readonly RepoImage[]>,
): Promise<void> {
  const { home, signal, dryRun } = session;
  const folder = join(home, 'dimg-locks');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const name = createHash('sha256')
    .update(`repo.${formatRepository(repo)}`)
    .digest('hex');
  const work = async (): Promise<void> => {
    const contents = await readRepoContents(session, repo, open);
    const gone = await choose(contents);
    for (const image of gone) tell(`${image.repository.name}:${image.tag}`);
    if (!dryRun) await remove(contents, gone, signal);
  };
  await withLock(join(folder, name), work, { signal, waitMs: LOCK_WAIT_MS });
}

/** A manifest goes with its last name; where names stay, only the others go. */
async function remove(
  { tagsOf }: RepoContents,
  gone: readonly RepoImage[],
  signal: AbortSignal,
): Promise<void> {
  const byManifest = Map.groupBy(gone, ({ repository, digest }) => `${repository.name}@${digest}`);
  for (const images of byManifest.values()) {
    const [image] = images;
    if (image === undefined) continue;
    const { repository, digest } = image;
    const tags = new Set(images.map(({ tag }) => tag));
    if (tagsOf(image).every((tag) => tags.has(tag))) {
      await repository.removeManifest(digest, { signal });
      continue;
    }
    for (const tag of tags) await repository.removeTag(tag, { signal });
  }
}
