import type { TarFile } from '../bytes/tar-index.ts';
import { shownName } from '../bytes/tar-name.ts';
import type { Signalled } from '../content/transport.ts';
import { SlipwayError } from '../errors.ts';
import { parseConfig } from '../oci/config.ts';
import { type Descriptor, describe } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { DOCUMENT_LIMITS, isJsonObject, parseJsonArray } from '../oci/json.ts';
import { encodeDocument } from '../oci/manifest.ts';
import { MEDIA_TYPE } from '../oci/mediatype.ts';
import type { Contents } from './contents.ts';
import type { ArchiveFiles } from './files.ts';
import { describeLayer } from './layers.ts';
import { checkReferences } from './names.ts';

/** One entry of `manifest.json` (moby, image/tarexport), as it stands there. */
export interface DockerImage {
  /** where the config is */
  readonly config: string;
  readonly names: readonly string[];
  /** where the layers are, lowest first */
  readonly layers: readonly string[];
}

/**
 * Parses `manifest.json`.
 *
 * @throws SlipwayError `CONTENT_INVALID`, `LIMIT_EXCEEDED`, `ARCHIVE_INVALID` for bad names
 */
export function parseDockerImages(bytes: Uint8Array, archive: string): readonly DockerImage[] {
  const what = `${archive}: manifest.json`;
  return parseJsonArray(bytes, what, DOCUMENT_LIMITS.manifestBytes).map((entry, at) => {
    const where = `${what}: entry ${at}`;
    if (!isJsonObject(entry)) throw invalid(where, 'is not an object');
    const { Config: config, RepoTags: names, Layers: layers } = entry;
    if (typeof config !== 'string') throw invalid(where, 'has no Config');
    if (!isTextList(layers)) throw invalid(where, 'has no list of Layers');
    if (names !== null && names !== undefined && !isTextList(names)) {
      throw invalid(where, 'has RepoTags that are no list');
    }
    return { config, names: checkReferences(names ?? [], archive), layers };
  });
}

/**
 * Describes an image of `manifest.json` truthfully: its config as it is, each layer as it lies in
 * the archive, under a manifest that is made here and always the same. Bytes that aren't
 * compressed are not hashed for this: a layer's digest is then its diffID, and whoever reads it
 * checks it. A compressed layer is read once, to find its digest and to check its diffID.
 *
 * @throws SlipwayError `CONTENT_INVALID` where config and layers don't fit, `CONTENT_MISSING`,
 * `DIGEST_MISMATCH`, `LIMIT_EXCEEDED`
 */
export async function describeDockerImage(
  image: DockerImage,
  files: ArchiveFiles,
  contents: Contents,
  options: Signalled = {},
): Promise<Descriptor> {
  const config = await readConfig(image, files);
  const { diffIds } = parseConfig(config);
  if (diffIds.length !== image.layers.length) {
    throw invalid(
      `${files.name}: ${shownName(image.config)}`,
      `has ${diffIds.length} diff_ids for ${image.layers.length} layers`,
    );
  }
  const layers: Descriptor[] = [];
  for (const [at, name] of image.layers.entries()) {
    const diffId = diffIds[at] as Digest;
    const file = needed(files, name);
    const layer = await contents.once(`${file.offset} ${diffId}`, () =>
      describeLayer(file, diffId, files, options),
    );
    layers.push(contents.addFile(layer, file));
  }
  const manifest = imageOf(
    contents.addBytes(describe(config, MEDIA_TYPE.ociConfig), config),
    layers,
  );
  return contents.addBytes(describe(manifest, MEDIA_TYPE.ociManifest), manifest);
}

/** The manifest of an image that came without one. */
export function imageOf(config: Descriptor, layers: readonly Descriptor[]): Uint8Array {
  return encodeDocument({
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    config,
    layers,
  });
}

/** The bytes of an image's config. */
export async function readConfig(image: DockerImage, files: ArchiveFiles): Promise<Buffer> {
  return files.document(needed(files, image.config), DOCUMENT_LIMITS.configBytes);
}

function needed(files: ArchiveFiles, name: string): TarFile {
  const file = files.find(name);
  if (file !== undefined) return file;
  throw new SlipwayError(
    'CONTENT_MISSING',
    `${files.name} has no ${shownName(name)}, which its manifest.json names`,
    { side: 'source', path: files.name, hint: 'get the archive again from where it was made' },
  );
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function invalid(where: string, problem: string): SlipwayError {
  return new SlipwayError('CONTENT_INVALID', `${where} ${problem}`);
}
