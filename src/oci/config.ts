import { SlipwayError } from '../errors.ts';
import { type Digest, isDigest } from './digest.ts';
import { DOCUMENT_LIMITS, isJsonObject, type JsonObject, parseJsonObject } from './json.ts';
import { type Platform, platformOfJson } from './platform.ts';

/** One line of an image's history (image-spec, config.md "history"). */
export interface HistoryEntry {
  readonly created?: string;
  readonly createdBy?: string;
  readonly author?: string;
  readonly comment?: string;
  /** no layer belongs to this line */
  readonly emptyLayer: boolean;
}

/** An image's configuration, the parts that Slipway reads (image-spec, config.md). */
export interface ImageConfig {
  readonly platform?: Platform;
  /** RFC 3339 */
  readonly created?: string;
  /** digests of the uncompressed layers, in the order of the manifest's layers */
  readonly diffIds: readonly Digest[];
  readonly history: readonly HistoryEntry[];
  readonly labels: Readonly<Record<string, string>>;
  /** the document as it was parsed */
  readonly json: JsonObject;
}

/**
 * Parses an image config.
 *
 * @throws SlipwayError `CONTENT_INVALID`, `LIMIT_EXCEEDED`
 */
export function parseConfig(bytes: Uint8Array): ImageConfig {
  const json = parseJsonObject(bytes, 'the image config', DOCUMENT_LIMITS.configBytes);
  const { rootfs, history, config, created } = json;
  if (!isJsonObject(rootfs)) throw invalid('has no rootfs');
  const diffIds = rootfs.diff_ids ?? [];
  if (!Array.isArray(diffIds) || !diffIds.every(isDigest)) {
    throw invalid('has diff_ids that are not digests');
  }
  const platform = platformOfJson(json);
  const labels = isJsonObject(config) && isJsonObject(config.Labels) ? config.Labels : {};
  return {
    ...(platform === undefined ? {} : { platform }),
    ...(typeof created === 'string' ? { created } : {}),
    diffIds,
    history: Array.isArray(history) ? history.filter(isJsonObject).map(historyEntry) : [],
    labels: Object.fromEntries(
      Object.entries(labels).filter(
        (pair): pair is [string, string] => typeof pair[1] === 'string',
      ),
    ),
    json,
  };
}

function historyEntry(json: JsonObject): HistoryEntry {
  const text = (key: string) => (typeof json[key] === 'string' ? (json[key] as string) : undefined);
  const created = text('created');
  const createdBy = text('created_by');
  const author = text('author');
  const comment = text('comment');
  return {
    ...(created === undefined ? {} : { created }),
    ...(createdBy === undefined ? {} : { createdBy }),
    ...(author === undefined ? {} : { author }),
    ...(comment === undefined ? {} : { comment }),
    emptyLayer: json.empty_layer === true,
  };
}

function invalid(problem: string): SlipwayError {
  return new SlipwayError('CONTENT_INVALID', `the image config ${problem}`);
}
