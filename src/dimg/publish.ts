import { createLane } from '../bytes/lane.ts';
import { createDocuments, pointTo, rewriteImages } from '../content/derivations/rewrite.ts';
import { derived, type Graph, graphOf } from '../content/graph.ts';
import type { Signalled, Target } from '../content/transport.ts';
import { readDocument } from '../content/verify.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { DOCUMENT_LIMITS, isJsonObject, parseJsonObject } from '../oci/json.ts';
import type { RepositoryName } from '../oci/reference.ts';
import { formatRepository } from '../oci/reference.ts';
import type { PublishedImage } from '../publish/publication.ts';
import type { Repository } from '../registry/repository.ts';
import { type DimgStages, lastStage, type SignedImage } from './build-dimgs.ts';
import type { ImageConfig } from './config.ts';
import { neededBy } from './project.ts';
import { dimgRepository } from './repo.ts';
import type { DimgSession } from './session.ts';
import { labelsOf, readImage } from './stage-image.ts';
import type { SchemeTags, TagScheme } from './tags.ts';

/** A name that is to stand for an image. */
export interface WantedName {
  /** `HOST/PATH:TAG` */
  readonly name: string;
  readonly tag: string;
  /** it stands for this image already */
  readonly isThere: boolean;
}

/** An image and its names in one repository. */
export interface Release {
  readonly graph: Graph;
  readonly repository: RepositoryName;
  readonly names: readonly WantedName[];
}

/** Where releases go. */
export interface ReleasePlace {
  readonly repo: RepositoryName;
  /** the dimg goes to `repo` itself, whatever it is called */
  readonly isPlain?: boolean;
  readonly tags: readonly SchemeTags[];
  /** opens a repository to look what is there; left out where nothing is looked at */
  readonly look?: (repository: RepositoryName) => Repository;
}

const LOOKS_AT_ONCE = 8;

/** The label in which we write what an image was made of; werf's place for it is docker's own. */
const PARENT_LABEL = 'io.slipway.dimg.stage';

/** The names that a dimg is to have, whether it is built or not. */
export function namesOf(
  image: ImageConfig,
  { repo, isPlain = false, tags }: ReleasePlace,
): readonly string[] {
  const repository = formatRepository(isPlain ? repo : dimgRepository(repo, image.name));
  return tags.flatMap((scheme) => scheme.tags.map((tag) => `${repository}:${tag}`));
}

/**
 * What a dimg's last stage is to be published as: for each scheme an image with its labels.
 *
 * @throws SlipwayError `NOT_FOUND` if it isn't built
 */
export async function releasesOf(
  session: DimgSession,
  signed: SignedImage,
  { repo, isPlain = false, tags, look }: ReleasePlace,
): Promise<readonly Release[]> {
  const { store, signal } = session;
  const { image } = signed;
  const { root } = lastStage(signed);
  if (root === undefined) throw notBuilt(image);
  const parent = (await readImage(store, root, { signal })).manifest.config.digest;
  const repository = isPlain ? repo : dimgRepository(repo, image.name);
  const asked = tags.map(async ({ scheme, tags: wanted }): Promise<Release> => {
    const graph = await asRelease(graphOf(store, root, image.name ?? 'dimg'), scheme, parent, {
      signal,
    });
    const { digest } = await graph.root();
    const isThere = async (tag: string): Promise<boolean> =>
      look !== undefined &&
      (await standsFor(look(repository), tag, digest, session, isMadeOf(parent)));
    const names = wanted.map(async (tag) => ({
      ...{ name: `${formatRepository(repository)}:${tag}`, tag, isThere: await isThere(tag) },
    }));
    return { graph, repository, names: await Promise.all(names) };
  });
  return await Promise.all(asked);
}

/** The stages of images and of all that they are made of, as releases of REPO, the last first. */
export async function stageReleases(
  session: DimgSession,
  stages: DimgStages,
  images: readonly ImageConfig[],
  repo: RepositoryName,
  look: (repository: RepositoryName) => Repository,
): Promise<readonly Release[]> {
  const { config, store, signal } = session;
  const found = new Map<string, { readonly root: Descriptor; readonly title: string }>();
  const seen = new Set<ImageConfig>();
  const add = async (image: ImageConfig): Promise<void> => {
    if (seen.has(image)) return;
    seen.add(image);
    const signed = await stages.of(image);
    for (const { name, signature, root } of signed.stages.toReversed()) {
      if (root === undefined || found.has(signature)) continue;
      found.set(signature, { root, title: `${image.name ?? 'dimg'}, stage ${name}` });
    }
    for (const { kind, name } of neededBy(image)) {
      const other = config.images.find((each) => each.kind === kind && each.name === name);
      if (other !== undefined) await add(other);
    }
  };
  for (const image of images) await add(image);
  const lane = createLane(LOOKS_AT_ONCE);
  const asked = [...found].map(([signature, { root, title }]) =>
    lane.run(async (): Promise<Release> => {
      const tag = `dimgstage-${signature}`;
      const isThere = await standsFor(look(repo), tag, root.digest, session, isStage);
      const name = `${formatRepository(repo)}:${tag}`;
      return {
        graph: graphOf(store, root, title),
        repository: repo,
        names: [{ name, tag, isThere }],
      };
    }, signal),
  );
  return await Promise.all(asked);
}

/** The publication of what isn't there yet. */
export function publishedImages(
  releases: readonly Release[],
  open: (repository: RepositoryName) => Target,
): readonly PublishedImage[] {
  return releases.flatMap(({ graph, repository, names }) => {
    const missing = new Set(names.filter(({ isThere }) => !isThere).map(({ tag }) => tag));
    if (missing.size === 0) return [];
    const destination = {
      ...{ target: open(repository), names: [...missing], host: repository.host },
    };
    return [{ graph, destinations: [destination] }];
  });
}

/** An image with the labels of what is published, which remembers the stage that it was. */
async function asRelease(
  graph: Graph,
  scheme: TagScheme,
  parent: string,
  options: Signalled,
): Promise<Graph> {
  const documents = createDocuments();
  const labels = { 'werf-tag-scheme': scheme, 'werf-dimg': 'true', [PARENT_LABEL]: parent };
  const root = await rewriteImages(
    graph.source,
    await graph.root(),
    documents,
    async (manifest) => {
      const maxBytes = DOCUMENT_LIMITS.configBytes;
      const bytes = await readDocument(graph.source, manifest.config, { ...options, maxBytes });
      const json = parseJsonObject(bytes, 'the image config', maxBytes);
      const config = isJsonObject(json.config) ? json.config : {};
      const before = isJsonObject(config.Labels) ? config.Labels : {};
      const changed = {
        ...json,
        config: {
          ...config,
          WorkingDir: config.WorkingDir || '/',
          Labels: { ...before, ...labels },
        },
        container_config: { Image: parent },
      };
      const described = documents.put(changed, manifest.config.mediaType);
      return { ...manifest.json, config: pointTo(manifest.json.config, described) };
    },
    options,
  );
  return derived(graph, documents.over(graph.source), root);
}

/** What the config of a published image tells of it. */
interface Told {
  readonly labels: Readonly<Record<string, string>>;
  readonly parent: unknown;
}

function isMadeOf(stage: string): (told: Told) => boolean {
  return ({ labels, parent }) =>
    labels['werf-dimg'] === 'true' && (labels[PARENT_LABEL] === stage || parent === stage);
}

function isStage({ labels }: Told): boolean {
  return labels['werf-dimg'] === 'false';
}

/** True if a tag stands for an image, or for another one that tells what `isSame` wants. */
async function standsFor(
  repository: Repository,
  tag: string,
  digest: Digest,
  { signal, emit }: DimgSession,
  isSame: (told: Told) => boolean,
): Promise<boolean> {
  try {
    const root: Descriptor = await repository.resolve(tag, { signal });
    if (root.digest === digest) return true;
    const { config } = await readImage(repository, root, { signal });
    const container = config.json.container_config;
    const parent = isJsonObject(container) ? container.Image : undefined;
    return isSame({ labels: labelsOf(config), parent });
  } catch (error) {
    // Some registries let nobody look at what isn't there; whether we may push is seen by pushing.
    if (isSlipwayError(error, 'NOT_FOUND', 'DENIED')) return false;
    if (!isSlipwayError(error, 'CONTENT_INVALID', 'CONTENT_MISSING', 'SIZE_MISMATCH')) throw error;
    emit({ type: 'warning', message: `Ignore broken tag '${tag}': ${error.message}` });
    return false;
  }
}

function notBuilt({ name }: ImageConfig): SlipwayError {
  return new SlipwayError('NOT_FOUND', "Dimg hasn't been built yet!", {
    hint: `slipway dimg build${name === undefined ? '' : ` ${name}`} builds it; slipway dimg bp builds and pushes`,
  });
}
