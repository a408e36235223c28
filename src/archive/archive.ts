import type { Signalled, Source } from '../content/transport.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { type Digest, digestOf, isDigest } from '../oci/digest.ts';
import { DOCUMENT_LIMITS } from '../oci/json.ts';
import { type Contents, createContents, notInArchive } from './contents.ts';
import {
  type DockerImage,
  describeDockerImage,
  parseDockerImages,
  readConfig,
} from './docker-images.ts';
import { type ArchiveFiles, openFiles } from './files.ts';
import { type ArchiveInput, type ArchiveInputOptions, openInput } from './input.ts';
import { type EmbeddedNames, isNamed, listNames } from './names.ts';
import { holdsNoImage } from './not-an-archive.ts';
import { checkComplete, findByConfig, readOciImages } from './oci-images.ts';

/** An image of an archive, as its documents list it. */
export interface ArchiveImage extends EmbeddedNames {
  /** what {@link Archive.resolve} finds it by, whatever it is called: `@0`, `@1` … */
  readonly key: string;
}

/** Images in a tar file, as `docker save`, `podman save`, `nerdctl save` and skopeo write them. */
export interface Archive extends Source {
  /** Its images, in the order of its documents. */
  images(): readonly ArchiveImage[];
  /**
   * The descriptor of an image by name (as embedded, or meaning the same to docker), by digest, by
   * place (`@0`), or of the only image (`''`).
   *
   * @throws SlipwayError `NOT_FOUND`, `USAGE` for `''` where there are several, `ARCHIVE_INVALID`
   * for a name of two images; and what is wrong with the image: `CONTENT_INVALID`,
   * `CONTENT_MISSING`, `DIGEST_MISMATCH`, `SIZE_MISMATCH`, `LIMIT_EXCEEDED`
   */
  resolve(reference: string, options?: Signalled): Promise<Descriptor>;
  /** what the user should know: the archive may be incomplete, say */
  readonly warnings: readonly string[];
  close(): Promise<void>;
}

export type OpenArchiveOptions = ArchiveInputOptions;

interface FoundImage extends ArchiveImage {
  /** its digest, where a document tells it */
  readonly digest?: Digest;
  describe(options: Signalled): Promise<Descriptor>;
}

/**
 * Opens an image archive: a file, or standard input for `-`; plain, gzip or zstd.
 *
 * Nothing is unpacked: a plain file is read where it is, others are spooled once into a nameless
 * file. An image is taken from `index.json` with its digest as it was if all of it is there. An
 * engine that keeps one platform of several writes an index with holes: of those, the platform that
 * `manifest.json` tells is taken, with its own digest. Without a whole OCI image, `manifest.json`
 * alone counts, and the image gets a manifest that is made here.
 *
 * @throws SlipwayError `FILE_NOT_FOUND`, `ARCHIVE_INVALID` for what is no archive or one that no
 * reader should trust, `SIZE_MISMATCH` if it ends too early, `CONTENT_INVALID`, `LIMIT_EXCEEDED`,
 * `NO_SPACE`
 * @example
 * const archive = await openArchive('app.tar');
 * const root = await archive.resolve('');
 */
export async function openArchive(
  path: string,
  options: OpenArchiveOptions = {},
): Promise<Archive> {
  const name = options.stdinName ?? path;
  const input = await openInput(path, options).catch((error: unknown) => {
    throw located(error, name);
  });
  try {
    return await readArchive(input, options);
  } catch (error) {
    await input.close();
    throw located(error, name);
  }
}

function located(error: unknown, path: string): unknown {
  return error instanceof SlipwayError ? error.with({ side: 'source', path }) : error;
}

async function readArchive(input: ArchiveInput, options: Signalled): Promise<Archive> {
  const files = await openFiles(input, options);
  const contents = createContents(files);
  const images = await findImages(files, contents);
  return {
    name: files.name,
    warnings: files.hasEndMarker
      ? []
      : [`${files.name} has no end marker: it may have been cut off while it was copied`],
    images: () => images.map(({ key, names, tags }) => ({ key, names, tags })),
    async resolve(reference, signalled = {}) {
      try {
        return await resolveImage(images, reference, files.name, signalled);
      } catch (error) {
        throw located(error, files.name);
      }
    },
    fetch: (descriptor, fetchOptions) => contents.fetch(descriptor, fetchOptions),
    close: () => input.close(),
  };
}

async function findImages(files: ArchiveFiles, contents: Contents): Promise<readonly FoundImage[]> {
  for (const name of ['oci-layout', 'index.json', 'manifest.json']) {
    if ((files.find(name)?.twinOffsets.length ?? 0) === 0) continue;
    throw new SlipwayError('ARCHIVE_INVALID', `${files.name} has ${name} more than once`, {
      path: files.name,
      hint: 'readers would take one or the other; make the archive again',
    });
  }
  const oci = await readOciImages(files);
  const file = files.find('manifest.json');
  if (oci === undefined && file === undefined) throw holdsNoImage(files.name, files.names);
  const docker =
    file === undefined
      ? []
      : parseDockerImages(await files.document(file, DOCUMENT_LIMITS.manifestBytes), files.name);
  const place = (at: number) => ({ key: `@${at}` });
  if (oci === undefined || oci.length === 0) {
    return docker.map((image, at) => ({
      ...place(at),
      names: image.names,
      tags: [],
      describe: (options) => describeDockerImage(image, files, contents, options),
    }));
  }
  return oci.map(({ descriptor, names, tags }, at) => {
    const twins = docker.filter((image) =>
      image.names.some((name) => isNamed({ names, tags }, name)),
    );
    const twin = twins[0] ?? (oci.length === 1 && docker.length === 1 ? docker[0] : undefined);
    return {
      ...place(at),
      digest: descriptor.digest,
      names,
      tags,
      describe: (options) => describeOciImage(descriptor, twin, files, contents, options),
    };
  });
}

async function describeOciImage(
  root: Descriptor,
  twin: DockerImage | undefined,
  files: ArchiveFiles,
  contents: Contents,
  options: Signalled,
): Promise<Descriptor> {
  try {
    await checkComplete(root, contents, options);
    return root;
  } catch (error) {
    if (twin === undefined || !isSlipwayError(error, 'CONTENT_MISSING')) throw error;
    const config = digestOf(await readConfig(twin, files));
    const platform = await findByConfig(root, config, contents, options);
    return platform ?? describeDockerImage(twin, files, contents, options);
  }
}

async function resolveImage(
  images: readonly FoundImage[],
  reference: string,
  archive: string,
  options: Signalled,
): Promise<Descriptor> {
  const digest = reference.slice(reference.indexOf('@') + 1);
  if (isDigest(digest)) {
    const told = images.find((image) => image.digest === digest);
    if (told !== undefined) return told.describe(options);
    for (const image of images.filter((other) => other.digest === undefined)) {
      const descriptor = await image.describe(options);
      if (descriptor.digest === digest) return descriptor;
    }
    throw notInArchive(digest, archive);
  }
  const found = images.filter(
    (image) => reference === '' || image.key === reference || isNamed(image, reference),
  );
  const [only] = found;
  if (only !== undefined && found.length === 1) return only.describe(options);
  const hint = images.length === 0 ? 'it holds no image' : `it holds ${listNames(images)}`;
  const facts = { side: 'source', path: archive, hint } as const;
  if (only === undefined) {
    const wanted =
      reference === '' ? 'no image' : `no image with the name ${JSON.stringify(reference)}`;
    throw new SlipwayError('NOT_FOUND', `${archive} holds ${wanted}`, facts);
  }
  if (reference === '') {
    throw new SlipwayError('USAGE', `${archive} holds ${found.length} images; name one`, facts);
  }
  throw new SlipwayError(
    'ARCHIVE_INVALID',
    `${archive} gives the name ${JSON.stringify(reference)} to ${found.length} images`,
    { ...facts, hint: `write ${found.map(({ key }) => key).join(' or ')} for the one you mean` },
  );
}
