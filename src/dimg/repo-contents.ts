import { createLane } from '../bytes/lane.ts';
import { isSlipwayError } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import type { RepositoryName } from '../oci/reference.ts';
import type { Repository } from '../registry/repository.ts';
import { listTags } from '../upkeep/list-tags.ts';
import { dimgRepository } from './repo.ts';
import type { DimgSession } from './session.ts';
import { labelsOf, readImage } from './stage-image.ts';

/** A tag of a repository and the image that it names. */
export interface RepoImage {
  readonly repository: Repository;
  readonly tag: string;
  readonly digest: Digest;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdMs: number | undefined;
  readonly diffIds: readonly Digest[];
}

export interface RepoStage extends RepoImage {
  readonly signature: string;
}

/** What of a project is in its repositories. */
export interface RepoContents {
  /** published dimgs, by repository */
  readonly dimgs: readonly (readonly RepoImage[])[];
  readonly stages: readonly RepoStage[];
  /** names of each manifest, also those that are nobody's business here */
  readonly tagsOf: (image: RepoImage) => readonly string[];
}

const AT_ONCE = 8;
const STAGE_TAG = 'dimgstage-';

/** Reads the images of the project in REPO and in the repositories of its dimgs. */
export async function readRepoContents(
  session: DimgSession,
  repo: RepositoryName,
  open: (repository: RepositoryName) => Repository,
): Promise<RepoContents> {
  const { config, project } = session;
  const names = config.images.flatMap(({ kind, name }) => (kind === 'dimg' && name ? [name] : []));
  const repositories = [repo, ...names.map((name) => dimgRepository(repo, name))].map(open);
  const tags = new Map<string, string[]>();
  const all: (readonly RepoImage[])[] = [];
  for (const repository of repositories) {
    const images = await imagesIn(session, repository, tags);
    all.push(images.filter(({ labels }) => labels.werf === project));
  }
  return {
    dimgs: all.map((images) => images.filter(({ labels }) => labels['werf-dimg'] === 'true')),
    stages: (all[0] ?? []).flatMap((image) => {
      const isStage = image.labels['werf-dimg'] === 'false' && image.tag.startsWith(STAGE_TAG);
      return isStage ? [{ ...image, signature: image.tag.slice(STAGE_TAG.length) }] : [];
    }),
    tagsOf: ({ repository, digest }) => tags.get(`${repository.name}@${digest}`) ?? [],
  };
}

async function imagesIn(
  { signal, emit }: DimgSession,
  repository: Repository,
  tags: Map<string, string[]>,
): Promise<readonly RepoImage[]> {
  const listed = await listTags(repository, { signal }).catch((error: unknown) => {
    // A repository that nobody has pushed to.
    if (isSlipwayError(error, 'NOT_FOUND')) return [];
    throw error;
  });
  for (const { tag, descriptor } of listed) {
    const key = `${repository.name}@${descriptor.digest}`;
    tags.set(key, [...(tags.get(key) ?? []), tag]);
  }
  const lane = createLane(AT_ONCE);
  const read = listed.map(({ tag, descriptor }) =>
    lane.run(async (): Promise<readonly RepoImage[]> => {
      try {
        const { config } = await readImage(repository, descriptor, { signal });
        const createdMs = Date.parse(config.created ?? '');
        const { digest } = descriptor;
        return [
          {
            ...{ repository, tag, digest, labels: labelsOf(config), diffIds: config.diffIds },
            createdMs: Number.isNaN(createdMs) ? undefined : createdMs,
          },
        ];
      } catch (error) {
        if (!isSlipwayError(error, 'NOT_FOUND', 'CONTENT_INVALID', 'CONTENT_MISSING')) throw error;
        emit({ type: 'warning', message: `Ignore broken tag '${tag}': ${error.message}` });
        return [];
      }
    }, signal),
  );
  return (await Promise.all(read)).flat();
}
