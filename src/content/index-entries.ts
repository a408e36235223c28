import { isSlipwayError, SlipwayError } from '../errors.ts';
import { ANNOTATION } from '../oci/annotations.ts';
import { parseConfig } from '../oci/config.ts';
import { type Descriptor, describe } from '../oci/descriptor.ts';
import { DOCUMENT_LIMITS, type JsonObject } from '../oci/json.ts';
import { encodeDocument } from '../oci/manifest.ts';
import { isConfigType, MEDIA_TYPE } from '../oci/mediatype.ts';
import { formatPlatform, isUnknownPlatform, normalizePlatform } from '../oci/platform.ts';
import { type ManifestNode, readManifest } from './graph.ts';
import type { Fetcher, Resolver, Signalled } from './transport.ts';
import { readDocument } from './verify.ts';

/** An entry of an index, with its fields as they stand there. */
export interface IndexEntry {
  readonly descriptor: Descriptor;
  readonly json: unknown;
}

/** What stands under the tag of an index now. */
export interface CurrentIndex {
  /** undefined if nothing has the tag */
  readonly root: Descriptor | undefined;
  /** false for a single image, which counts as an index of this one */
  readonly isIndex: boolean;
  readonly mediaType: string;
  /** the document without its entries */
  readonly json: JsonObject;
  readonly entries: readonly IndexEntry[];
}

/** What an index is encoded from. */
export type IndexContent = Pick<CurrentIndex, 'json' | 'mediaType' | 'entries'>;

/** An index that was encoded. */
export interface EncodedIndex {
  readonly root: Descriptor;
  readonly bytes: Uint8Array;
}

/** How other tools mark the zstd variant of an image beside the gzip one. */
const ZSTD_VARIANT = 'io.github.containers.compression.zstd';
const MAX_LOOKS = 5;

/**
 * Reads the index that a tag names. A single image counts as an index of this one image.
 *
 * @throws SlipwayError `CONTENT_INVALID` …
 */
export async function readIndex(
  place: Fetcher & Resolver,
  tag: string,
  options: Signalled = {},
): Promise<CurrentIndex> {
  for (let looks = 1; ; looks++) {
    const root = await place.resolve(tag, options).catch((error: unknown) => {
      if (isSlipwayError(error, 'NOT_FOUND')) return undefined;
      throw error;
    });
    if (root === undefined) return { ...emptyIndex(), root };
    try {
      const node = await readManifest(place, root, options);
      const { document } = node;
      if (document.kind === 'manifest') {
        const entries = (await entriesOf(place, node, options)).map(asEntry);
        return { ...emptyIndex(), isIndex: false, root, entries };
      }
      const raw = document.json.manifests as readonly unknown[];
      const entries = document.manifests.map((descriptor, at) => ({ descriptor, json: raw[at] }));
      const { manifests: _, ...json } = document.json;
      return { root, isIndex: true, mediaType: document.mediaType, json, entries };
    } catch (error) {
      // The tag may have moved, and its old content may be gone, between the two requests.
      if (!isSlipwayError(error, 'NOT_FOUND') || looks === MAX_LOOKS) throw error;
    }
  }
}

/** An index without entries. */
export function emptyIndex(mediaType: string = MEDIA_TYPE.ociIndex): CurrentIndex {
  return {
    root: undefined,
    isIndex: true,
    mediaType,
    json: { schemaVersion: 2, mediaType },
    entries: [],
  };
}

/** The bytes of an index; fields that Slipway doesn't know stay. */
export function encodeIndex({ json, mediaType, entries }: IndexContent): EncodedIndex {
  const bytes = encodeDocument({ ...json, mediaType, manifests: entries.map((each) => each.json) });
  return { root: describe(bytes, mediaType), bytes };
}

/**
 * The entries by which an image stands in an index: those of an index, or one with the platform
 * that the image's config states.
 */
export async function entriesOf(
  source: Fetcher,
  { descriptor, document }: ManifestNode,
  options: Signalled = {},
): Promise<readonly Descriptor[]> {
  if (document.kind === 'index') return document.manifests;
  const { mediaType, digest, size } = descriptor;
  const { config, artifactType } = document;
  const maxBytes = DOCUMENT_LIMITS.configBytes;
  const platform = isConfigType(config.mediaType)
    ? parseConfig(await readDocument(source, config, { ...options, maxBytes })).platform
    : undefined;
  return [
    {
      mediaType,
      digest,
      size,
      ...(platform === undefined ? {} : { platform: normalizePlatform(platform) }),
      ...(artifactType === undefined ? {} : { artifactType }),
    },
  ];
}

/** An entry that is encoded from its descriptor. */
export function asEntry(descriptor: Descriptor): IndexEntry {
  return { descriptor, json: descriptor };
}

/** What an index has one entry of: a platform, or else the content itself. */
function keyOf({ platform, digest, annotations }: Descriptor): string {
  if (platform === undefined || isUnknownPlatform(platform)) return digest;
  const { 'os.version': version = '', 'os.features': features = [] } = platform;
  const variant = annotations?.[ZSTD_VARIANT] === 'true' ? 'zstd' : '';
  const name = formatPlatform(normalizePlatform(platform));
  return [name, version, features.toSorted().join(','), variant].join(' ');
}

/**
 * Puts entries into an index: one of the same platform gives way, with the attestations that belong
 * to it. What is there already keeps its place and its fields; the same array comes back if nothing
 * has to change.
 */
export function mergeEntries(
  entries: readonly IndexEntry[],
  added: readonly Descriptor[],
): readonly IndexEntry[] {
  const keys = new Set(added.map(keyOf));
  const digests = new Set(added.map(({ digest }) => digest));
  const gone = new Set(
    entries
      .filter(({ descriptor }) => keys.has(keyOf(descriptor)) && !digests.has(descriptor.digest))
      .map(({ descriptor }) => descriptor.digest),
  );
  const kept = withoutDigests(entries, gone);
  const there = new Set(kept.map(({ descriptor }) => descriptor.digest));
  const fresh = added.filter(({ digest }, at) => {
    const isFirst = added.findIndex((other) => other.digest === digest) === at;
    return isFirst && !there.has(digest);
  });
  if (gone.size === 0 && fresh.length === 0) return entries;
  return [...kept, ...fresh.map(asEntry)];
}

/** The entries without some, and without the attestations that belong to these. */
export function withoutDigests(
  entries: readonly IndexEntry[],
  gone: ReadonlySet<string>,
): readonly IndexEntry[] {
  return entries.filter(({ descriptor }) => {
    const belongsTo = descriptor.annotations?.[ANNOTATION.dockerReferenceDigest];
    return !gone.has(descriptor.digest) && !(belongsTo !== undefined && gone.has(belongsTo));
  });
}

/** An image that is to stand in an index, for people and with its entries. */
export interface IndexPiece {
  readonly name: string;
  readonly entries: readonly Descriptor[];
}

/**
 * Joins the entries of several images.
 *
 * @throws SlipwayError `USAGE` if two of them have different content for one platform
 */
export function joinPieces(pieces: readonly IndexPiece[]): readonly Descriptor[] {
  const joined = new Map<string, Descriptor>();
  const owners = new Map<string, { readonly piece: IndexPiece; readonly digest: string }>();
  for (const piece of pieces) {
    for (const entry of piece.entries) {
      const owner = owners.get(keyOf(entry));
      const { platform } = entry;
      if (owner !== undefined && owner.piece !== piece && owner.digest !== entry.digest) {
        throw new SlipwayError(
          'USAGE',
          `${owner.piece.name} and ${piece.name} both have an image for ${platform === undefined ? entry.digest : formatPlatform(platform)}`,
          { hint: 'an index has one image for each platform; leave one of them out' },
        );
      }
      owners.set(keyOf(entry), { piece, digest: entry.digest });
      joined.set(entry.digest, entry);
    }
  }
  return [...joined.values()];
}
