import { SlipwayError } from '../errors.ts';
import type { Annotations } from './annotations.ts';
import { annotationsOf, type Descriptor, parseDescriptor } from './descriptor.ts';
import {
  DOCUMENT_LIMITS,
  type JsonObject,
  parseJsonObject,
  refuseLookalikeKeys,
  textField,
} from './json.ts';
import { isIndexType, isManifestType, MEDIA_TYPE } from './mediatype.ts';

/** An image manifest (image-spec, manifest.md) or Docker's schema 2 manifest. */
export interface ImageManifest {
  readonly kind: 'manifest';
  readonly mediaType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly artifactType?: string;
  readonly annotations?: Annotations;
  /** the document as it was parsed, with the fields that Slipway doesn't know */
  readonly json: JsonObject;
}

/** An image index (image-spec, image-index.md) or Docker's manifest list. */
export interface ImageIndex {
  readonly kind: 'index';
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly artifactType?: string;
  readonly annotations?: Annotations;
  readonly json: JsonObject;
}

/** What a registry keeps under `/manifests/`. */
export type ManifestDocument = ImageManifest | ImageIndex;

const KEYS = [
  'schemaVersion',
  'mediaType',
  'config',
  'layers',
  'manifests',
  'subject',
  'artifactType',
  'annotations',
];

/**
 * Parses a manifest or an index of either family.
 *
 * What it is, is decided once: by its own `mediaType`, else by `expected`, else by its fields. A
 * document that could be two things is refused (CVE-2021-41190).
 *
 * @param bytes the document as it was received
 * @param expected the media type of the descriptor or the Content-Type that led here, if any
 * @throws SlipwayError `CONTENT_INVALID`, `LIMIT_EXCEEDED`
 */
export function parseManifest(bytes: Uint8Array, expected?: string): ManifestDocument {
  const what = 'the manifest';
  const json = parseJsonObject(bytes, what, DOCUMENT_LIMITS.manifestBytes);
  refuseLookalikeKeys(json, KEYS, what);
  const isIndexShaped = json.manifests !== undefined;
  const isManifestShaped = json.config !== undefined || json.layers !== undefined;
  if (isIndexShaped && isManifestShaped) {
    throw invalid('could be read as an image and as an index; it is refused');
  }
  if (json.schemaVersion !== 2) {
    throw invalid(
      json.schemaVersion === 1
        ? 'is of schema version 1, which no current registry accepts'
        : 'has no schemaVersion 2',
    );
  }
  const mediaType = decideMediaType(json, expected, isIndexShaped);
  if (isIndexType(mediaType) ? !isIndexShaped : !isManifestShaped) {
    throw invalid(`does not have the fields of its media type ${mediaType}`);
  }
  const artifactType = textField(json, 'artifactType', what);
  const shared = {
    mediaType,
    ...(isSet(json.subject) ? { subject: parseDescriptor(json.subject, 'subject') } : {}),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...annotationsOf(json, what),
    json,
  };
  if (isIndexShaped) {
    return { kind: 'index', manifests: descriptors(json.manifests, 'manifests'), ...shared };
  }
  return {
    kind: 'manifest',
    config: parseDescriptor(json.config, 'config'),
    layers: descriptors(json.layers, 'layers'),
    ...shared,
  };
}

function decideMediaType(json: JsonObject, expected: string | undefined, isIndex: boolean): string {
  const own = json.mediaType;
  if (isSet(own)) {
    if (typeof own !== 'string' || !isManifestType(own)) {
      throw invalid('has a mediaType that is neither an image manifest nor an index');
    }
    if (expected !== undefined && expected !== own) {
      throw invalid(`says that it is ${own}, but what led to it says ${expected}`);
    }
    return own;
  }
  if (expected !== undefined && isManifestType(expected)) return expected;
  if (expected !== undefined) throw invalid(`is announced as ${expected}, which is no manifest`);
  return isIndex ? MEDIA_TYPE.ociIndex : MEDIA_TYPE.ociManifest;
}

/** Go's programs write null for a list without entries: BuildKit does for an image of no layers. */
function descriptors(value: unknown, what: string): readonly Descriptor[] {
  if (value === null) return [];
  if (!Array.isArray(value)) throw invalid(`has no list of ${what}`);
  return value.map((item, index) => parseDescriptor(item, `${what}[${index}]`));
}

/** Everything that a manifest names and can't do without, blobs before manifests. */
export function childrenOf(document: ManifestDocument): readonly Descriptor[] {
  return document.kind === 'index' ? document.manifests : [document.config, ...document.layers];
}

/**
 * Encodes a document that we make or were asked to change. A manifest that was only read is never
 * encoded again: its bytes are kept.
 */
export function encodeDocument(json: object): Uint8Array {
  return Buffer.from(JSON.stringify(json));
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function invalid(problem: string): SlipwayError {
  return new SlipwayError('CONTENT_INVALID', `the manifest ${problem}`);
}
