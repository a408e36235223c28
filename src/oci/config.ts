import { SlipwayError } from '../errors.ts';
import { type Digest, isDigest } from './digest.ts';
import {
  DOCUMENT_LIMITS,
  isJsonObject,
  type JsonObject,
  parseJsonObject,
  refuseLookalikeKeys,
  textField,
} from './json.ts';
import { PLATFORM_KEYS, type Platform, platformOfJson } from './platform.ts';

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

const KEYS = ['rootfs', 'history', 'config', 'created', ...PLATFORM_KEYS];
const WHAT = 'the image config';

/**
 * Parses an image config (image-spec, config.md). What no engine could read is refused.
 *
 * @throws SlipwayError `CONTENT_INVALID`, `LIMIT_EXCEEDED`
 */
export function parseConfig(bytes: Uint8Array): ImageConfig {
  const json = parseJsonObject(bytes, WHAT, DOCUMENT_LIMITS.configBytes);
  refuseLookalikeKeys(json, KEYS, WHAT);
  const platform = platformOfJson(json, WHAT);
  const created = textField(json, 'created', WHAT);
  return {
    ...(platform === undefined ? {} : { platform }),
    ...(created === undefined ? {} : { created }),
    diffIds: diffIdsOf(json.rootfs),
    history: historyOf(json.history),
    labels: labelsOf(json.config),
    json,
  };
}

function diffIdsOf(rootfs: unknown): readonly Digest[] {
  const what = `${WHAT}'s rootfs`;
  if (!isJsonObject(rootfs)) throw invalid(WHAT, 'has no rootfs');
  refuseLookalikeKeys(rootfs, ['type', 'diff_ids'], what);
  const type = textField(rootfs, 'type', what) ?? 'layers';
  if (type !== 'layers') throw invalid(what, 'is of an unknown type; "layers" is known');
  const diffIds = rootfs.diff_ids ?? [];
  if (!Array.isArray(diffIds) || !diffIds.every(isDigest)) {
    throw invalid(what, 'has diff_ids that are not digests');
  }
  return diffIds;
}

function labelsOf(config: unknown): Readonly<Record<string, string>> {
  const what = `${WHAT}'s config`;
  if (config === undefined || config === null) return {};
  if (!isJsonObject(config)) throw invalid(what, 'is not an object');
  refuseLookalikeKeys(config, ['User', 'Env', 'Volumes', 'Labels'], what);
  textField(config, 'User', what);
  const env = config.Env ?? [];
  if (!Array.isArray(env) || !env.every((item) => typeof item === 'string')) {
    throw invalid(what, 'has an Env that is no list of strings');
  }
  if (!isJsonObject(config.Volumes ?? {})) throw invalid(what, 'has Volumes that are no object');
  const labels = config.Labels ?? {};
  if (!isJsonObject(labels)) throw invalid(what, 'has Labels that are no object');
  if (!Object.values(labels).every((value) => typeof value === 'string')) {
    throw invalid(what, 'has a label that is no string');
  }
  return labels as Readonly<Record<string, string>>;
}

function historyOf(history: unknown): readonly HistoryEntry[] {
  const entries = history ?? [];
  if (!Array.isArray(entries) || !entries.every(isJsonObject)) {
    throw invalid(WHAT, 'has a history that is no list of objects');
  }
  return entries.map(historyEntry);
}

function historyEntry(json: JsonObject): HistoryEntry {
  const what = `${WHAT}'s history`;
  const created = textField(json, 'created', what);
  const createdBy = textField(json, 'created_by', what);
  const author = textField(json, 'author', what);
  const comment = textField(json, 'comment', what);
  return {
    ...(created === undefined ? {} : { created }),
    ...(createdBy === undefined ? {} : { createdBy }),
    ...(author === undefined ? {} : { author }),
    ...(comment === undefined ? {} : { comment }),
    emptyLayer: json.empty_layer === true,
  };
}

function invalid(what: string, problem: string): SlipwayError {
  return new SlipwayError('CONTENT_INVALID', `${what} ${problem}`);
}
