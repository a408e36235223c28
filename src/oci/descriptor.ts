import { SlipwayError } from '../errors.ts';
import type { Annotations } from './annotations.ts';
import { type Digest, digestAlgorithm, digestOf, isDigest } from './digest.ts';
import { isJsonObject, type JsonObject, refuseLookalikeKeys, textField } from './json.ts';
import { PLATFORM_KEYS, type Platform, platformOfJson } from './platform.ts';

/** A pointer to content (image-spec, descriptor.md). */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** bytes */
  readonly size: number;
  readonly urls?: readonly string[];
  readonly annotations?: Annotations;
  /** the content itself, base64 */
  readonly data?: string;
  readonly platform?: Platform;
  readonly artifactType?: string;
}

/** RFC 6838 names, which the image-spec asks for. */
const MEDIA_TYPE =
  /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/;

const KEYS = [
  'mediaType',
  'digest',
  'size',
  'urls',
  'annotations',
  'data',
  'platform',
  'artifactType',
];

/**
 * Reads a descriptor out of a document. Embedded `data` must match digest and size.
 *
 * @param what names the place in errors, for example `layers[2]`
 * @throws SlipwayError `CONTENT_INVALID`
 */
export function parseDescriptor(json: unknown, what: string): Descriptor {
  if (!isJsonObject(json)) throw invalid(what, 'is not an object');
  refuseLookalikeKeys(json, KEYS, what);
  const { mediaType, digest, size, urls, data, platform } = json;
  if (typeof mediaType !== 'string' || !MEDIA_TYPE.test(mediaType)) {
    throw invalid(what, 'has no valid mediaType');
  }
  if (!isDigest(digest)) {
    throw invalid(what, 'has no valid digest: sha256 or sha512 in lower-case hex is accepted');
  }
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw invalid(what, 'has no valid size');
  }
  const artifactType = textField(json, 'artifactType', what);
  const found = platformOf(platform, `${what}.platform`);
  const descriptor: Descriptor = {
    mediaType,
    digest,
    size,
    ...(urls === undefined || urls === null ? {} : { urls: stringList(urls, `${what}.urls`) }),
    ...annotationsOf(json, what),
    ...(found === undefined ? {} : { platform: found }),
    ...(artifactType === undefined ? {} : { artifactType }),
  };
  if (data === undefined || data === null) return descriptor;
  if (typeof data !== 'string') throw invalid(what, 'has data that is no string');
  const bytes = Buffer.from(data, 'base64');
  // The decoder skips what it doesn't know; other readers refuse it.
  if (bytes.toString('base64') !== data) throw invalid(what, 'has data that is not base64');
  if (bytes.byteLength !== size || digestOf(bytes, digestAlgorithm(digest)) !== digest) {
    throw invalid(what, 'has embedded data that does not match its digest and size');
  }
  return { ...descriptor, data };
}

function platformOf(json: unknown, what: string): Platform | undefined {
  if (json === undefined || json === null) return undefined;
  if (!isJsonObject(json)) throw invalid(what, 'is not an object');
  refuseLookalikeKeys(json, PLATFORM_KEYS, what);
  return platformOfJson(json, what);
}

/** The `annotations` of an object, as a field to spread. */
export function annotationsOf(json: JsonObject, what: string): { annotations?: Annotations } {
  const { annotations } = json;
  if (annotations === undefined || annotations === null) return {};
  if (!isJsonObject(annotations)) throw invalid(what, 'has annotations that are no object');
  for (const value of Object.values(annotations)) {
    if (typeof value !== 'string') throw invalid(what, 'has an annotation that is no string');
  }
  return { annotations: annotations as Annotations };
}

function stringList(value: unknown, what: string): readonly string[] {
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  throw invalid(what, 'is not a list of strings');
}

/** The descriptor of bytes that are in memory. */
export function describe(bytes: Uint8Array, mediaType: string): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
}

/** True if both name the same bytes. */
export function sameContent(a: Descriptor, b: Descriptor): boolean {
  return a.digest === b.digest && a.size === b.size;
}

function invalid(what: string, problem: string): SlipwayError {
  return new SlipwayError('CONTENT_INVALID', `${what} ${problem}`);
}
